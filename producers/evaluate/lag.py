"""What staleness costs: lists made by a server that hears of every event late.

After m events a late server is in the state a punctual one was in earlier; so one pass serves
all lags: whenever m events are learned, it is asked for everybody whose event was due then.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from msgspec import structs

from models.settings import LearningSettings
from producers.errors import OptionError
from producers.evaluate.judge import Judge, Scoreboard, Verdict, place_in
from producers.evaluate.order import time_of
from producers.evaluate.pipeline import Log, Pipeline, every_event
from stream.manifest import Manifest
from stream.profiles import Profiles

_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
# Lists between two reports of progress.
_REPORT_EVERY: Final = 256


@dataclass(frozen=True)
class Lag:
    """By how much the server is late: in events of the whole stream, or in seconds.

    `crowd`: only the model is; every user's own history is fresh.
    """

    name: str
    events: int | None = None
    seconds: float | None = None
    crowd: bool = False

    def learned_before(self, times: Sequence[float]) -> list[int]:
        """For each event, how many the late server had learned when it was asked.

        >>> Lag("2", events=2).learned_before([0, 1, 2, 3])
        [0, 0, 0, 1]
        >>> Lag("1s", seconds=1).learned_before([0, 0, 1, 3])
        [0, 0, 2, 3]
        """
        if self.events is not None:
            return [max(at - self.events, 0) for at in range(len(times))]
        late = self.seconds or 0.0
        return [min(bisect_right(times, time - late), at) for at, time in enumerate(times)]


def parse_lags(text: str | None, option: str, *, crowd: bool = False) -> list[Lag]:
    """Lags from `0,100,1h`: numbers of events, or durations in s, m, h, d; none for None.

    Raises OptionError naming the option.

    >>> [lag.seconds for lag in parse_lags("10, 2h", "--lag")]
    [None, 7200.0]
    """
    lags: list[Lag] = []
    for part in [] if text is None else text.split(","):
        found = re.fullmatch(r"\s*(\d{1,12})\s*([smhd]?)\s*", part)
        if found is None:
            raise OptionError(f"{option}: expected events or durations such as 0,10,100,1h")
        amount, unit = int(found[1]), found[2]
        if unit:
            lags.append(Lag(f"{amount}{unit}", seconds=amount * _SECONDS[unit], crowd=crowd))
        else:
            lags.append(Lag(str(amount), events=amount, crowd=crowd))
    return lags


class _Late:
    """One late server: whom it is to be asked for next, and how its lists did."""

    def __init__(self, lag: Lag, times: Sequence[float], manifest: Manifest) -> None:
        self.lag = lag
        self.due = lag.learned_before(times)
        self.next = 0
        self.board = Scoreboard()
        self.profiles = Profiles(every_event(manifest)) if lag.crowd else None
        self._log = Log()
        self._remembered = 0

    def upcoming(self, learned: int) -> Iterator[int]:
        """Numbers of the events to be foretold when so many are learned."""
        while self.next < len(self.due) and self.due[self.next] == learned:
            yield self.next
            self.next += 1

    def remember(self, records: Sequence[dict[str, Any]], until: int) -> None:
        """Users' own histories up to a record: they are fresh where only the crowd is late."""
        if self.profiles is not None:
            self.profiles.step(self._log.records(records[self._remembered : until]))
            self._remembered = until


class Staleness:
    """The same events as a plain evaluation, once more, with lists that are late."""

    def __init__(
        self,
        settings: LearningSettings,
        manifest: Manifest,
        *,
        repeats: bool = False,
        positive_from: float | None = None,
    ) -> None:
        settings = structs.replace(settings, repeats=repeats or bool(settings.repeats))
        self._settings, self._manifest = settings, manifest
        self._judge = Judge(repeats, positive_from)

    def over(
        self,
        records: Sequence[dict[str, Any]],
        positions: Sequence[int],
        lags: Sequence[Lag],
        progress: Callable[[int], None] | None = None,
    ) -> list[dict[str, Any]]:
        """By lag the ranking metrics, and NDCG relative to no lag, which is always among them.

        `records` are a whole log in order of time; `positions` are those of the events that
        are learned, as a plain evaluation of it found them: a duplicate is not an event that
        comes between two others, and neither is what is known of an item.
        """
        pipeline = Pipeline(self._settings, self._manifest)
        events = [records[at] for at in positions]
        verdicts = [self._judge.take(e["user_id"], e["item_id"], e.get("value")) for e in events]
        times = [time_of(event) for event in events]
        fresh = Lag("0", events=0)
        asked = [fresh, *(lag for lag in lags if lag.events != 0 and lag.seconds != 0)]
        lates = [_Late(lag, times, self._manifest) for lag in asked]
        done = 0
        for learned, position in enumerate(positions):
            pipeline.learn(records[done:position])
            for late in lates:
                for number in late.upcoming(learned):
                    late.remember(records, positions[number])
                    _foretell(late, pipeline, events[number], verdicts[number])
            pipeline.learn(records[position : position + 1])
            done = position + 1
            if progress is not None and (learned + 1) % _REPORT_EVERY == 0:
                progress(_REPORT_EVERY)
        if progress is not None:
            progress(len(events) % _REPORT_EVERY)
        best = lates[0].board.all.report()["ndcg@10"]
        return [_report(late, best, pipeline.model.items) for late in lates]


def _foretell(late: _Late, pipeline: Pipeline, event: dict[str, Any], verdict: Verdict) -> None:
    if verdict.scored:
        rows = pipeline.ask(event["user_id"], late.profiles)
        row = pipeline.row_of(event["item_id"])
        late.board.place(verdict, event["user_id"], place_in(rows, row), rows)


def _report(late: _Late, best: float | None, items: int) -> dict[str, Any]:
    found = late.board.report(items)
    ranking = {name: value for name, value in found.items() if name not in ("rmse", "mae")}
    relative = found["ndcg@10"] / best if best and found["ndcg@10"] is not None else None
    return {
        "lag": late.lag.name,
        "late": "crowd" if late.lag.crowd else "all",
        **ranking,
        "relative_ndcg@10": relative,
    }
