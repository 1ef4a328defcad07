"""Drift: River's detectors on live quality, two-sample windows on what comes in; what they found.

Each drift says how large it is and what it means. What is done about it is `models.live`'s.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from models import drift_windows
from models.drift_windows import JS, KS, Windows
from models.errors import StateMismatch
from models.tables import Arena

DETECTORS: Final = ("adwin", "page_hinkley", "ks", "js")
#: Quality of the lists and of the ratings foretold, both from 0 to 1, then what comes in.
SIGNALS: Final = (
    "hit_rate", "rating_error", "ratings", "event_types", "categories", "popularity", "scores",
)  # fmt: skip
QUALITY: Final = SIGNALS[:2]
#: (detector, signal) of every window. Types and categories have no order, so no KS.
WINDOWED: Final[tuple[tuple[str, str], ...]] = (
    ("ks", "ratings"), ("ks", "popularity"), ("ks", "scores"), ("js", "ratings"),
    ("js", "event_types"), ("js", "categories"), ("js", "popularity"), ("js", "scores"),
)  # fmt: skip
#: What a drift means: quality that rose, quality that fell, anything else that is another now;
#: or any of the latter two that is no reason to act.
Effect = Literal["better", "worse", "changed", "slight"]
EFFECTS: Final[tuple[Effect, ...]] = ("better", "worse", "changed", "slight")
#: The effects for which somebody should look, and learning may become quicker.
SERIOUS: Final = ("worse", "changed")
# The ranker learns on, and what it says moves with it: by up to 0.45 within a day in a shop, by
# 0.52 where there is nothing to learn. So scores drift at 1.8 times the distance of what people
# do, and never slightly.
_SCORES_MOVE: Final = 1.8
#: Drifts remembered, the newest.
REMEMBERED: Final = 20

# River's ADWIN raises nothing in 10^5 stationary samples at its defaults. Page–Hinkley's
# default forgetting raises a dozen; with these it raises none, and a shift of 0.5 to 0.9
# shows within 125 samples.
_PAGE_HINKLEY: Final[dict[str, Any]] = {"alpha": 1.0, "delta": 0.1, "threshold": 30}
# Quality after a drift is the mean of about the newest hundred samples: fewer, and chance would
# decide whether it rose; more, and they would be from before.
_LATELY: Final = 1.0 / 128.0
_COLUMNS: Final = 6  # detector, signal, example, partition, position, effect


@dataclass(frozen=True)
class Drift:
    """One that was found, at the example `at` of its batch.

    `size` is the distance of the two windows, or by how much the mean of quality differs from
    before; either from 0 to 1.
    """

    at: int
    detector: str
    signal: str
    effect: Effect
    size: float
    partition: int = 0
    position: int = -1  # of the log, -1: not told


@dataclass(frozen=True)
class Remembered:
    """One of the past: the count of examples and the log's position (-1: not told), and when."""

    detector: str
    signal: str
    effect: Effect
    size: float
    example: int
    partition: int
    position: int
    timestamp: float


class Guarded:
    """One of River's detectors behind a check: a NaN would blind it for ever.

    >>> detector = Guarded("adwin")
    >>> detector.update(float("nan")), detector.rejected
    (False, 1)
    """

    def __init__(self, name: str) -> None:
        self.rejected = 0
        #: Mean of all since the last drift, as it was before the newest value.
        self.mean = math.nan
        #: Mean of the newest values; NaN: there were none.
        self.lately = math.nan
        self._detector: Any = (
            _river("adwin").ADWIN()
            if name == "adwin"
            else _river("page_hinkley").PageHinkley(**_PAGE_HINKLEY)
        )

    def update(self, x: float) -> bool:
        """Take a value in; True where it shows a drift. One that is not finite is counted only."""
        if not math.isfinite(x):
            self.rejected += 1
            return False
        self.mean = self._mean()
        self.lately = x if math.isnan(self.lately) else self.lately + _LATELY * (x - self.lately)
        self._detector.update(x)
        return bool(self._detector.drift_detected)

    def _mean(self) -> float:
        mean = getattr(self._detector, "_x_mean", None)
        return float(self._detector.estimation if mean is None else mean.get())

    def state(self) -> list[Any]:
        """All that decides its next answers, as plain values.

        Not a pickle: Page–Hinkley's would need `getattr`, which no snapshot may call.
        """
        own = {name: value for name, value in vars(self._detector).items() if _is_plain(value)}
        mean = getattr(self._detector, "_x_mean", None)
        helper = getattr(self._detector, "_helper", None)
        return [
            self.rejected, self.mean, self.lately, sorted(own.items()),
            sorted(mean.__getstate__().items()) if mean is not None else [],
            helper.__getstate__() if helper is not None else b"",
        ]  # fmt: skip

    def become(self, state: list[Any]) -> None:
        """Take over what `state` gave. Raises StateMismatch for anything else."""
        try:
            self.rejected, self.mean, self.lately, own, mean, helper = state
            for name, value in own:
                setattr(self._detector, name, value)
            for name, value in mean:
                setattr(self._detector._x_mean, name, value)
            if helper:
                self._detector._helper.__setstate__(helper)
        except (TypeError, ValueError, AttributeError) as error:
            raise StateMismatch(
                f"the drift detectors' state is of another making: {error}"
            ) from None


@cache
def _river(name: str) -> Any:
    """A module of River's `drift`, by its file.

    The package itself imports SciPy for a detector not used here: 1.5 s of every start.
    """
    [folder] = find_spec("river").submodule_search_locations  # type: ignore[union-attr, misc]
    spec = spec_from_file_location(f"river_drift_{name}", Path(folder) / "drift" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _is_plain(value: object) -> bool:
    return isinstance(value, bool | int | float | str)


def _effect(signal: str, before: float, lately: float, least: float) -> Effect:
    """What it means that the mean of a signal of quality is another than before.

    >>> _effect("hit_rate", 0.2, 0.3, 0.1), _effect("rating_error", 0.2, 0.3, 0.1)
    ('better', 'worse')
    >>> _effect("hit_rate", 0.2, 0.19, 0.1)
    'slight'
    """
    lost = before - lately if signal == "hit_rate" else lately - before
    if lost < 0.0:
        return "better"
    return "slight" if lost < least * before else "worse"


class Drifts:
    """All detectors, and what they found."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._guarded = {(d, s): Guarded(d) for s in QUALITY for d in DETECTORS[:2]}
        drift_windows.declare(arena, len(WINDOWED))
        arena.add("drift.found", np.int64, REMEMBERED, _COLUMNS)
        arena.add("drift.found_time", np.float64, REMEMBERED)
        arena.add("drift.found_size", np.float64, REMEMBERED)
        arena.add("drift.counts", np.int64, len(DETECTORS), len(SIGNALS), len(EFFECTS))

    def windows(self) -> Windows:
        tests = [KS if detector == "ks" else JS for detector, _ in WINDOWED]
        first = len(QUALITY)
        return drift_windows.view(
            self._arena, tests, [SIGNALS.index(signal) - first for _, signal in WINDOWED]
        )

    @staticmethod
    def least(distance: float) -> list[float]:
        """The distance of a large drift in each window, where `distance` is that of people."""
        return [distance * (_SCORES_MOVE if s == "scores" else 1.0) for _, s in WINDOWED]

    def watch(
        self, signal: str, at: NDArray[np.int64], values: NDArray[np.float64], least: float
    ) -> list[Drift]:
        """Show quality's detectors a signal's values (float64[n], of the examples `at`).

        A fall is slight where quality loses less than `least` of its mean.
        """
        found = []
        for detector in DETECTORS[:2]:
            guarded = self._guarded[detector, signal]
            for place, value in enumerate(values.tolist()):
                if guarded.update(value):
                    effect = _effect(signal, guarded.mean, guarded.lately, least)
                    size = abs(guarded.lately - guarded.mean)
                    found.append(Drift(int(at[place]), detector, signal, effect, size))
        return found

    def remember(self, found: Drift, example: int, time: float) -> None:
        detector, signal = DETECTORS.index(found.detector), SIGNALS.index(found.signal)
        counts = self._arena["drift.counts"]
        slot = int(counts.sum()) % REMEMBERED
        self._arena["drift.found"][slot] = (
            detector, signal, example, found.partition, found.position,
            EFFECTS.index(found.effect),
        )  # fmt: skip
        self._arena["drift.found_time"][slot] = time
        self._arena["drift.found_size"][slot] = found.size
        counts[detector, signal, EFFECTS.index(found.effect)] += 1

    def counts(self) -> dict[tuple[str, str, str], int]:
        """Drifts found since the log's start, by detector, signal and effect, zeros included."""
        counts = self._arena["drift.counts"]
        kinds = [(*pair, e) for pair in self._guarded for e in ("better", "worse", "slight")]
        kinds += [(*pair, "changed") for pair in WINDOWED]
        kinds += [(*pair, "slight") for pair in WINDOWED if pair[1] != "scores"]
        return {
            (d, s, e): int(counts[DETECTORS.index(d), SIGNALS.index(s), EFFECTS.index(e)])
            for d, s, e in kinds
        }

    def newest(self) -> list[Remembered]:
        """The last REMEMBERED, newest first."""
        total = int(self._arena["drift.counts"].sum())
        newest = range(total - 1, max(total - 1 - REMEMBERED, -1), -1)
        return [self._remembered(number % REMEMBERED) for number in newest]

    def _remembered(self, slot: int) -> Remembered:
        a = self._arena
        detector, signal, example, partition, position, effect = a["drift.found"][slot].tolist()
        return Remembered(
            DETECTORS[detector], SIGNALS[signal], EFFECTS[effect],
            float(a["drift.found_size"][slot]), example, partition, position,
            float(a["drift.found_time"][slot]),
        )  # fmt: skip

    def rejected(self) -> int:
        """Numbers that were none, and that no detector was shown."""
        unreadable = int(self._arena["drift.unreadable"].sum())
        return sum(guarded.rejected for guarded in self._guarded.values()) + unreadable

    def dump(self) -> bytes:
        return msgspec.msgpack.encode([guarded.state() for guarded in self._guarded.values()])

    def load(self, data: bytes) -> None:
        """Take over a dump. Raises StateMismatch."""
        states = msgspec.msgpack.decode(data)
        for guarded, state in zip(self._guarded.values(), states, strict=True):
            guarded.become(state)

    def digest(self) -> bytes:
        """16 bytes over the states of River's detectors; ours are in the arena."""
        return hashlib.blake2b(self.dump(), digest_size=16).digest()
