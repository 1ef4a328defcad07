"""Stage one's tables of users, as kernels see them. No learning here."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Places of the extents in `Rows.used`.
USERS, HISTORIES, SEENS, RECENTS = range(4)


class Rows(NamedTuple):
    """Stage one's tables."""

    used: NDArray[np.int64]
    slots: NDArray[np.int32]
    key: NDArray[np.uint64]
    counts: NDArray[np.int32]  # [users, TYPES] events by type
    last: NDArray[np.float64]  # newest event time
    newest: NDArray[np.int64]  # number of the user's newest event
    minute: NDArray[np.int64]  # [users, 2] minute of receipt, events in it
    history: NDArray[np.int64]  # [users, 3] place in the pool
    seen: NDArray[np.int64]  # [users, 3]
    history_key: NDArray[np.uint64]
    history_time: NDArray[np.float64]
    history_value: NDArray[np.float32]
    history_hour: NDArray[np.int32]  # hour of receipt of the entry's newest event
    history_type: NDArray[np.uint8]
    history_count: NDArray[np.uint8]  # events of the pair in that hour
    history_free: NDArray[np.int64]
    seen_key: NDArray[np.uint64]
    seen_mask: NDArray[np.uint16]
    seen_free: NDArray[np.int64]
    number: NDArray[np.int64]  # [1] events and descriptions numbered so far
    second: NDArray[np.int64]  # [3] second of receipt, events in it, events in the one before
