"""A hash index from 64-bit keys to rows, by open addressing.

The index is derived from the key column, so it is neither hashed nor stored. It is safe to
read beside one writer: a slot is written last.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numba import njit
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Slots = NDArray[np.int32]


def fingerprint(text: str, seed: bytes = b"") -> int:
    """Return a 64-bit key of an id; keyed, so that nobody outside can make two ids meet.

    >>> fingerprint("u1") == fingerprint("u1"), fingerprint("u1") == fingerprint("u2")
    (True, False)
    """
    digest = hashlib.blake2b(text.encode(), digest_size=8, key=seed).digest()
    return int.from_bytes(digest, "little")


@njit(cache=True, nogil=True)
def find(slots: Slots, keys: Keys, key: np.uint64) -> int:
    """Row of `key`, or -1."""
    mask = np.uint64(slots.shape[0] - 1)
    at = key & mask
    while True:
        row = slots[at]
        if row == 0:
            return -1
        if keys[row - 1] == key:
            return row - 1
        at = (at + np.uint64(1)) & mask


@njit(cache=True, nogil=True)
def insert(slots: Slots, key: np.uint64, row: int) -> None:
    """Note that `key`, which is not in the index, has `row`; there must be a free slot."""
    mask = np.uint64(slots.shape[0] - 1)
    at = key & mask
    while slots[at] != 0:
        at = (at + np.uint64(1)) & mask
    slots[at] = row + 1


@njit(cache=True, nogil=True)
def _fill(slots: Slots, keys: Keys, used: int) -> None:
    for row in range(used):
        insert(slots, keys[row], row)


def build(keys: Keys, used: int, capacity: int) -> Slots:
    """Return an index with room for `capacity` rows, holding the first `used` keys."""
    size = 16
    while size < 2 * capacity:
        size *= 2
    slots: Slots = np.zeros(size, np.int32)
    _fill(slots, keys, used)
    return slots
