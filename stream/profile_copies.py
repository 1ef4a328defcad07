"""Copies of one user's row, for readers beside the writer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.compiled import inner
from models.examples import Past
from models.index import Keys, Slots, find
from stream.described import Told
from stream.pool import LENGTH, START
from stream.profile_rows import Rows


def copied(r: Rows, told: Told, key: np.uint64) -> tuple[Past, NDArray[np.int32], float]:
    """The past of the user with `key`, counts by type (int32[TYPES]; of one who has not acted,
    int32[0]), and when they last acted, in seconds. The caller keeps writers away.

    What was told of a user stands apart from what they did, so each is found by key.
    """
    # One by one: to take arrays out of a tuple costs more than to copy what they hold.
    *past, counts, last = _copied(
        r.slots, r.key, r.counts, r.last, r.history, r.history_key, r.history_time,
        r.history_type, r.history_value, r.seen, r.seen_key, r.seen_mask,
        told.slots, told.user, told.length, told.attribute, key,
    )  # fmt: skip
    return Past._make(past), counts, last


# With the interpreter's lock: it is over sooner than the lock would be given back.
@njit(cache=True)
def _copied(
    slots: Slots, keys: Keys, counts: NDArray[np.int32], last: NDArray[np.float64],
    history: NDArray[np.int64], history_key: NDArray[np.uint64],
    history_time: NDArray[np.float64], history_type: NDArray[np.uint8],
    history_value: NDArray[np.float32], seen: NDArray[np.int64], seen_key: NDArray[np.uint64],
    seen_mask: NDArray[np.uint16], told_slots: Slots, told_key: Keys,
    told_length: NDArray[np.uint8], attribute: NDArray[np.uint64], key: np.uint64,
) -> Any:  # fmt: skip
    user, told = find(slots, keys, key), find(told_slots, told_key, key)
    start, length, first, many, types, newest = 0, 0, 0, 0, 0, 0.0
    if user >= 0:
        start, length = history[user, START], history[user, LENGTH]
        first, many = seen[user, START], seen[user, LENGTH]
        types, newest = counts.shape[1], last[user]
    attributes = np.int64(told_length[told]) if told >= 0 else 0
    times, kinds = np.empty(length), np.empty(length, np.uint8)
    items, values = np.empty(length, np.uint64), np.empty(length)
    for at in range(length):
        entry = start + length - 1 - at
        items[at], times[at] = history_key[entry], history_time[entry]
        kinds[at], values[at] = history_type[entry], history_value[entry]
    return (
        _starts(length), items, times, kinds, values,
        _starts(many), seen_key[first : first + many].copy(),
        seen_mask[first : first + many].copy(),
        _starts(attributes), attribute[max(told, 0), :attributes].copy(),
        counts[max(user, 0), :types].copy(), newest,
    )  # fmt: skip


@inner
def _starts(length: int) -> NDArray[np.int64]:
    """Of one row."""
    starts = np.zeros(2, np.int64)
    starts[1] = length
    return starts
