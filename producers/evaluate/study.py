"""All that one call of `freshet evaluate` asks of a data set: the pass, and what goes with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from models.settings import LearningSettings
from producers.baselines import REFIT_EVERY
from producers.evaluate.bootstrap import RESAMPLES, UNITS, difference
from producers.evaluate.evaluation import Evaluation, Progress
from producers.evaluate.lag import Lag, Staleness
from producers.evaluate.order import Prepared
from stream.manifest import Manifest

#: Opens a progress bar: a label and how many events it will see.
Bar = Callable[[str, int], AbstractContextManager[Progress]]


@dataclass(frozen=True)
class Variant:
    """One configuration: its name, and the settings it learns under."""

    name: str
    learning: LearningSettings
    manifest: Manifest


@dataclass(frozen=True)
class Study:
    """What is asked; `other` is a second configuration to compare with."""

    variant: Variant
    other: Variant | None = None
    repeats: bool = False
    positive_from: float | None = None
    against: Sequence[str] = ()
    refit_every: int = REFIT_EVERY
    lags: Sequence[Lag] = ()

    def of(self, data: Prepared, bar: Bar) -> dict[str, Any]:
        """The report on one data set: the plain metrics, and a key for each thing asked."""
        first = self._evaluation(self.variant, self.against)
        with bar(f"evaluating {data.name}", len(data.events)) as progress:
            report = first.over(data, progress)
        if self.other is not None:
            second = self._evaluation(self.other)
            with bar(f"{data.name}: {self.other.name}", len(data.events)) as progress:
                theirs = second.over(data, progress)
            report["config"] = self.variant.name
            report["against_config"] = {
                "config": self.other.name,
                **theirs,
                "difference": difference(first.board, second.board),
                "units": UNITS,
                "resamples": RESAMPLES,
            }
        if self.lags:
            report["lag"] = self._stale(data, first, bar)
        return report

    def _evaluation(self, variant: Variant, against: Sequence[str] = ()) -> Evaluation:
        return Evaluation(
            variant.learning, variant.manifest, repeats=self.repeats,
            positive_from=self.positive_from, against=against, refit_every=self.refit_every,
        )  # fmt: skip

    def _stale(self, data: Prepared, first: Evaluation, bar: Bar) -> list[dict[str, Any]]:
        staleness = Staleness(
            self.variant.learning, self.variant.manifest,
            repeats=self.repeats, positive_from=self.positive_from,
        )  # fmt: skip
        records = [*data.catalogue(), *data.events]
        with bar(f"{data.name}: late", len(first.positions)) as progress:
            return staleness.over(records, first.positions, self.lags, progress)
