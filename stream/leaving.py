"""Who leaves a partition when `max_users` are known: the least recently active, in log order."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.index import find
from models.tables import Arena
from stream.pool import CLASS, START, release
from stream.profile_rows import Rows

# Share that stays: at 1 every new user would cost a pass over all, near 0 most are forgotten.
_STAY: Final = 0.75


def let_go(arena: Arena, rows: Rows, ids: list[bytes]) -> list[str]:
    """Drop the least recently active quarter of the users; return their ids.

    Their chunks are free for others, `ids` keeps to the rows, and views of the arena are stale.
    """
    stay, gone = parted(rows.newest[: len(ids)])
    _release(rows, gone)
    left = [ids[row].decode() for row in gone.tolist()]
    ids[:] = [ids[row] for row in stay.tolist()]
    arena.keep("users", stay)
    return left


def parted(activity: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Rows that stay and rows that leave, each in their order; the most active stay.

    >>> [part.tolist() for part in parted(np.array([5, 1, 7, 6]))]
    [[0, 2, 3], [1]]
    """
    newest = np.argsort(-activity, kind="stable")
    many = int(len(activity) * _STAY)
    return np.sort(newest[:many]), np.sort(newest[many:])


@njit(cache=True, nogil=True)
def activity_of(rows: Rows, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The number of each user's newest event, 0 for those who have none."""
    found = np.zeros(keys.shape[0], np.int64)
    for at in range(keys.shape[0]):
        row = find(rows.slots, rows.key, keys[at])
        if row >= 0:
            found[at] = rows.newest[row]
    return found


@njit(cache=True, nogil=True)
def _release(rows: Rows, gone: NDArray[np.int64]) -> None:
    for at in range(gone.shape[0]):
        history, seen = rows.history[gone[at]], rows.seen[gone[at]]
        if history[START] >= 0:
            release(history[START], history[CLASS], rows.history_key, rows.history_free)
        if seen[START] >= 0:
            release(seen[START], seen[CLASS], rows.seen_key, rows.seen_free)
