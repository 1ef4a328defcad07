"""Users whose embedding has moved and is not written yet, each with the past that is theirs now."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.answers import Asked
from models.examples import HISTORY, empty_past
from stream.examples import ExampleBatch

#: Users kept at most, some 4 KB each; beyond, the longest waiting are given up, for a reader
#: makes an embedding from the row.
MOST: Final = 10_000

_Columns = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class _Newest:
    """A user's newest example: the history before it, and its own entry."""

    types: list[str]
    older: _Columns
    own: tuple[Any, Any, Any, Any]

    def asked(self) -> Asked:
        """The past with the example's own event as the newest entry."""
        kept = self.older[0] != self.own[0]
        keys, times, types, values = (
            np.concatenate([np.array([own], column.dtype), column[kept]])[:HISTORY]
            for own, column in zip(self.own, self.older, strict=True)
        )
        past = empty_past()._replace(  # an embedding is a function of the history alone
            history_start=np.array([0, len(keys)], np.int64), history_key=keys,
            history_time=times, history_type=types, history_value=values,
        )  # fmt: skip
        return Asked(past, self.types)


class Touched:
    """Waiting users, the longest waiting first; one that is touched again keeps its place."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Newest] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def note(self, batch: ExampleBatch) -> None:
        """Take what the batch's newest example of every user says of them; arrays are copied."""
        for user_id, at in {user_id: at for at, user_id in enumerate(batch.user_ids)}.items():
            self._waiting[user_id] = _newest(batch, at)

    def take(self, count: int) -> dict[str, _Newest]:
        """Remove and return up to `count` users."""
        taken = dict(islice(self._waiting.items(), count))
        for user_id in taken:
            del self._waiting[user_id]
        return taken

    def put_back(self, taken: dict[str, _Newest]) -> None:
        """Let users wait again, before all others, unless there is newer of them."""
        self._waiting = {**taken, **self._waiting}
        self.take(len(self._waiting) - MOST if len(self._waiting) > MOST else 0)

    def clear(self) -> None:
        self._waiting.clear()


def asked_after(batch: ExampleBatch, at: int) -> Asked:
    """The past of example `at`, with its own event as the newest entry."""
    return _newest(batch, at).asked()


def _newest(batch: ExampleBatch, at: int) -> _Newest:
    e, p = batch.examples, batch.examples.past
    entries = slice(p.history_start[at], p.history_start[at + 1])
    older = (
        p.history_key[entries].copy(), p.history_time[entries].copy(),
        p.history_type[entries].copy(), p.history_value[entries].copy(),
    )  # fmt: skip
    return _Newest(batch.types, older, (e.item_key[at], e.time[at], e.type[at], e.value[at]))
