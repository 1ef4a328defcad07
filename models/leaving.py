"""Which items leave when `max_items` are known: those nobody acted on for longest, in log order.

Who stays keeps its order, under new row numbers: all tables are copied, so that readers who
hold the old ones are not touched.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models import cooccurrence, factors
from models.catalogue import Catalogue
from models.examples import CAPPED
from models.index import Keys, Slots, find
from models.quality import Quality
from models.state import HORIZONS, LEFT
from models.tables import Arena

#: Items from which on the memory for those who stay is got ahead: with fewer that takes no time.
_MANY: Final = 50_000
# Share of `most` that is still free then: about as long as getting it takes, beside all else, and
# so long it is held twice.
_AHEAD: Final = 1 / 32
# Share that stays: at 1 every newcomer would cost a pass over all, near 0 most is forgotten.
_STAY: Final = 0.875


def soon(items: int, most: int) -> bool:
    """Whether so many items are known, where there may be `most`, that some are about to leave.

    >>> soon(999_000, 1_000_000), soon(900_000, 1_000_000), soon(99, 100)
    (True, False, False)
    """
    return most >= _MANY and most - items <= most * _AHEAD


@njit(cache=True, nogil=True)
def with_room(
    slots: Slots, keys: Keys, item_key: NDArray[np.uint64], flags: NDArray[np.uint8], room: int
) -> int:
    """How many examples can be learned before one meets an item there is no `room` for."""
    met, count = np.empty(max(room, 0), np.uint64), 0
    for at in range(item_key.shape[0]):
        if flags[at] & CAPPED or find(slots, keys, item_key[at]) >= 0:
            continue
        fresh = True
        for before in range(count):
            fresh = fresh and met[before] != item_key[at]
        if fresh:
            if count >= room:
                return at
            met[count] = item_key[at]
            count += 1
    return int(item_key.shape[0])


def parted(active: NDArray[np.int64], most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows that stay and rows that leave where there may be `most`, each in their order.

    `active` (int64[items]) grows with every act, so that no two are equal.

    >>> [part.tolist() for part in parted(np.array([5, 1, 7, 6]), 4)]
    [[0, 2, 3], [1]]
    """
    newest = np.argsort(-active)
    many = int(most * _STAY)
    return np.sort(newest[:many]), np.sort(newest[many:])


def let_go(
    arena: Arena, catalogue: Catalogue, quality: Quality, stay: NDArray[np.int64],
    gone: NDArray[np.int64],
) -> Catalogue:  # fmt: skip
    """Let the rows `gone` leave; return the catalogue of the others. Views are stale after it."""
    moved = np.full(len(stay) + len(gone), -1, np.int32)
    moved[stay] = np.arange(len(stay), dtype=np.int32)
    factors.forget(arena, gone)
    quality.forget(gone)
    arena["items.counts"][LEFT] += len(gone)
    arena.keep("items", stay)
    if arena.count("dense"):
        arena.keep("dense", stay)
    for name in HORIZONS:
        cooccurrence.renumber(arena, name, moved)
    return Catalogue(arena, catalogue.facets.renumbered(stay, moved))
