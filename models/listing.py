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
_BLOCKS: Final = 512
# Scores of a block at least: one register's worth.
_LANES: Final = 8
#: Keys that `in_order` may get, and what they are filled up to a multiple of with the least one:
#: whole registers of them are compared.
KEYS: Final = 256
_FILLED: Final = 32
_LEAST: Final = np.int64(-(2**63))
_LAST_ROW: Final = np.int64(2**31 - 1)
#: Items of a block of counts. With smaller ones more maxima are read, with larger ones more counts.
COUNTED: Final = 64
# Blocks of counts looked into at first: those sought are often near each other. Where they are
# not, so many beyond the length of the list: the user has had the best of some.
_FEW: Final = 8
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
    tops, keys = np.empty(_BLOCKS, np.int32), np.empty(KEYS, np.int64)
    for block in range(blocks):
        first, last = block * size, min((block + 1) * size, items)
        part, hidden, top = bits[first:last], masked[first:last], np.int32(0)
        for at in range(part.shape[0]):
            # 0 - 1 lets all bits through, 1 - 1 none: a branch would keep it from vectorising.
            value = np.int32(part[at] & np.int32(np.int32(hidden[at]) - np.int32(1)))
            top = value if value > top else top
        tops[block] = top
    least, count = _reached(tops, blocks, most), 0
    for block in range(blocks):
        if tops[block] >= least:
            for row in range(block * size, min((block + 1) * size, items)):
                if bits[row] >= least and not masked[row]:
                    keys[count] = key_of(bits[row], row)
                    count += 1
                    if count == KEYS:
                        count, least = _thin_out(keys, most)
    return in_order(keys, count, listed, most)


@inner
def list_touched(
    scores: NDArray[np.float32], touched: NDArray[np.int32], n: int, masked: NDArray[np.uint8],
    listed: NDArray[np.int32], most: int,
) -> int:  # fmt: skip
    """The same where only `n` rows (`touched`, in any order) have scores, float32[n].

    The scores of masked rows are lost.
    """
    bits, keys = scores.view(np.int32), np.empty(KEYS, np.int64)
    for at in range(n):
        bits[at] &= np.int32(masked[touched[at]]) - np.int32(1)
    least, count = _reached(bits, n, most), 0
    for at in range(n):
        if bits[at] >= least:
            keys[count] = key_of(bits[at], touched[at])
            count += 1
            if count == KEYS:
                count, least = _thin_out(keys, most)
    return in_order(keys, count, listed, most)


@inner
def list_counted(
    counts: NDArray[np.float64], tops: NDArray[np.float64], share: float,
    masked: NDArray[np.uint8], listed: NDArray[np.int32], most: int, items: int,
) -> int:  # fmt: skip
    """The same where scores are `float32(counts·share)`, and `tops` those of blocks of COUNTED.

    Blocks are looked into from the largest down, until the next holds nothing that is listed.
    """
    blocks = (items + COUNTED - 1) // COUNTED
    scores, order = np.empty(blocks, np.float32), np.empty(_MOST_BLOCKS, np.int32)
    for block in range(blocks):
        scores[block] = np.float32(tops[block] * share)
    found, listed_count = np.empty(most, np.float32), 0
    for firsts in (_FEW, min(most + _SPARE, _MOST_BLOCKS)):
        looked_into, listed_count, low = _largest(scores, firsts, order), 0, np.float32(0.0)
        for at in range(looked_into):
            if scores[order[at]] < low:
                return listed_count
            listed_count = _list_block(
                counts, order[at], share, masked, listed, found, listed_count, most, items
            )
            low = found[most - 1] if listed_count == most else np.float32(0.0)
        if looked_into < firsts or scores[order[looked_into - 1]] < low:
            return listed_count
    # Too much is masked: whatever block holds something, in the order of rows.
    listed_count = 0
    for block in range(blocks):
        if scores[block] > 0.0 and (listed_count < most or scores[block] >= found[most - 1]):
            listed_count = _list_block(
                counts, block, share, masked, listed, found, listed_count, most, items
            )
    return listed_count


@inner
def _largest(scores: NDArray[np.float32], most: int, order: NDArray[np.int32]) -> int:
    """Write the numbers of the `most` largest above 0, the largest first; return how many."""
    bits, keys, count = scores.view(np.int32), np.empty(KEYS, np.int64), 0
    least = _reached(bits, bits.shape[0], most)
    for at in range(bits.shape[0]):
        if bits[at] >= least:
            keys[count] = key_of(bits[at], at)
            count += 1
            if count == KEYS:
                count, least = _thin_out(keys, most)
    return in_order(keys, count, order, most)


@inner
def _list_block(
    counts: NDArray[np.float64], block: int, share: float, masked: NDArray[np.uint8],
    listed: NDArray[np.int32], found: NDArray[np.float32], count: int, most: int, items: int,
) -> int:  # fmt: skip
    low = found[most - 1] if count == most else np.float32(0.0)
    for row in range(block * COUNTED, min((block + 1) * COUNTED, items)):
        score = np.float32(counts[row] * share)
        if score >= low and score > 0.0 and not masked[row]:
            count = insert_in_order(found, listed, count, most, score, row)
            low = found[most - 1] if count == most else np.float32(0.0)
    return count


@inner
def _reached(bits: NDArray[np.int32], n: int, k: int) -> np.int32:
    """A bound above 0 that k of n positive numbers reach, or more where ties leave no other.

    It is made bit by bit from the highest on; 1 where fewer than k are above 0.
    """
    bound, some = np.int32(0), bits[:n]
    for bit in range(30, -1, -1):
        tried, reached = np.int32(bound | np.int32(np.int32(1) << np.int32(bit))), np.int32(0)
        for at in range(some.shape[0]):
            reached += np.int32(some[at] >= tried)
        if reached >= k:
            bound = tried
            if reached == k:
                break
    return max(bound, np.int32(1))


@inner
def key_of(bits: np.int32, row: int) -> np.int64:
    """Orders rows by `bits`, ties by row: what comes first has the larger key."""
    return (np.int64(bits) << np.int64(32)) | (_LAST_ROW - np.int64(row))


@inner
def in_order(keys: NDArray[np.int64], n: int, rows: NDArray[np.int32], most: int) -> int:
    """Write the rows of the largest `most` of n keys, the largest first; return how many.

    No two keys are equal, and there is room for KEYS. A key's place is how many are larger: that
    vectorises, and for so few it is faster than sorting.
    """
    filled = (n + _FILLED - 1) // _FILLED * _FILLED
    keys[n:filled] = _LEAST
    some = keys[:filled]
    for at in range(n):
        key, larger = keys[at], np.int64(0)
        for other in range(some.shape[0]):
            larger += np.int64(some[other] > key)
        if larger < most:
            rows[larger] = np.int32(_LAST_ROW - (key & _LAST_ROW))
    return min(n, most)


@inner
def _thin_out(keys: NDArray[np.int64], most: int) -> tuple[int, np.int32]:
    """Leave the largest `most` of KEYS keys; return how many, and the bits of the least."""
    bound = np.int64(0)
    for bit in range(62, -1, -1):
        tried, reached = bound | np.int64(np.int64(1) << np.int64(bit)), np.int64(0)
        for at in range(KEYS):
            reached += np.int64(keys[at] >= tried)
        if reached >= most:
            bound = tried
            if reached == most:
                break
    count, least = 0, keys[0]
    for at in range(KEYS):
        if keys[at] >= bound:
            keys[count] = keys[at]
            least = keys[at] if count == 0 else min(least, keys[at])
            count += 1
    return count, np.int32(least >> np.int64(32))


@inner
def insert_in_order(
    keys: NDArray[Any], rows: NDArray[Any], count: int, most: int, key: Any, row: int
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
