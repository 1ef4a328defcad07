"""Drift: River's detectors on live quality, two-sample windows on what comes in; what they found.

A detector says that something changed, not that it is bad. What is done about it is
`models.live`'s.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Final

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
WINDOWED: Final = (
    ("ks", "ratings"), ("ks", "popularity"), ("ks", "scores"), ("js", "ratings"),
    ("js", "event_types"), ("js", "categories"), ("js", "popularity"), ("js", "scores"),
)  # fmt: skip
#: Drifts remembered, the newest.
REMEMBERED: Final = 20

# River's ADWIN raises nothing in 10^5 stationary samples at its defaults. Page–Hinkley's
# default forgetting raises a dozen; with these it raises none, and a shift of 0.5 to 0.9
# shows within 125 samples.
_PAGE_HINKLEY: Final[dict[str, Any]] = {"alpha": 1.0, "delta": 0.1, "threshold": 30}
_COLUMNS: Final = 5  # detector, signal, example, partition, position


@dataclass(frozen=True)
class Drift:
    """One that was found, at the example `at` of its batch."""

    at: int
    detector: str
    signal: str
    partition: int = 0
    position: int = -1  # of the log, -1: not told


@dataclass(frozen=True)
class Remembered:
    """One of the past: the count of examples and the log's position (-1: not told), and when."""

    detector: str
    signal: str
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
        self._detector.update(x)
        return bool(self._detector.drift_detected)

    def state(self) -> list[Any]:
        """All that decides its next answers, as plain values.

        Not a pickle: Page–Hinkley's would need `getattr`, which no snapshot may call.
        """
        own = {name: value for name, value in vars(self._detector).items() if _is_plain(value)}
        mean = getattr(self._detector, "_x_mean", None)
        helper = getattr(self._detector, "_helper", None)
        return [
            self.rejected, sorted(own.items()),
            sorted(mean.__getstate__().items()) if mean is not None else [],
            helper.__getstate__() if helper is not None else b"",
        ]  # fmt: skip

    def become(self, state: list[Any]) -> None:
        """Take over what `state` gave. Raises StateMismatch for anything else."""
        try:
            self.rejected, own, mean, helper = state
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


class Drifts:
    """All detectors, and what they found."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._guarded = {(d, s): Guarded(d) for s in QUALITY for d in DETECTORS[:2]}
        drift_windows.declare(arena, len(WINDOWED))
        arena.add("drift.found", np.int64, REMEMBERED, _COLUMNS)
        arena.add("drift.found_time", np.float64, REMEMBERED)
        arena.add("drift.counts", np.int64, len(DETECTORS), len(SIGNALS))

    def windows(self) -> Windows:
        tests = [KS if detector == "ks" else JS for detector, _ in WINDOWED]
        first = len(QUALITY)
        return drift_windows.view(
            self._arena, tests, [SIGNALS.index(signal) - first for _, signal in WINDOWED]
        )

    def watch(self, signal: str, at: NDArray[np.int64], values: NDArray[np.float64]) -> list[Drift]:
        """Show quality's detectors a signal's values (float64[n], of the examples `at`)."""
        found = []
        for detector in DETECTORS[:2]:
            update = self._guarded[detector, signal].update
            for place, value in enumerate(values.tolist()):
                if update(value):
                    found.append(Drift(int(at[place]), detector, signal))
        return found

    def remember(self, found: Drift, example: int, time: float) -> None:
        detector, signal = DETECTORS.index(found.detector), SIGNALS.index(found.signal)
        counts = self._arena["drift.counts"]
        slot = int(counts.sum()) % REMEMBERED
        self._arena["drift.found"][slot] = (
            detector, signal, example, found.partition, found.position,
        )  # fmt: skip
        self._arena["drift.found_time"][slot] = time
        counts[detector, signal] += 1

    def counts(self) -> dict[tuple[str, str], int]:
        """Drifts found since the log's start, by detector and signal, zeros included."""
        counts = self._arena["drift.counts"]
        pairs = [*self._guarded, *WINDOWED]
        return {(d, s): int(counts[DETECTORS.index(d), SIGNALS.index(s)]) for d, s in pairs}

    def newest(self) -> list[Remembered]:
        """The last REMEMBERED, newest first."""
        total = int(self._arena["drift.counts"].sum())
        found, times = self._arena["drift.found"], self._arena["drift.found_time"]
        newest = []
        for number in range(total - 1, max(total - 1 - REMEMBERED, -1), -1):
            slot = number % REMEMBERED
            detector, signal, example, partition, position = found[slot].tolist()
            newest.append(
                Remembered(
                    DETECTORS[detector], SIGNALS[signal], example, partition, position,
                    float(times[slot]),
                )
            )  # fmt: skip
        return newest

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
