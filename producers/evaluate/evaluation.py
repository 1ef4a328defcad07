"""One pass over a data set, through the same two stages as a live log.

What it ranks is what HTTP answers. A list is made from what was learned before its event; the
event is compared with it, and learned, only after that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from msgspec import structs

from models.learned import Learned
from models.model import Model
from models.settings import LearningSettings
from producers.baselines import REFIT_EVERY
from producers.evaluate.contest import Contest
from producers.evaluate.judge import Judge, Scoreboard, Verdict
from producers.evaluate.order import Prepared, prepare
from producers.evaluate.pipeline import BATCH, Foretold, Pipeline
from producers.readers import Dataset
from stream.examples import ExampleBatch
from stream.manifest import Manifest

Progress = Callable[[int], None]


class Evaluation:
    """One pass, Freshet and any baselines of `against` side by side."""

    def __init__(
        self,
        settings: LearningSettings,
        manifest: Manifest,
        *,
        repeats: bool = False,
        positive_from: float | None = None,
        watch: Callable[[Foretold], None] | None = None,
        against: Sequence[str] = (),
        refit_every: int = REFIT_EVERY,
    ) -> None:
        self._watch = watch
        settings = structs.replace(settings, repeats=repeats or bool(settings.repeats))
        self._pipeline = Pipeline(settings, manifest)
        self._judge = Judge(repeats, positive_from)
        self._contest = Contest(against, refit_every, bool(settings.repeats))
        self.board = Scoreboard()
        #: Positions of the events that were learned: no duplicates, nothing malformed.
        self.positions: list[int] = []

    @property
    def model(self) -> Model:
        return self._pipeline.model

    def boards(self) -> dict[str, Scoreboard]:
        """The baselines' scoreboards, by their names."""
        return self._contest.boards

    def run(
        self, dataset: Dataset, limit: int | None = None, progress: Progress | None = None
    ) -> dict[str, Any]:
        """Evaluate; events in order of time, ties in file order, the first `limit` of them."""
        return self.over(prepare(dataset, limit), progress)

    def over(self, data: Prepared, progress: Progress | None = None) -> dict[str, Any]:
        """Evaluate what was read and sorted already."""
        start = time.perf_counter()
        self._pipeline.learn(data.catalogue())
        for batch in _batches(data.events):
            self._pipeline.learn(batch, self._note)
            if progress is not None:
                progress(len(batch))
        seconds = time.perf_counter() - start - self._contest.seconds
        events, items = len(self.positions), self.model.items
        report = {
            "dataset": data.name,
            "events": events,
            **self.board.report(items),
            "events_per_s": round(events / seconds, 1) if events else 0.0,
            "slices": self.board.slices_report(),
            "over_time": self.board.over_time(),
        }
        against = self._contest.report(self.board, items)
        return {**report, "against": against} if against else report

    def _note(self, batch: ExampleBatch, learned: Learned) -> None:
        told = {at: (foretold, given) for at, given, foretold in learned.ratings}
        values, places = batch.examples.value.tolist(), learned.scores.place.tolist()
        for at, (user, item) in enumerate(zip(batch.user_ids, batch.item_ids, strict=True)):
            verdict = self._judge.take(user, item, values[at])
            rating = None
            if at in told:
                foretold, rating = told[at]
                self.board.error(verdict, user, foretold - rating)
            if verdict.scored:
                rows = [row for row in learned.scores.list[at].tolist() if row >= 0]
                self._note_list(verdict, user, item, places[at], rows)
            self._contest.meet(verdict, user, item, rating)
            self.positions.append(int(batch.positions[at]))

    def _note_list(
        self, verdict: Verdict, user: str, item: str, place: int, rows: list[int]
    ) -> None:
        self.board.place(verdict, user, place, rows)
        if self._watch is not None:
            self._watch(Foretold(len(self.positions), user, item, place, rows))


def _batches(events: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    remaining = iter(events)
    while batch := list(islice(remaining, BATCH)):
        yield batch
