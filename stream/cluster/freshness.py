"""How old events are when a stage is through with them: a histogram without a library."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Final

from stream.source import TP, SourceRecord

#: Header of an examples record: when the broker took its source record, ms since the epoch. A
#: function of the source record alone, as the value is.
RECEIVED_HEADER: Final = "freshet-received"

#: Upper bounds in seconds; the last bucket is open.
BOUNDS: Final = (
    0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
)  # fmt: skip


class Ages:
    """Counts of ages by bucket; one writer, any readers.

    >>> ages = Ages()
    >>> ages.observe(0.03), ages.observe(-1.0), ages.observe(1e6)
    (None, None, None)
    >>> [count for _, count in ages.cumulative()][:5], ages.cumulative()[-1]
    ([1, 1, 1, 2, 2], ('+Inf', 3))
    """

    def __init__(self) -> None:
        self.newest_s = 0.0
        self.sum_s = 0.0
        #: When the broker took the record that was through last, a partition each; seconds.
        self.last: dict[TP, float] = {}
        self._counts = [0] * (len(BOUNDS) + 1)

    def observe(self, seconds: float) -> None:
        """Count an age; clocks that differ do not make it negative."""
        self.newest_s = max(seconds, 0.0)
        self.sum_s += self.newest_s
        self._counts[bisect_left(BOUNDS, self.newest_s)] += 1

    def observe_all(self, records: Iterable[SourceRecord]) -> None:
        """Count the ages of records, of one partition, that have just become effective."""
        now = time.time()
        for record in records:
            self.observe(now - received_ms(record) / 1e3)
            self.last[record.tp] = record.timestamp_ms / 1e3

    def cumulative(self) -> list[tuple[str, int]]:
        """(upper bound, how many are at most as old), as Prometheus wants them."""
        names, total, found = [*map(str, BOUNDS), "+Inf"], 0, []
        for name, count in zip(names, self._counts, strict=True):
            total += count
            found.append((name, total))
        return found


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
