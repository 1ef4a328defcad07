"""Stage one's kernel: a batch of checked events in, training examples out.

For every event in log order: time bounds, duplicates, the user's row, caps, the scoring mark,
the example, and only then the row's update.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.examples import CAPPED, HISTORY, SCORED, Examples
from models.index import find, insert
from models.vectors import mix
from stream.described import Told
from stream.pool import CLASS, LENGTH, START, allocate, is_full, move, release
from stream.profile_rows import HISTORIES, RECENTS, SEENS, USERS, Rows
from stream.recent import Recent, add

EXAMPLE: Final = 0
DUPLICATE: Final = 1
LATE: Final = 2
FUTURE: Final = 3
#: Of the canary: its row changed, and the model is told nothing.
ASIDE: Final = 4


class Limits(NamedTuple):
    """The manifest's numbers, float64[1] each for one signature."""

    history: int
    seen: int
    lateness_s: float
    future_s: float
    scoring_rate: float  # infinite: score all
    per_minute: int
    per_hour: int
    users: int


class Events(NamedTuple):
    """A batch of checked events, columns of n."""

    user_key: NDArray[np.uint64]
    item_key: NDArray[np.uint64]
    event_key: NDArray[np.uint64]
    type: NDArray[np.uint8]
    value: NDArray[np.float64]
    time: NDArray[np.float64]
    received_at: NDArray[np.float64]
    imported: NDArray[np.uint8]
    aside: NDArray[np.uint8]  # 1: of the canary


class Out(NamedTuple):
    """Room for what a batch emits; `filled` counts history, seen and attribute entries."""

    status: NDArray[np.uint8]
    user_row: NDArray[np.int64]
    examples: Examples
    filled: NDArray[np.int64]
    progress: NDArray[np.int64]  # [2] events looked at, examples emitted


@njit(cache=True, nogil=True)
def step(r: Rows, told: Told, recent: Recent, limits: Limits, events: Events, out: Out) -> bool:
    """Go on with a batch from `out.progress`; False: stopped at a user there is no room for."""
    emitted = out.progress[1]
    for at in range(out.progress[0], events.user_key.shape[0]):
        out.progress[0], out.progress[1] = at, emitted
        received, time = events.received_at[at], events.time[at]
        out.status[at] = EXAMPLE
        if not events.imported[at]:
            if time < received - limits.lateness_s:
                out.status[at] = LATE
                continue
            if time > received + limits.future_s:
                out.status[at] = FUTURE
                continue
        full = r.used[USERS] >= limits.users
        if full and find(r.slots, r.key, events.user_key[at]) < 0:
            return False
        if events.aside[at]:
            out.status[at] = ASIDE
            _set_aside(r, limits, events, at, out)
            continue
        if not add(recent, events.event_key[at], r.used[RECENTS : RECENTS + 1]):
            out.status[at] = DUPLICATE
            continue
        user = _user(r, events.user_key[at])
        out.user_row[at] = user
        _emit(r, limits, events, at, user, out, emitted)
        _copy_attributes(told, events.user_key[at], out, emitted)
        emitted += 1
    out.progress[0], out.progress[1] = events.user_key.shape[0], emitted
    return True


@njit(cache=True, nogil=True)
def _set_aside(r: Rows, limits: Limits, events: Events, at: int, out: Out) -> None:
    """Update the user's row as for any event; nothing else may show that there was one."""
    user = _user(r, events.user_key[at])
    out.user_row[at] = user
    time = min(events.time[at], events.received_at[at] + limits.future_s)
    seen_at = _seen_place(r, user, events.item_key[at])
    _touch(r, limits, events, at, user, time)
    _update(r, limits, events, at, user, time, seen_at)


@njit(cache=True, nogil=True)
def _user(r: Rows, key: np.uint64) -> int:
    row = find(r.slots, r.key, key)
    if row < 0:
        row = r.used[USERS]
        r.key[row] = key
        r.history[row, START] = -1
        r.seen[row, START] = -1
        insert(r.slots, key, row)
        r.used[USERS] = row + 1
    return int(row)


@njit(cache=True, nogil=True)
def _emit(r: Rows, limits: Limits, events: Events, at: int, user: int, out: Out, n: int) -> None:
    e = out.examples
    time = min(events.time[at], events.received_at[at] + limits.future_s)
    seen_at = _seen_place(r, user, events.item_key[at])
    e.item_key[n] = events.item_key[at]
    e.event_key[n] = events.event_key[at]
    e.user_key[n] = events.user_key[at]
    e.type[n] = events.type[at]
    e.value[n] = events.value[at]
    e.time[n] = time
    e.prior[n] = r.seen_mask[seen_at] if seen_at >= 0 else 0
    flags = SCORED if _is_scored(r, limits, events, at) else 0
    _copy_past(r, user, time, flags, out, n)
    if _touch(r, limits, events, at, user, time) and not events.imported[at]:
        flags |= CAPPED
    e.flags[n] = flags
    _update(r, limits, events, at, user, time, seen_at)


@njit(cache=True, nogil=True)
def _update(
    r: Rows, limits: Limits, events: Events, at: int, user: int, time: float, seen_at: int
) -> None:
    _see(r, limits, user, events.item_key[at], events.type[at], seen_at)
    r.counts[user, events.type[at]] += 1
    r.last[user] = max(r.last[user], time)
    r.number[0] += 1
    r.newest[user] = r.number[0]


@njit(cache=True, nogil=True)
def _is_scored(r: Rows, limits: Limits, events: Events, at: int) -> bool:
    """All on a quiet log, about `scoring_rate` a second on a busy one, by time of receipt."""
    second = np.int64(math.floor(events.received_at[at]))
    if second != r.second[0]:
        r.second[2] = r.second[1] if second == r.second[0] + 1 else 0
        r.second[0], r.second[1] = second, 0
    r.second[1] += 1
    busy = max(r.second[1], r.second[2])
    draw = (mix(events.event_key[at]) >> np.uint64(11)) * 2.0**-53
    return draw * busy < limits.scoring_rate


@njit(cache=True, nogil=True)
def _copy_past(r: Rows, user: int, time: float, flags: int, out: Out, n: int) -> None:
    past, start = out.examples.past, r.history[user, START]
    filled = out.filled[0]
    for back in range(r.history[user, LENGTH]):
        entry = start + r.history[user, LENGTH] - 1 - back
        if r.history_time[entry] <= time:
            past.history_key[filled] = r.history_key[entry]
            past.history_time[filled] = r.history_time[entry]
            past.history_type[filled] = r.history_type[entry]
            past.history_value[filled] = r.history_value[entry]
            filled += 1
            if filled - past.history_start[n] == HISTORY:
                break
    out.filled[0] = filled
    past.history_start[n + 1] = filled
    if flags & SCORED:
        first, length = r.seen[user, START], r.seen[user, LENGTH]
        for entry in range(length):
            past.seen_key[out.filled[1] + entry] = r.seen_key[first + entry]
            past.seen_mask[out.filled[1] + entry] = r.seen_mask[first + entry]
        out.filled[1] += length
    past.seen_start[n + 1] = out.filled[1]


@njit(cache=True, nogil=True)
def _copy_attributes(told: Told, user: np.uint64, out: Out, n: int) -> None:
    past, row = out.examples.past, find(told.slots, told.user, user)
    if row >= 0:
        for entry in range(told.length[row]):
            past.attribute_key[out.filled[2] + entry] = told.attribute[row, entry]
        out.filled[2] += told.length[row]
    past.attribute_start[n + 1] = out.filled[2]


@njit(cache=True, nogil=True)
def _touch(r: Rows, limits: Limits, events: Events, at: int, user: int, time: float) -> bool:
    """Put the item to its place in the history; True when a rate cap is passed.

    Imports count towards no cap: a history taken in now must not silence what follows it.
    """
    minute = np.int64(math.floor(events.received_at[at] / 60.0))
    if r.minute[user, 0] != minute:
        r.minute[user, 0], r.minute[user, 1] = minute, 0
    one = 0 if events.imported[at] else 1
    r.minute[user, 1] += one
    hour, count = minute // 60, one
    key, row = events.item_key[at], r.history[user]
    for entry in range(row[START], row[START] + row[LENGTH]):
        if r.history_key[entry] == key:
            if r.history_hour[entry] == hour:
                count = min(int(r.history_count[entry]) + one, 255)
            r.history_hour[entry], r.history_count[entry] = hour, count
            if r.history_time[entry] <= time:
                _close_gap(r, row, entry)
                _place(r, row, events, at, time, hour, count)
            return r.minute[user, 1] > limits.per_minute or count > limits.per_hour
    if row[LENGTH] >= limits.history:
        if r.history_time[row[START]] > time:
            return r.minute[user, 1] > limits.per_minute
        _close_gap(r, row, row[START])
    elif is_full(row):
        _grow_history(r, row)
    _place(r, row, events, at, time, hour, count)
    return r.minute[user, 1] > limits.per_minute


@njit(cache=True, nogil=True)
def _close_gap(r: Rows, row: NDArray[np.int64], entry: int) -> None:
    for to in range(entry, row[START] + row[LENGTH] - 1):
        _copy_entry(r, to + 1, to)
    row[LENGTH] -= 1


@njit(cache=True, nogil=True)
def _copy_entry(r: Rows, source: int, target: int) -> None:
    r.history_key[target] = r.history_key[source]
    r.history_time[target] = r.history_time[source]
    r.history_value[target] = r.history_value[source]
    r.history_hour[target] = r.history_hour[source]
    r.history_type[target] = r.history_type[source]
    r.history_count[target] = r.history_count[source]


@njit(cache=True, nogil=True)
def _place(
    r: Rows, row: NDArray[np.int64], events: Events, at: int, time: float, hour: Any, count: int
) -> None:
    """Insert by time, newest last; of equal times the later in the log is newer."""
    entry = row[START] + row[LENGTH]
    while entry > row[START] and r.history_time[entry - 1] > time:
        _copy_entry(r, entry - 1, entry)
        entry -= 1
    r.history_key[entry] = events.item_key[at]
    r.history_time[entry] = time
    r.history_value[entry] = events.value[at]
    r.history_hour[entry] = hour
    r.history_type[entry] = events.type[at]
    r.history_count[entry] = count
    row[LENGTH] += 1


@njit(cache=True, nogil=True)
def _grow_history(r: Rows, row: NDArray[np.int64]) -> None:
    old, length = row[START], row[LENGTH]
    size_class = row[CLASS] + 1 if old >= 0 else 0
    new = allocate(size_class, r.history_key, r.history_free, r.used[HISTORIES : HISTORIES + 1])
    if old >= 0:
        for entry in range(length):
            _copy_entry(r, old + entry, new + entry)
        release(old, row[CLASS], r.history_key, r.history_free)
    row[START], row[CLASS] = new, size_class


@njit(cache=True, nogil=True)
def _seen_place(r: Rows, user: int, key: np.uint64) -> int:
    start = r.seen[user, START]
    for entry in range(start, start + r.seen[user, LENGTH]):
        if r.seen_key[entry] == key:
            return int(entry)
    return -1


@njit(cache=True, nogil=True)
def _see(r: Rows, limits: Limits, user: int, key: np.uint64, kind: int, entry: int) -> None:
    """Set the type's bit of a seen item; the oldest leaves when the row is full."""
    bit = np.uint16(1 << kind)
    if entry >= 0:
        r.seen_mask[entry] |= bit
        return
    row = r.seen[user]
    if row[LENGTH] >= limits.seen:
        first, length = row[START], row[LENGTH]
        for at in range(first, first + length - 1):
            r.seen_key[at] = r.seen_key[at + 1]
            r.seen_mask[at] = r.seen_mask[at + 1]
        row[LENGTH] -= 1
    elif is_full(row):
        _grow_seen(r, row)
    at = row[START] + row[LENGTH]
    r.seen_key[at] = key
    r.seen_mask[at] = bit
    row[LENGTH] += 1


@njit(cache=True, nogil=True)
def _grow_seen(r: Rows, row: NDArray[np.int64]) -> None:
    old, length = row[START], row[LENGTH]
    size_class = row[CLASS] + 1 if old >= 0 else 0
    new = allocate(size_class, r.seen_key, r.seen_free, r.used[SEENS : SEENS + 1])
    if old >= 0:
        move(r.seen_key, old, new, length)
        move(r.seen_mask, old, new, length)
        release(old, row[CLASS], r.seen_key, r.seen_free)
    row[START], row[CLASS] = new, size_class
