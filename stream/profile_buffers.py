"""Room for what a batch of events emits, and copies of one user's past for readers."""

from __future__ import annotations

import numpy as np

from models.examples import HISTORY, Examples, Past
from stream.pool import LENGTH, START
from stream.profile_kernels import Out, Rows


def room_for(n: int, seen: int) -> Out:
    """Buffers for `n` events; each may copy out a whole seen set of `seen` entries."""
    seen *= n
    past = Past(
        np.zeros(n + 1, np.int64), np.empty(n * HISTORY, np.uint64), np.empty(n * HISTORY),
        np.empty(n * HISTORY, np.uint8), np.empty(n * HISTORY),
        np.zeros(n + 1, np.int64), np.empty(seen, np.uint64), np.empty(seen, np.uint16),
    )  # fmt: skip
    examples = Examples(
        np.empty(n, np.uint64), np.empty(n, np.uint64), np.empty(n, np.uint64),
        np.empty(n, np.uint8), np.empty(n), np.empty(n), np.empty(n, np.uint8),
        np.empty(n, np.uint16), past,
    )  # fmt: skip
    return Out(np.empty(n, np.uint8), np.full(n, -1, np.int64), examples, np.zeros(2, np.int64))


def past_of(r: Rows, row: int) -> Past:
    """A copy of all that is kept of the user in `row`, newest first."""
    start, length = int(r.history[row, START]), int(r.history[row, LENGTH])
    newest = slice(start, start + length)
    first, seen = int(r.seen[row, START]), int(r.seen[row, LENGTH])
    return Past(
        np.array([0, length]), r.history_key[newest][::-1].copy(),
        r.history_time[newest][::-1].copy(), r.history_type[newest][::-1].copy(),
        r.history_value[newest][::-1].astype(np.float64),
        np.array([0, seen]), r.seen_key[first : first + seen].copy(),
        r.seen_mask[first : first + seen].copy(),
    )  # fmt: skip
