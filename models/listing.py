"""The best of many scores, without looking long at the others.

Three ways to the same list: of scores that all items have, of those that few have, and of counts
whose largest in every block of items are kept (`tops`). Best first, ties by row; masked rows
(uint8[items], not 0) are passed over, and what has no positive score is never listed.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.compiled import inner

# Blocks the scores are cut into. The k-th largest of their maxima is a bound that at least k
# scores reach and, with some times more blocks than k, hardly any more do.
_BLOCKS: Final = 256
# Scores of a block at least: one register's worth.
_LANES: Final = 8
#: Items of a block of counts. With smaller ones more maxima are read, with larger ones more counts.
COUNTED: Final = 64
# Blocks of counts looked into beyond the length of the list before all are: the user has had
# the best of some.
_SPARE: Final = 28
_MOST_BLOCKS: Final = 128


@inner
def list_best(
    scores: NDArray[np.float32], masked: NDArray[np.uint8], listed: NDArray[np.int32],
    most: int, items: int,
) -> int:  # fmt: skip
    """Write the rows of the best `most` of scores (float32[items]); return how many."""
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
def list_touched(
    scores: NDArray[np.float32], touched: NDArray[np.int32], n: int, masked: NDArray[np.uint8],
    listed: NDArray[np.int32], most: int,
) -> int:  # fmt: skip
    """The same where only `n` rows (`touched`, in any order) have scores, float32[n].

    The scores of masked rows are lost.
    """
    bits = scores.view(np.int32)
    size = _LANES
    while size * _BLOCKS < n:
        size *= 2
    blocks = (n + size - 1) // size
    tops, keys = np.empty(_BLOCKS, np.int32), np.empty(most, np.int32)
    for at in range(n):
        if masked[touched[at]]:
            bits[at] = 0
    for block in range(blocks):
        part, top = bits[block * size : min((block + 1) * size, n)], np.int32(0)
        for at in range(part.shape[0]):
            top = part[at] if part[at] > top else top
        tops[block] = top
    least = max(_kth_largest(tops, blocks, most, keys), np.int32(1))
    count = 0
    for block in range(blocks):
        if tops[block] >= least:
            for at in range(block * size, min((block + 1) * size, n)):
                if bits[at] >= least:
                    count = _insert(keys, listed, count, most, bits[at], touched[at])
                    if count == most:
                        least = max(least, keys[most - 1])
    return count


@inner
def list_counted(
    counts: NDArray[np.float64], tops: NDArray[np.float64], share: float,
    masked: NDArray[np.uint8], listed: NDArray[np.int32], most: int, items: int,
) -> int:  # fmt: skip
    """The same where scores are `float32(counts·share)`, and `tops` those of blocks of COUNTED.

    Blocks are looked into from the largest down, until the next holds nothing that is listed.
    """
    blocks = (items + COUNTED - 1) // COUNTED
    firsts, count = min(most + _SPARE, _MOST_BLOCKS, blocks), 0
    order, keys = np.empty(_MOST_BLOCKS, np.int32), np.empty(_MOST_BLOCKS, np.float64)
    found = np.empty(most, np.float32)
    for block in range(blocks):
        if count < firsts or tops[block] > keys[firsts - 1]:
            count = _insert(keys, order, count, firsts, tops[block], block)
    listed_count, low = 0, np.float32(0.0)
    for at in range(firsts):
        top = np.float32(keys[at] * share)
        if top < low or top <= 0.0:
            return listed_count
        listed_count = _list_block(
            counts, order[at], share, masked, listed, found, listed_count, most, items
        )
        low = found[most - 1] if listed_count == most else np.float32(0.0)
    if firsts == blocks or np.float32(keys[firsts - 1] * share) < low:
        return listed_count
    # Too much is masked: whatever block holds something, in the order of rows.
    listed_count = 0
    for block in range(blocks):
        top = np.float32(tops[block] * share)
        if top > 0.0 and (listed_count < most or top >= found[most - 1]):
            listed_count = _list_block(
                counts, block, share, masked, listed, found, listed_count, most, items
            )
    return listed_count


@inner
def _list_block(
    counts: NDArray[np.float64], block: int, share: float, masked: NDArray[np.uint8],
    listed: NDArray[np.int32], found: NDArray[np.float32], count: int, most: int, items: int,
) -> int:  # fmt: skip
    low = found[most - 1] if count == most else np.float32(0.0)
    for row in range(block * COUNTED, min((block + 1) * COUNTED, items)):
        score = np.float32(counts[row] * share)
        if score >= low and score > 0.0 and not masked[row]:
            count = _insert(found, listed, count, most, score, row)
            low = found[most - 1] if count == most else np.float32(0.0)
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
    keys: NDArray[Any], rows: NDArray[np.int32], count: int, most: int, key: Any, row: int
) -> int:
    """Insert behind what is larger, or as large and of a lower row; a full list loses its last.

    Nothing is inserted into a full list that would come last.
    """
    to = count
    if count == most:
        to = most - 1
        if keys[to] > key or (keys[to] == key and rows[to] < row):
            return count
    while to > 0 and (keys[to - 1] < key or (keys[to - 1] == key and rows[to - 1] > row)):
        keys[to], rows[to] = keys[to - 1], rows[to - 1]
        to -= 1
    keys[to], rows[to] = key, row
    return min(count + 1, most)
