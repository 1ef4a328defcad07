"""Columns of a batch of events, and room for what it emits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from models.attributes import ATTRIBUTES
from models.examples import HISTORY, Examples, Past
from stream.canary import is_canary
from stream.parsed import Checked
from stream.profile_kernels import Events, Out


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
