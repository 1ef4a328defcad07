"""Arithmetic on vectors in one fixed order, so that the bits do not depend on the CPU.

Vectors that are learned lie as rows. A second copy lies in tiles, dims × `LANES` items each:
scoring a catalogue reads it straight through, ten times as fast as row by row. The copy follows
from the rows, so it is neither hashed nor stored. `coarse` has it in bytes.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

# Items of a tile: their scores stay in the nearest cache, and a row is written within 64 KB.
LANES: Final = 256


@njit(cache=True, nogil=True, inline="always")
def mix(x: np.uint64) -> np.uint64:
    """splitmix64's finaliser: a counter in, 64 random-looking bits out."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@njit(cache=True, nogil=True)
def dot(a: NDArray[np.float32], b: NDArray[np.float32], dims: int) -> np.float32:
    """Inner product in one fixed order, eight lanes wide (dims is a multiple of 8)."""
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = np.float32(0.0)
    for d in range(0, dims, 8):
        s0 += a[d] * b[d]
        s1 += a[d + 1] * b[d + 1]
        s2 += a[d + 2] * b[d + 2]
        s3 += a[d + 3] * b[d + 3]
        s4 += a[d + 4] * b[d + 4]
        s5 += a[d + 5] * b[d + 5]
        s6 += a[d + 6] * b[d + 6]
        s7 += a[d + 7] * b[d + 7]
    return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))


@njit(cache=True, nogil=True)
def normalise(x: NDArray[np.float32], dims: int) -> float:
    """Give `x` (float32[dims]) the norm 1 unless it is zero; return the norm it had."""
    norm = math.sqrt(dot(x, x, dims))
    if norm > 1e-9:
        inverse = np.float32(1.0 / norm)
        for d in range(dims):
            x[d] *= inverse
    return norm


def tiles_of(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a copy of `rows` (float32[items, dims]) in tiles (float32[tiles, dims, LANES]).

    >>> rows = np.arange(16, dtype=np.float32).reshape(2, 8)
    >>> tiles_of(rows)[0, :, 1].tolist() == rows[1].tolist()
    True
    """
    items, dims = rows.shape
    tiles = np.zeros((max(-(-items // LANES), 1), dims, LANES), np.float32)
    for at in range(tiles.shape[0]):
        part = rows[at * LANES : (at + 1) * LANES]
        tiles[at, :, : part.shape[0]] = part.T
    return tiles


@njit(cache=True, nogil=True)
def place(tiles: NDArray[np.float32], row: int, vector: NDArray[np.float32]) -> None:
    """Write the vector (float32[dims]) of one item into its tile."""
    tile, lane = row // LANES, row % LANES
    for d in range(tiles.shape[1]):
        tiles[tile, d, lane] = vector[d]


@njit(cache=True, nogil=True)
def products(
    tiles: NDArray[np.float32], x: NDArray[np.float32], out: NDArray[np.float32], items: int
) -> None:
    """Write the inner product of `x` with every item (float32[items]); dims a multiple of 8."""
    for tile in range((items + LANES - 1) // LANES):
        lanes = min(LANES, items - tile * LANES)
        sums = out[tile * LANES : tile * LANES + lanes]
        for lane in range(lanes):
            sums[lane] = 0.0
        for d in range(0, tiles.shape[1], 8):
            add_eight(tiles[tile], d, x, sums, lanes)


@njit(cache=True, nogil=True)
def add_eight(
    columns: NDArray[np.float32], first: int, x: NDArray[np.float32],
    sums: NDArray[np.float32], lanes: int,
) -> None:  # fmt: skip
    """Add `Σ x[i]·columns[i]` over i from `first`, eight of them, to `sums` (float32[lanes])."""
    x0, x1, x2, x3 = x[first], x[first + 1], x[first + 2], x[first + 3]
    x4, x5, x6, x7 = x[first + 4], x[first + 5], x[first + 6], x[first + 7]
    c0, c1, c2, c3 = columns[first], columns[first + 1], columns[first + 2], columns[first + 3]
    c4, c5, c6, c7 = columns[first + 4], columns[first + 5], columns[first + 6], columns[first + 7]
    for lane in range(lanes):
        sums[lane] += ((x0 * c0[lane] + x1 * c1[lane]) + (x2 * c2[lane] + x3 * c3[lane])) + (
            (x4 * c4[lane] + x5 * c5[lane]) + (x6 * c6[lane] + x7 * c7[lane])
        )
