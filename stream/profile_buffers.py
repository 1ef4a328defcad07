"""Room for what a batch of events emits, and copies of one user's past for readers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.attributes import ATTRIBUTES
from models.examples import HISTORY, Examples, Past, empty_past
from models.index import find
from stream.canary import is_canary
from stream.described import Told
from stream.parsed import Checked
from stream.pool import LENGTH, START
from stream.profile_kernels import Events, Out
from stream.profile_rows import Rows


def columns_of(
    some: Sequence[Checked], key_of: Callable[[str], int], event_key: Callable[[Checked], int]
) -> Events:
    """Checked events as columns; a value that is absent is NaN."""
    return Events(
        np.array([key_of(c.event.user_id) for c in some], np.uint64),
        np.array([key_of(c.event.item_id) for c in some], np.uint64),
        np.array([event_key(c) for c in some], np.uint64),
        np.array([c.type_number for c in some], np.uint8),
        np.array([np.nan if c.event.value is None else c.event.value for c in some]),
        np.array([c.time for c in some]),
        np.array([c.record.received_at for c in some]),
        np.array([c.record.imported for c in some], np.uint8),
        np.array([is_canary(c.event.user_id) for c in some], np.uint8),
    )


def room_for(n: int, seen: int) -> Out:
    """Buffers for `n` events; each may copy out a whole seen set of `seen` entries."""
    seen *= n
    past = Past(
        np.zeros(n + 1, np.int64), np.empty(n * HISTORY, np.uint64), np.empty(n * HISTORY),
        np.empty(n * HISTORY, np.uint8), np.empty(n * HISTORY),
        np.zeros(n + 1, np.int64), np.empty(seen, np.uint64), np.empty(seen, np.uint16),
        np.zeros(n + 1, np.int64), np.empty(n * ATTRIBUTES, np.uint64),
    )  # fmt: skip
    examples = Examples(
        np.empty(n, np.uint64), np.empty(n, np.uint64), np.empty(n, np.uint64),
        np.empty(n, np.uint8), np.empty(n), np.empty(n), np.empty(n, np.uint8),
        np.empty(n, np.uint16), past,
    )  # fmt: skip
    return Out(
        np.empty(n, np.uint8), np.full(n, -1, np.int64), examples, np.zeros(3, np.int64),
        np.zeros(2, np.int64),
    )  # fmt: skip


def cut(e: Examples, n: int) -> Examples:
    """The first `n` examples of a buffer; views, not copies."""
    p = e.past
    filled, seen, told = (int(c[n]) for c in (p.history_start, p.seen_start, p.attribute_start))
    past = Past(
        p.history_start[: n + 1], p.history_key[:filled], p.history_time[:filled],
        p.history_type[:filled], p.history_value[:filled],
        p.seen_start[: n + 1], p.seen_key[:seen], p.seen_mask[:seen],
        p.attribute_start[: n + 1], p.attribute_key[:told],
    )  # fmt: skip
    return Examples._make([*(column[:n] for column in e[:-1]), past])


def past_of(r: Rows, row: int, told: Told, key: np.uint64) -> Past:
    """A copy of all that is kept of the user in `row` with `key`, newest first; row -1: no event.

    What was told of a user stands apart from what they did, so it is found by key.
    """
    keys = attributes_of(told, key)
    told_start = np.array([0, len(keys)])
    if row < 0:
        return empty_past()._replace(attribute_start=told_start, attribute_key=keys)
    start, length = int(r.history[row, START]), int(r.history[row, LENGTH])
    newest = slice(start, start + length)
    first, seen = int(r.seen[row, START]), int(r.seen[row, LENGTH])
    return Past(
        np.array([0, length]), r.history_key[newest][::-1].copy(),
        r.history_time[newest][::-1].copy(), r.history_type[newest][::-1].copy(),
        r.history_value[newest][::-1].astype(np.float64),
        np.array([0, seen]), r.seen_key[first : first + seen].copy(),
        r.seen_mask[first : first + seen].copy(), told_start, keys,
    )  # fmt: skip


def attributes_of(told: Told, key: np.uint64) -> NDArray[np.uint64]:
    """A copy of the attribute keys of a user."""
    row = find(told.slots, told.user, key)
    if row < 0:
        return np.empty(0, np.uint64)
    return told.attribute[row, : told.length[row]].copy()
