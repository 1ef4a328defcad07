"""Kernels of the lists not yet closed: a ring in order of arrival, and an index by list.

A click that comes before its list opens a place for it, which the list then fills.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.compiled import inner
from models.impressions import PLACES, Lists, Outcomes
from models.index import find, insert

#: Lists a partition holds open; the oldest is pushed out, closed as it is. 5 MB when full.
OPEN: Final = 16_384
#: A list is closed when the event clock has passed it by this: a click later is no answer to it.
WINDOW_S: Final = 1_800.0
#: Lists are closed at every 16th that arrives, so that stage two gets them in lots.
EVERY: Final = 16
# Lists closed at a time because of their age; the rest follow with the next ones.
_AT_A_TIME: Final = 256
#: Lists that are closed at a time at most.
MOST_CLOSED: Final = _AT_A_TIME + EVERY

#: What an entry of a lot is.
LOST, TAKEN, SHOWN = range(3)
_OPENED, _CLOSED, _MET = range(3)


class Open(NamedTuple):
    """View over the ring. A row without `filled` awaits its list; its items are those taken."""

    slots: NDArray[np.int32]
    key: NDArray[np.uint64]
    time: NDArray[np.float64]
    served: NDArray[np.uint8]
    filled: NDArray[np.uint8]
    length: NDArray[np.int64]
    item: NDArray[np.uint64]  # [rows, PLACES]
    place: NDArray[np.uint8]
    propensity: NDArray[np.float32]
    score: NDArray[np.float32]
    taken: NDArray[np.uint16]
    counted: NDArray[np.int64]  # [3] rows ever opened and ever closed, lists ever met
    clock: NDArray[np.float64]  # [1] newest event time, seconds


class Lot(NamedTuple):
    """Consecutive events and lists; list i shows `start[i]` to `start[i + 1]` of the columns."""

    kind: NDArray[np.uint8]  # LOST: gave no example; TAKEN: an example; SHOWN: a list
    key: NDArray[np.uint64]  # of user and recommendation, 0: none
    time: NDArray[np.float64]
    type: NDArray[np.uint8]
    served: NDArray[np.uint8]
    taken: NDArray[np.uint64]  # an event's item
    start: NDArray[np.int64]
    item: NDArray[np.uint64]
    place: NDArray[np.int64]
    propensity: NDArray[np.float64]
    score: NDArray[np.float64]


class Closings(NamedTuple):
    """The lists that a lot closes, a closing after the other."""

    at: NDArray[np.int64]  # the entry with which it came
    stop: NDArray[np.int64]  # number of the lists closed by then
    lists: Outcomes


@njit(cache=True, nogil=True)
def join(o: Open, lot: Lot, out: Lists, closings: Closings) -> int:
    """Apply a lot in order, and close what is due at every `EVERY`-th list; return how often.

    `out` gets, for each example, the list it was taken from. A closing of nothing is none.
    """
    example = filled = made = closed = 0
    for at in range(lot.kind.shape[0]):
        if lot.kind[at] == LOST:
            continue
        if lot.key[at] != 0 or o.counted[_OPENED] > 0:  # nothing is kept before the first list
            o.clock[0] = max(o.clock[0], lot.time[at])
        if lot.kind[at] == SHOWN:
            o.counted[_MET] += 1
            _show(o, lot, at)
            if o.counted[_MET] % EVERY == 0:
                before, closed = closed, _close(o, closings.lists, closed)
                if closed > before:
                    closings.at[made], closings.stop[made] = at, closed
                    made += 1
            continue
        if lot.key[at] != 0:
            filled = _take(o, lot, at, out, example, filled)
        example += 1
        out.start[example] = filled
    return made


@inner
def _new_row(o: Open, lot: Lot, at: int) -> int:
    row = o.counted[_OPENED] % OPEN
    o.counted[_OPENED] += 1
    o.key[row], o.time[row] = lot.key[at], lot.time[at]
    o.served[row] = o.filled[row] = o.length[row] = 0
    insert(o.slots, lot.key[at], row)
    return int(row)


@inner
def _entry(o: Open, row: int, item: np.uint64) -> int:
    for entry in range(o.length[row]):
        if o.item[row, entry] == item:
            return int(entry)
    return -1


@inner
def _take(o: Open, lot: Lot, at: int, out: Lists, example: int, filled: int) -> int:
    """Note what was taken from a list; the first time, copy out what was there to choose from."""
    row, item = int(find(o.slots, o.key, lot.key[at])), lot.taken[at]
    if row < 0:
        # The last rows are kept for lists: one to come is worth more than one awaited.
        if o.counted[_OPENED] - o.counted[_CLOSED] >= OPEN - EVERY:
            return filled
        row = _new_row(o, lot, at)
    if o.filled[row]:
        out.rung[example] = o.served[row]
    entry, bit = _entry(o, row, item), np.uint16(1 << np.int64(lot.type[at]))
    if entry < 0:
        if o.filled[row] or o.length[row] == PLACES:
            return filled
        entry = int(o.length[row])
        o.item[row, entry], o.taken[row, entry] = item, 0
        o.length[row] += 1
    if o.filled[row] and o.taken[row, entry] == 0:
        for shown in range(o.length[row]):
            if o.taken[row, shown] == 0:
                out.key[filled], out.place[filled] = o.item[row, shown], o.place[row, shown]
                filled += 1
    o.taken[row, entry] |= bit
    return filled


@inner
def _show(o: Open, lot: Lot, at: int) -> None:
    row = int(find(o.slots, o.key, lot.key[at]))
    if row < 0:
        row = _new_row(o, lot, at)
    if o.filled[row]:
        return  # the same list once more
    awaited = o.length[row]
    items, taken = o.item[row, :awaited].copy(), o.taken[row, :awaited].copy()
    length = 0
    for source in range(lot.start[at], lot.start[at + 1]):
        if lot.place[source] >= PLACES:
            continue
        o.item[row, length], o.place[row, length] = lot.item[source], lot.place[source]
        o.propensity[row, length], o.score[row, length] = lot.propensity[source], lot.score[source]
        o.taken[row, length] = 0
        for before in range(awaited):
            if items[before] == lot.item[source]:
                o.taken[row, length] = taken[before]
        length += 1
    o.time[row], o.served[row] = lot.time[at], lot.served[at]
    o.length[row], o.filled[row] = length, 1


@inner
def _close(o: Open, out: Outcomes, lists: int) -> int:
    """Add what is old or must give way, oldest first, to the lists of `out`; return how many."""
    filled, steps = out.start[lists], 0
    while o.counted[_CLOSED] < o.counted[_OPENED]:
        row = o.counted[_CLOSED] % OPEN
        full = o.counted[_OPENED] - o.counted[_CLOSED] > OPEN - EVERY
        old = o.time[row] < o.clock[0] - WINDOW_S and steps < _AT_A_TIME
        if not full and not old:
            break
        steps += 1
        if o.filled[row] and o.length[row] > 0:
            for entry in range(o.length[row]):
                out.key[filled], out.place[filled] = o.item[row, entry], o.place[row, entry]
                out.propensity[filled], out.score[filled] = (
                    o.propensity[row, entry],
                    o.score[row, entry],
                )
                out.taken[filled] = o.taken[row, entry]
                filled += 1
            out.served[lists] = o.served[row]
            lists += 1
            out.start[lists] = filled
        _remove(o.slots, o.key, o.key[row])
        o.counted[_CLOSED] += 1
    return lists


@inner
def _remove(slots: NDArray[np.int32], keys: NDArray[np.uint64], key: np.uint64) -> None:
    """Take a key out of an index by open addressing, closing the gap (Knuth, 6.4, algorithm R)."""
    mask = np.uint64(slots.shape[0] - 1)
    one = np.uint64(1)
    at = key & mask
    while slots[at] != 0 and keys[slots[at] - 1] != key:
        at = (at + one) & mask
    if slots[at] == 0:
        return
    hole = at
    slots[hole] = 0
    at = (at + one) & mask
    while slots[at] != 0:
        home = keys[slots[at] - 1] & mask
        if ((at - home) & mask) >= ((at - hole) & mask):
            slots[hole] = slots[at]
            slots[at] = 0
            hole = at
        at = (at + one) & mask
