"""Users' pasts put together, for lists that are made for all of them at once, and apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.examples import Past, empty_past


def joined(pasts: Sequence[Past]) -> Past:
    """All rows of `pasts`, in order."""
    if not pasts:
        start = np.zeros(1, np.int64)
        return empty_past()._replace(history_start=start, seen_start=start, attribute_start=start)
    columns = [
        (_joined_starts if name.endswith("_start") else np.concatenate)(
            [getattr(past, name) for past in pasts]
        )
        for name in Past._fields
    ]
    return Past._make(columns)


def _joined_starts(starts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    lengths = np.concatenate([np.diff(start) for start in starts])
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]).astype(np.int64)


def row_of(past: Past, row: int) -> Past:
    """One row of `past`, as a past of its own."""
    starts = {name: getattr(past, name) for name in Past._fields if name.endswith("_start")}
    columns = []
    for name in Past._fields:
        start = starts[name.split("_")[0] + "_start"]
        begin, end = int(start[row]), int(start[row + 1])
        whole = getattr(past, name)
        columns.append(start[row : row + 2] - begin if name in starts else whole[begin:end])
    return Past._make(columns)
