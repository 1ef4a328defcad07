"""Users whose embedding has moved and is not written yet, each with their newest history."""

from __future__ import annotations

from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.examples import HISTORY
from stream.examples import ExampleBatch

#: Users kept at most, some 1 KB each; beyond, the longest waiting are given up, for a reader
#: makes an embedding from the row.
MOST: Final = 10_000

#: Keys of items (uint64), newest first.
History = NDArray[np.uint64]


class Touched:
    """Waiting users, the longest waiting first; one that is touched again keeps its place."""

    def __init__(self) -> None:
        self._waiting: dict[str, History] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def note(self, batch: ExampleBatch) -> None:
        """Take what the batch's newest example of every user says of them; keys are copied."""
        for user_id, at in {user_id: at for at, user_id in enumerate(batch.user_ids)}.items():
            self._waiting[user_id] = history_after(batch, at)

    def take(self, count: int) -> dict[str, History]:
        """Remove and return up to `count` users."""
        taken = dict(islice(self._waiting.items(), count))
        for user_id in taken:
            del self._waiting[user_id]
        return taken

    def put_back(self, taken: dict[str, History]) -> None:
        """Let users wait again, before all others, unless there is newer of them."""
        self._waiting = {**taken, **self._waiting}
        self.take(len(self._waiting) - MOST if len(self._waiting) > MOST else 0)

    def clear(self) -> None:
        self._waiting.clear()


def history_after(batch: ExampleBatch, at: int) -> History:
    """The history of example `at`, with its own item as the newest entry."""
    past, own = batch.examples.past, batch.examples.item_key[at]
    older = past.history_key[past.history_start[at] : past.history_start[at + 1]]
    others = older[older != own]
    keys = np.empty(len(others) + 1, np.uint64)
    keys[0], keys[1:] = own, others
    return keys[:HISTORY]
