"""Of whom the detectors of quality see samples: few of each person, and of many people.

Quality differs from person to person far more than from day to day. With more samples of each,
where a few dozen people are there at a time, every change of shift would be a drift; one alone
would be the opening of each session.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.tables import Arena

# Of each of the _PEOPLE newest, so many samples in _AGAIN examples.
_EACH: Final = 4
_AGAIN: Final = 1_000
_PEOPLE: Final = 64


class People(NamedTuple):
    """People whose quality was looked at last, a ring."""

    person: NDArray[np.uint64]  # [_PEOPLE]
    met: NDArray[np.int64]  # [_PEOPLE] from which example on
    looked: NDArray[np.int64]  # [_PEOPLE] how often
    people: NDArray[np.int64]  # [1] how many there were


def declare(arena: Arena) -> None:
    arena.add("drift.person", np.uint64, _PEOPLE)
    arena.add("drift.met", np.int64, _PEOPLE)
    arena.add("drift.looked", np.int64, _PEOPLE)
    arena.add("drift.people", np.int64, 1)


def view(arena: Arena) -> People:
    return People._make([arena[f"drift.{name}"] for name in People._fields])


@njit(cache=True, nogil=True)
def keep_few(
    p: People, user_key: NDArray[np.uint64], before: int, apart: NDArray[np.bool_]
) -> None:
    """Take those out of `apart` whose person was looked at enough; count the others.

    Sample `at` is example `before + at + 1`.
    """
    for at in range(apart.shape[0]):
        if not apart[at]:
            continue
        example, known = before + at + 1, -1
        for slot in range(_PEOPLE):
            if p.person[slot] == user_key[at] and p.met[slot] > max(example - _AGAIN, 0):
                known = slot
                break
        if known < 0:
            slot = p.people[0] % _PEOPLE
            p.person[slot], p.met[slot], p.looked[slot] = user_key[at], example, 1
            p.people[0] += 1
        elif p.looked[known] < _EACH:
            p.looked[known] += 1
        else:
            apart[at] = False
