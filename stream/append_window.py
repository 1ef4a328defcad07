"""The appender's own dedup window: tells at once, and exactly, which events are repeats.

It sees the same keys in the same order as stage one's, so the two always agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from models.tables import Arena, Array
from stream import recent
from stream.records import NewRecord


class AppendWindow:
    """Counts duplicates among what is appended; called in log order by one thread."""

    def __init__(self, window: int) -> None:
        self._arena = Arena(recent.EXTENT)
        recent.declare(self._arena)
        self._window = recent.Window(self._arena, window)

    def start_from(self, keys: Array, count: Array) -> None:
        """Take over the window of a profiles snapshot (its tables `recent.*`)."""
        used = np.array([keys.shape[0]], np.int64)
        self._arena.load({"used": used, "recent.keys": keys, "recent.count": count})
        self._window.refresh()

    def observe(self, records: Sequence[NewRecord]) -> list[int]:
        """Add the records' identities; return the indices of those that were there already."""
        named = [(at, r.identity) for at, r in enumerate(records) if r.identity is not None]
        if not named:
            return []
        repeats = self.repeats(identity for _, identity in named)
        return [named[at][0] for at in repeats]

    def add(self, identities: Iterable[int]) -> int:
        """Add identities; return how many were there already."""
        return len(self.repeats(identities))

    def repeats(self, identities: Iterable[int]) -> list[int]:
        """Add identities; return the indices of those that were there already."""
        keys = np.fromiter(identities, np.uint64)
        fresh = np.zeros(len(keys), np.uint8)
        recent.add_all(self._window.view(len(keys)), keys, self._arena.used, fresh)
        return [] if fresh.all() else np.flatnonzero(fresh == 0).tolist()
