"""Rows that know their heaviest partners: what is kept of a table of all pairs too large to keep.

A row has `SLOTS` slots; `partner` holds row + 1, 0 where it is free, and free slots stand last.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

# Fewer lose hits, more make every update scan longer.
SLOTS: Final = 128


@njit(cache=True, nogil=True)
def slot_of(partners: NDArray[np.int32], wanted: int) -> int:
    """The first slot of a row (int32[SLOTS]) that holds `wanted`, or -1; sixteen at a time."""
    for first in range(0, SLOTS, 16):
        found = np.int32(0)
        for slot in range(first, first + 16):
            found |= np.int32(partners[slot] == wanted)
        if found:
            for slot in range(first, first + 16):
                if partners[slot] == wanted:
                    return slot
        if partners[first + 15] == 0:
            return -1
    return -1


@njit(cache=True, nogil=True)
def claim(partners: NDArray[np.int32], weights: NDArray[np.float32], wanted: int) -> int:
    """Give `wanted`, which has none, a slot of a row: a free one, or that of the lightest.

    It inherits half the weight of what it replaces, so that it can grow past the rest.
    """
    slot = slot_of(partners, 0) if partners[SLOTS - 1] == 0 else -1
    if slot < 0:
        slot = _lightest(weights)
        weights[slot] *= np.float32(0.5)
    partners[slot] = wanted
    return slot


@njit(cache=True, nogil=True)
def _lightest(weights: NDArray[np.float32]) -> int:
    # The bits of positive floats are ordered as the floats are, and their minimum vectorises.
    bits = weights.view(np.int32)
    least = bits[0]
    for slot in range(SLOTS):
        least = bits[slot] if bits[slot] < least else least
    return slot_of(bits, least)


@njit(cache=True, nogil=True)
def follow(
    partner: NDArray[np.int32], columns: tuple[NDArray[np.float32], ...], moved: NDArray[np.int32],
    rows: int,
) -> None:  # fmt: skip
    """Follow partners to where they moved (int32[rows before], -1 = gone: it is none any more).

    `columns` (float32[*, SLOTS] each) say something of a slot's pair, and move with it.
    """
    for row in range(min(rows, partner.shape[0])):
        kept = 0
        for slot in range(SLOTS):
            to = moved[partner[row, slot] - 1] if partner[row, slot] > 0 else -1
            if to >= 0:
                partner[row, kept] = to + 1
                for column in columns:
                    column[row, kept] = column[row, slot]
                kept += 1
        partner[row, kept:] = 0
        for column in columns:
            column[row, kept:] = 0.0
