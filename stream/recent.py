"""The dedup window: the last two generations of event keys, rotated by count.

It remembers at least the newest `window` keys and at most twice as many. Both the log's
appender and stage one keep one; as functions of the same log they agree.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.index import find, insert
from models.tables import Arena

EXTENT = "recent"


class Recent(NamedTuple):
    keys: NDArray[np.uint64]  # two halves of `window`
    slots: NDArray[np.int32]  # [2, size], an index a half
    total: NDArray[np.int64]  # [1] keys ever added
    window: NDArray[np.int64]  # [1]


def declare(arena: Arena) -> None:
    arena.add("recent.keys", np.uint64, EXTENT)
    arena.add("recent.count", np.int64, 1)


class Window:
    """Owner of the window's tables in an arena and of the index derived from them."""

    def __init__(self, arena: Arena, window: int) -> None:
        self._arena = arena
        self._window = window
        self._slots = np.zeros((2, 16), np.int32)
        self.refresh()

    def view(self, more: int) -> Recent:
        """Return the window with room for `more` further keys."""
        arena, window = self._arena, self._window
        total = int(arena["recent.count"][0])
        arena.reserve(EXTENT, min(total + more, 2 * window))
        if 2 * min(total + more, window) > self._slots.shape[1]:
            self.refresh(more)
        return Recent(arena["recent.keys"], self._slots, arena["recent.count"], np.array([window]))

    def refresh(self, more: int = 0) -> None:
        """Derive the index again, with room for `more` keys."""
        total, size = int(self._arena["recent.count"][0]), 16
        while size < 2 * min(total + more + 1, self._window) + 2:
            size *= 2
        self._slots = np.zeros((2, size), np.int32)
        _fill(self._slots, self._arena["recent.keys"], total, self._window)


@njit(cache=True, nogil=True)
def _fill(slots: NDArray[np.int32], keys: NDArray[np.uint64], total: int, window: int) -> None:
    half = (total // window) % 2
    for at in range(total % window):
        insert(slots[half], keys[half * window + at], at)
    if total >= window:
        for at in range(window):
            insert(slots[1 - half], keys[(1 - half) * window + at], at)


@njit(cache=True, nogil=True)
def add(r: Recent, key: np.uint64, used: NDArray[np.int64]) -> bool:
    """Add a key; False when it was there. `used` is the extent's count, one element."""
    window = r.window[0]
    half = (r.total[0] // window) % 2
    for which in range(2):
        base = which * window
        keys = r.keys[base : base + window]
        if keys.shape[0] > 0 and find(r.slots[which], keys, key) >= 0:
            return False
    at = r.total[0] % window
    r.keys[half * window + at] = key
    insert(r.slots[half], key, at)
    r.total[0] += 1
    if r.total[0] % window == 0:
        # The half to fill next is forgotten now, not with its first key: a window derived
        # again from the tables at this very place knows exactly the same keys.
        r.slots[1 - half, :] = 0
    used[0] = min(r.total[0], 2 * window)
    return True


@njit(cache=True, nogil=True)
def add_all(
    r: Recent, keys: NDArray[np.uint64], used: NDArray[np.int64], fresh: NDArray[np.uint8]
) -> None:
    """Add keys in order; `fresh` (uint8) says of each whether it was new."""
    for at in range(keys.shape[0]):
        fresh[at] = add(r, keys[at], used)
