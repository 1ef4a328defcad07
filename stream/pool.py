"""Variable-length rows in flat columns: chunks of doubling size from one pool, freed for reuse.

A row is (start, size class, length). Where a chunk goes follows from the order of the log
alone, so the pool's content is part of the state.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

#: Chunks hold 4, 8, … 1,024 entries.
CLASSES: Final = 9
SMALLEST: Final = 4
LARGEST: Final = SMALLEST << (CLASSES - 1)

# Columns of a row's place in a pool.
START: Final = 0
CLASS: Final = 1
LENGTH: Final = 2


@njit(cache=True, nogil=True)
def allocate(
    size_class: int, links: NDArray[np.uint64], free: NDArray[np.int64], used: NDArray[np.int64]
) -> int:
    """Return the start of a chunk; `links` is the pool's key column, `free` the heads + 1."""
    head = free[size_class]
    if head > 0:
        free[size_class] = np.int64(links[head - 1])
        return int(head - 1)
    start = used[0]
    used[0] += SMALLEST << size_class
    return int(start)


@njit(cache=True, nogil=True)
def release(
    start: int, size_class: int, links: NDArray[np.uint64], free: NDArray[np.int64]
) -> None:
    links[start] = np.uint64(free[size_class])
    free[size_class] = start + 1


@njit(cache=True, nogil=True)
def move(column: NDArray, source: int, target: int, length: int) -> None:  # type: ignore[type-arg]
    for at in range(length):
        column[target + at] = column[source + at]


@njit(cache=True, nogil=True)
def is_full(place: NDArray[np.int64]) -> bool:
    """True when a row has no room for one more entry. A row with start -1 has no chunk."""
    return place[START] < 0 or place[LENGTH] >= (SMALLEST << place[CLASS])
