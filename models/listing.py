"""The best of many scores, without looking long at the others."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.compiled import inner

# Blocks the items are cut into. The k-th largest of their maxima is a bound that at least k
# scores reach and, with some times more blocks than k, hardly any more do.
_BLOCKS: Final = 256
# Items of a block at least: one register's worth.
_LANES: Final = 8


@inner
def list_best(
    scores: NDArray[np.float32], masked: NDArray[np.uint8], listed: NDArray[np.int32],
    most: int, items: int,
) -> int:  # fmt: skip
    """Write the rows of the best `most` positive scores, best first, ties by row; return how many.

    Rows that are masked (uint8[items]) are passed over.
    """
    # The bits of positive floats are ordered as the floats are, and their maximum vectorises.
    bits = scores.view(np.int32)
    size = _LANES
    while size * _BLOCKS < items:
        size *= 2
    blocks = (items + size - 1) // size
    tops, keys = np.empty(_BLOCKS, np.int32), np.empty(most, np.int32)
    for block in range(blocks):
        first, last = block * size, min((block + 1) * size, items)
        part, hidden, top = bits[first:last], masked[first:last], np.int32(0)
        for at in range(part.shape[0]):
            # 0 - 1 lets all bits through, 1 - 1 none: a branch would keep it from vectorising.
            value = np.int32(part[at] & np.int32(np.int32(hidden[at]) - np.int32(1)))
            top = value if value > top else top
        tops[block] = top
    least = max(_kth_largest(tops, blocks, most, keys), np.int32(1))
    count = 0
    for block in range(blocks):
        if tops[block] >= least:
            for row in range(block * size, min((block + 1) * size, items)):
                if bits[row] >= least and not masked[row]:
                    count = _insert(keys, listed, count, most, bits[row], row)
                    if count == most:
                        least = max(least, keys[most - 1] + np.int32(1))
    return count


@inner
def _kth_largest(tops: NDArray[np.int32], n: int, k: int, kept: NDArray[np.int32]) -> np.int32:
    """The k-th largest of n numbers, 0 where there are fewer; `kept` (int32[k]) is spent."""
    if n < k:
        return np.int32(0)
    count = 0
    for at in range(n):
        top = tops[at]
        if count < k or top > kept[count - 1]:
            to = min(count, k - 1)
            while to > 0 and kept[to - 1] < top:
                kept[to] = kept[to - 1]
                to -= 1
            kept[to] = top
            count = min(count + 1, k)
    return kept[k - 1]


@inner
def _insert(
    keys: NDArray[np.int32], rows: NDArray[np.int32], count: int, most: int,
    key: np.int32, row: int,
) -> int:  # fmt: skip
    """Insert behind what is not smaller; the last one falls out of a full list."""
    to = min(count, most - 1)
    while to > 0 and keys[to - 1] < key:
        keys[to], rows[to] = keys[to - 1], rows[to - 1]
        to -= 1
    keys[to], rows[to] = key, row
    return min(count + 1, most)
