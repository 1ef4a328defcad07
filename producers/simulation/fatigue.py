"""What people are tired of: what they have passed over lately, and what they have opened."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

# An item looked at and passed over is clicked so much less the next time; half of that is
# forgotten within a day. At 1 nobody tires, at 0 nothing is worth showing twice.
_PASSED_OVER: Final = 0.75
_HALF_S: Final = 86_400.0
# What was opened is known; some come back to it.
_OPENED: Final = 0.1


class Fatigue:
    """The memory of all people, of the items they looked at."""

    def __init__(self) -> None:
        self._passed: dict[int, dict[int, tuple[float, float]]] = {}
        self._opened: dict[int, set[int]] = {}
        self.bought: set[tuple[int, int]] = set()

    def tire(self, user: int, appeal: NDArray[np.float64], now: float) -> NDArray[np.float64]:
        """The chances of clicks (float64[items]) as they are for this person now."""
        tired = appeal.copy()
        for item, (times, at) in self._passed.get(user, {}).items():
            tired[item] *= _PASSED_OVER ** (times * 0.5 ** ((now - at) / _HALF_S))
        for item in self._opened.get(user, ()):
            tired[item] *= _OPENED
        return tired

    def opened(self, user: int) -> set[int]:
        """Items this person has had an event on."""
        return self._opened.setdefault(user, set())

    def pass_over(self, user: int, item: int, now: float) -> None:
        passed = self._passed.setdefault(user, {})
        times, at = passed.get(item, (0.0, now))
        passed[item] = (times * 0.5 ** ((now - at) / _HALF_S) + 1.0, now)
