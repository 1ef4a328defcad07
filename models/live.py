"""Learning under watch: live quality, drift, and what a drift does to learning.

What it does begins and ends at every `PERIOD`-th example, whatever the batches: like all
that learning depends on, it is a function of the log.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any, Final, TypeVar

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from models import drift_people, quality_report
from models.drift import SERIOUS, WINDOWED, Drift, Drifts, Effect
from models.drift_windows import LARGE, most
from models.examples import Examples
from models.features import SOURCES
from models.learning import LIST, Scores
from models.quality import Quality
from models.quality_kernels import EXAMPLES, SAMPLES, observe
from models.settings import Drift as DriftSettings
from models.settings import LearningSettings
from models.state import State
from models.tables import Arena

#: Examples between two moments at which learning may change its pace. Fewer would cut batches
#: into many kernel calls, more would let a drift wait.
PERIOD: Final = 1_024
# A rating foretold this far off counts as a whole error for the detectors, which want 0 to 1.
_WORST_ERROR: Final = 2.0


_Part = TypeVar("_Part", bound=Struct)


class Live:
    """Watches what a model learns; one writer, and readers of `report`."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self.quality = Quality(arena)
        self.drifts = Drifts(arena)
        # Example of the newest serious drift not yet acted on (0: none), and that up to which one
        # is.
        arena.add("drift.acting", np.int64, 2)
        drift_people.declare(arena)
        # Tables without an extent stay where they are when the arena grows.
        self._count, self._acting = arena["quality.counts"], arena["drift.acting"]
        self._people = drift_people.view(arena)
        self._windows = self.drifts.windows()

    # Written by the learner alone.

    def cuts(self, count: int) -> Iterator[tuple[int, int]]:
        """Parts of a batch of `count` examples between which learning may change its pace."""
        start, stop = 0, PERIOD - int(self._count[EXAMPLES]) % PERIOD
        while start < count:
            yield start, min(stop, count)
            start, stop = stop, stop + PERIOD

    def observe(
        self,
        state: State,
        examples: Examples,
        types: Sequence[str],
        rung: NDArray[np.int8],
        scores: Scores,
        ratings: Sequence[tuple[int, float, float]],
        positions: NDArray[np.int64] | None,
        partition: int,
        settings: DriftSettings,
    ) -> list[Drift]:
        """Watch a part right after it was learned; return the drifts it shows, in log order.

        `rung` (int8[n]) is that of the list each example names, -1 = none known.
        """
        before = int(self._count[EXAMPLES])
        facts = self.quality.facts(examples, types, ratings, rung)
        n = examples.type.shape[0]
        room = np.zeros((most(n) * len(WINDOWED), 3), np.int64)
        sizes, apart = np.zeros(len(room)), np.zeros(n, np.bool_)
        self._windows.least[:] = self.drifts.least(settings.least_distance)
        count = observe(
            self.quality.tables(), self._windows, state.slots, state.key,
            examples, scores, facts, apart, room, sizes,
        )  # fmt: skip
        found = []
        for (at, window, how), size in zip(room[:count].tolist(), sizes.tolist(), strict=False):
            detector, signal = WINDOWED[window]
            if how == LARGE or signal != "scores":
                effect: Effect = "changed" if how == LARGE else "slight"
                found.append(Drift(at, detector, signal, effect, size))
        drift_people.keep_few(self._people, examples.user_key, before, apart)
        found += self._of_quality(scores, facts.error, apart, settings.least_loss)
        if positions is not None:
            found = [replace(d, partition=partition, position=int(positions[d.at])) for d in found]
        found.sort(key=lambda drift: (drift.at, drift.detector, drift.signal))
        for drift in found:
            example = before + drift.at + 1
            self.drifts.remember(drift, example, float(examples.time[drift.at]))
            if drift.effect in SERIOUS:
                self._acting[0] = example
        return found

    def _of_quality(
        self, scores: Scores, error: NDArray[np.float64], apart: NDArray[np.bool_], least: float
    ) -> list[Drift]:
        ranked = np.flatnonzero((scores.place >= 0) & apart)
        hits = (scores.place[ranked] < LIST).astype(np.float64)
        rated = np.flatnonzero(~np.isnan(error) & apart)
        errors = np.minimum(np.abs(error[rated]) / _WORST_ERROR, 1.0)
        return [
            *self.drifts.watch("hit_rate", ranked, hits, least),
            *self.drifts.watch("rating_error", rated, errors, least),
        ]

    def turn(self, settings: LearningSettings) -> bool:
        """At the end of a period, act on the drifts in it; True where the pace changes."""
        example = int(self._count[EXAMPLES])
        if example % PERIOD:
            return False
        acted = self.is_acting(example - 1)
        if self._acting[0] and settings.drift.action != "note":
            self._acting[1] = _end_of_period(example + settings.drift.duration)
        self._acting[0] = 0
        return acted != self.is_acting(example)

    def is_acting(self, example: int | None = None) -> bool:
        """Whether a drift makes learning quicker at an example, by default at the next one."""
        at = int(self._count[EXAMPLES]) if example is None else example
        return int(self._acting[1]) > at

    def paced(self, settings: LearningSettings) -> LearningSettings:
        """The settings to learn with now: `settings`, quicker for a while after a drift."""
        drift = settings.drift
        if drift.action == "note" or not self.is_acting():
            return settings
        if drift.action == "higher_learning_rate":
            ranker, embeddings = settings.ranker, settings.embeddings
            return structs.replace(
                settings,
                ranker=_times(ranker, drift.strength, "learning_rate"),
                embeddings=_times(embeddings, drift.strength, "learning_rate"),
            )
        share = 1.0 / drift.strength
        return structs.replace(
            settings,
            popularity=_times(settings.popularity, share, "fast_half_life", "slow_half_life"),
            cooccurrence={
                name: _times(horizon, share, "half_life")
                for name, horizon in settings.cooccurrence.items()
            },
        )

    # Read by others, beside the learner.

    def report(self, items: int, settings: LearningSettings) -> dict[str, Any]:
        """All figures, as `GET /v1/quality` shows them; `items` are known."""
        q = self.quality.tables()
        actions = quality_report.actions(q, self.quality.kinds())
        shown = quality_report.shown(q)
        windows = {}
        for length in (*quality_report.WINDOWS, None):
            told = quality_report.window(q, length, SOURCES, items)
            name = str(length or "all")
            for rung, figures in told["served_by"].items():
                figures.update(shown[name][rung])
            windows[name] = {**told, "event_types": actions[name]}
        return {
            "samples": int(q.counts[SAMPLES]),
            "learned": int(q.counts[EXAMPLES]),
            "windows": windows,
            "trend": quality_report.trend(q),
            "drift": {
                "action": settings.drift.action,
                "acting_until": int(self._acting[1]) if self.is_acting() else None,
                "rejected": self.drifts.rejected(),
            },
            "drifts": [asdict(one) for one in self.drifts.newest()],
        }


def _end_of_period(example: int) -> int:
    return example + -example % PERIOD


def _times(part: _Part, factor: float, *names: str) -> _Part:
    return structs.replace(part, **{name: getattr(part, name) * factor for name in names})
