"""When items come and leave: what there is to choose from at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from producers.simulation.chance import chance


class Shelf:
    """Items 0 … n - 1. With a life, they come evenly over the whole time and stay for it."""

    def __init__(self, items: int, hours: float, seed: int, life_hours: float | None) -> None:
        self._came = np.full(items, -np.inf)
        self._left = np.full(items, np.inf)
        if life_hours is not None:
            drawn = chance(seed, "shelf").random(items)
            self._came = (drawn * (hours + life_hours) - life_hours) * 3600.0
            self._left = self._came + life_hours * 3600.0

    def holds(self, elapsed_s: float) -> NDArray[np.bool_]:
        """Whether each item is there (bool[items])."""
        return (self._came <= elapsed_s) & (elapsed_s < self._left)

    def between(self, after_s: float, until_s: float) -> tuple[list[int], list[int]]:
        """Items that came and items that left later than `after_s`, until `until_s`."""
        came = (after_s < self._came) & (self._came <= until_s)
        left = (after_s < self._left) & (self._left <= until_s)
        return np.flatnonzero(came).tolist(), np.flatnonzero(left).tolist()
