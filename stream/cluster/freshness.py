"""How old records are when a stage is through with them, and how late its partitions."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Final

from stream.ages import AgeCounts
from stream.source import TP, SourceRecord

#: Header of an examples record: when the broker took its source record, ms since the epoch. A
#: function of the source record alone, as the value is.
RECEIVED_HEADER: Final = "freshet-received"


class Ages(AgeCounts):
    """Ages of source records, and when the last of each partition was taken."""

    def __init__(self) -> None:
        super().__init__()
        #: When the broker took the record that was through last, a partition each; seconds.
        self.last: dict[TP, float] = {}

    def observe_all(self, records: Iterable[SourceRecord]) -> None:
        """Count the ages of records, of one partition, that have just become effective."""
        now = time.time()
        for record in records:
            self.observe(now - received_ms(record) / 1e3)
            self.last[record.tp] = record.timestamp_ms / 1e3


class Lags:
    """How many seconds each partition is behind, as often as somebody asks."""

    def __init__(self) -> None:
        self._level_at: dict[TP, float] = {}

    def seconds(
        self, positions: Mapping[TP, int | None], ends: Mapping[TP, int], ages: Ages, now: float
    ) -> dict[TP, float]:
        """0 at the end; else the age of the record that was through last.

        A record that arrives after a quiet hour does not make its partition an hour late: it is
        late since it was last seen at the end.
        """
        found = {}
        for tp, end in ends.items():
            if tp not in positions:
                continue
            if (positions[tp] or 0) >= end:
                self._level_at[tp] = now
            since = max(ages.last.get(tp, 0.0), self._level_at.get(tp, 0.0))
            if since:
                found[tp] = max(now - since, 0.0)
            else:
                self._level_at[tp] = now  # nothing is known yet: late from now on
        return found


def received_ms(record: SourceRecord) -> int:
    """When the broker took the event behind a record, of `events` or of `examples`."""
    for name, value in record.headers:
        if name == RECEIVED_HEADER:
            try:
                return int(value)
            except (TypeError, ValueError):  # a header may hold nothing
                break
    return record.timestamp_ms
