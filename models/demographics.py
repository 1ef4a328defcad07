"""What people with the same attributes take: counts of attribute × item, shrunk.

`score(c) = Σ_a taken[a, c] / (n[a] + SHRINKAGE)` over the user's attributes a. The `GROUPS`
attributes with the most events are kept; a user's first event brings new ones in, each in
the place of the one with the fewest.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.attributes import ATTRIBUTES
from models.examples import Past
from models.tables import Arena

# Attributes with counts of their own: 256 bytes an item.
GROUPS: Final = 64
# Events an attribute needs before it is believed by half: a zip code must not speak like a sex.
_SHRINKAGE: Final = 200.0
# An attribute with more events than this leaves its place to nobody.
_ESTABLISHED: Final = 500.0


class Demographics(NamedTuple):
    """View over the tables of one arena."""

    key: NDArray[np.uint64]  # [GROUPS], 0 = free
    total: NDArray[np.float64]  # [GROUPS]
    taken: NDArray[np.float32]  # [GROUPS, items]


def declare(arena: Arena) -> None:
    arena.add("demographics.key", np.uint64, GROUPS)
    arena.add("demographics.total", np.float64, GROUPS)
    arena.add("demographics.taken", np.float32, GROUPS, "items")


def view(arena: Arena) -> Demographics:
    return Demographics(*(arena[f"demographics.{name}"] for name in Demographics._fields))


@njit(cache=True, nogil=True)
def find_groups(d: Demographics, past: Past, row: int, out: NDArray[np.int32]) -> None:
    """Write the groups of a user's attributes (int32[ATTRIBUTES]), -1 = none."""
    out[:] = -1
    start = past.attribute_start[row]
    for at in range(min(past.attribute_start[row + 1] - start, ATTRIBUTES)):
        for group in range(GROUPS):
            if d.key[group] == past.attribute_key[start + at]:
                out[at] = group


@njit(cache=True, nogil=True)
def admit(d: Demographics, past: Past, row: int, out: NDArray[np.int32], items: int) -> None:
    """Give the attributes of a user's first event a place, after `find_groups` of the same."""
    start = past.attribute_start[row]
    for at in range(min(past.attribute_start[row + 1] - start, ATTRIBUTES)):
        if out[at] < 0:
            fewest = 0
            for group in range(GROUPS):
                if d.total[group] < d.total[fewest]:
                    fewest = group
            if d.total[fewest] <= _ESTABLISHED:
                d.key[fewest] = past.attribute_key[start + at]
                d.total[fewest] = 1.0  # or the user's next attribute would take the same place
                d.taken[fewest, :items] = 0.0
                out[at] = fewest


@njit(cache=True, nogil=True)
def learn(d: Demographics, groups: NDArray[np.int32], item: int, weight: float) -> None:
    """Count an event of `weight` on `item` by a user of these groups."""
    for at in range(groups.shape[0]):
        if groups[at] >= 0:
            d.total[groups[at]] += weight
            d.taken[groups[at], item] += np.float32(weight)


@njit(cache=True, nogil=True)
def score(d: Demographics, groups: NDArray[np.int32], out: NDArray[np.float32], items: int) -> bool:
    """Score all `items` (float32[items]), the best one 1; False where no group is known."""
    known = False
    for at in range(groups.shape[0]):
        if groups[at] >= 0 and d.total[groups[at]] > 0.0:
            if not known:
                out[:items] = 0.0
            known = True
            share = np.float32(1.0 / (d.total[groups[at]] + _SHRINKAGE))
            counts = d.taken[groups[at]]
            for row in range(items):
                out[row] += share * counts[row]
    if not known:
        return False
    most = np.float32(0.0)
    for row in range(items):
        most = max(most, out[row])
    if most > 0.0:
        share = np.float32(1.0) / most
        for row in range(items):
            out[row] *= share
    return bool(most > 0.0)
