"""A popularity list on the side: what everybody would have been shown without a recommender."""

from __future__ import annotations

from typing import Final

import numpy as np

#: The item was in no list: never met, or one the user already has.
MISS: Final = -1


class Bestsellers:
    """All items met so far by count of events, less the user's own; ties by first appearance.

    With `repeats` a user's own items stay candidates.
    """

    def __init__(self, repeats: bool = False) -> None:
        self._repeats = repeats
        self._rows: dict[str, int] = {}
        self._counts = np.zeros(1024, np.int64)
        self._own: dict[str, set[int]] = {}

    def met(self, user_id: str, item_id: str) -> bool:
        """Whether this user has already had an event on this item."""
        return self._rows.get(item_id, MISS) in self._own.get(user_id, ())

    def place(self, user_id: str, item_id: str) -> int:
        """Where the item stands in the user's list (0 is the top), MISS where it is in none."""
        row = self._rows.get(item_id)
        if row is None:
            return MISS
        own = () if self._repeats else self._own.get(user_id, ())
        if row in own:
            return MISS
        counts = self._counts[: len(self._rows)]
        mine = counts[row]
        above = int((counts > mine).sum()) + int((counts[:row] == mine).sum())
        return above - sum(
            1 for other in own if counts[other] > mine or (counts[other] == mine and other < row)
        )

    def learn(self, user_id: str, item_id: str) -> None:
        row = self._rows.setdefault(item_id, len(self._rows))
        if row == len(self._counts):
            self._counts = np.concatenate([self._counts, np.zeros_like(self._counts)])
        self._counts[row] += 1
        self._own.setdefault(user_id, set()).add(row)
