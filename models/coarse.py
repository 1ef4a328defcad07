"""Vectors once more, rounded to bytes, in blocks of items: what scoring a catalogue reads.

A quarter of the memory, and whole numbers add up to the same in any order. It follows from the
vectors, so it is neither hashed nor stored.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.byte_sums import BLOCK, MOST_ASKED, QUAD, byte_sums

# Steps from zero to the largest element of what is stored. A cosine errs by 0.003 so.
_STORED: Final = np.float32(127.0)
_ASKED: Final = np.float32(MOST_ASKED)
# A stored byte of zero: they are kept without a sign.
_ZERO: Final = 128


class Coarse(NamedTuple):
    """Rounded vectors, and what a byte's unit is in each row."""

    blocks: NDArray[np.uint8]  # [blocks, dims / QUAD, BLOCK, QUAD]
    steps: NDArray[np.float32]  # [items]


def coarse_of(rows: NDArray[np.float32]) -> Coarse:
    """Return `rows` (float32[items, dims]) rounded; dims a multiple of QUAD.

    >>> coarse_of(np.array([[0.5, -1.0, 0.0, 0.0]], np.float32)).blocks[0, 0, 0].tolist()
    [192, 1, 128, 128]
    """
    items, dims = rows.shape
    blocks = np.full((max(-(-items // BLOCK), 1), dims // QUAD, BLOCK, QUAD), _ZERO, np.uint8)
    coarse = Coarse(blocks, np.zeros(items, np.float32))
    _place_all(coarse, rows)
    return coarse


@njit(cache=True, nogil=True)
def _place_all(coarse: Coarse, rows: NDArray[np.float32]) -> None:
    for row in range(rows.shape[0]):
        place_rounded(coarse.blocks, coarse.steps, row, rows[row])


@njit(cache=True, nogil=True)
def place_coarse(coarse: Coarse, row: int, vector: NDArray[np.float32]) -> None:
    """Write the vector (float32[dims]) of one item, rounded."""
    place_rounded(coarse.blocks, coarse.steps, row, vector)


@njit(cache=True, nogil=True)
def place_rounded(
    blocks: NDArray[np.uint8], steps: NDArray[np.float32], row: int, vector: NDArray[np.float32]
) -> None:
    """The same for kernels that do it often: arrays one by one."""
    dims = vector.shape[0]
    step = _largest(vector, dims) / _STORED
    steps[row] = step
    inverse = np.float32(1.0) / step if step > 0.0 else np.float32(0.0)
    block, lane = blocks[row // BLOCK], row % BLOCK
    for quad in range(dims // QUAD):
        four = block[quad, lane]
        for at in range(QUAD):
            # What is cut off is positive, so that it rounds to the nearest.
            four[at] = np.uint8(np.int32(vector[quad * QUAD + at] * inverse + np.float32(128.5)))


@njit(cache=True, nogil=True)
def _largest(vector: NDArray[np.float32], dims: int) -> np.float32:
    """The largest element without its sign."""
    # The bits of positive floats are ordered as the floats are, and their maximum vectorises.
    bits, top, found = vector.view(np.int32), np.int32(0), np.float32(0.0)
    for d in range(dims):
        size = np.int32(bits[d] & np.int32(0x7FFFFFFF))
        top = size if size > top else top
    for d in range(dims):
        if np.int32(bits[d] & np.int32(0x7FFFFFFF)) == top:
            found = abs(vector[d])
            break
    return found


@njit(cache=True, nogil=True)
def coarse_products(
    coarse: Coarse, x: NDArray[np.float32], out: NDArray[np.float32], items: int
) -> None:
    """Write the inner product of `x` (float32[dims]) with every item (float32[items])."""
    blocks, steps = coarse.blocks, coarse.steps
    dims = blocks.shape[1] * QUAD
    asked, sums = np.empty(dims, np.int8), np.empty(BLOCK, np.int32)
    step = _largest(x, dims) / _ASKED
    inverse = np.float32(1.0) / step if step > 0.0 else np.float32(0.0)
    surplus = np.int32(0)
    for d in range(dims):
        asked[d] = np.int32(x[d] * inverse + np.float32(32.5)) - np.int32(32)
        surplus += np.int32(_ZERO) * np.int32(asked[d])
    for block in range((items + BLOCK - 1) // BLOCK):
        byte_sums(blocks[block], asked, sums)
        first, last = block * BLOCK, min((block + 1) * BLOCK, items)
        part, units = out[first:last], steps[first:last]
        for lane in range(part.shape[0]):
            part[lane] = np.float32(sums[lane] - surplus) * (step * units[lane])
