"""What all baselines may know: users, items and who took what, of the events so far."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_FIRST_ROOM: Final = 1_024


def grown(array: NDArray[np.float32], rows: int) -> NDArray[np.float32]:
    """The array with room for at least so many rows; new ones are zero."""
    if rows <= array.shape[0]:
        return array
    room = max(rows, 2 * array.shape[0])
    more = np.zeros((room - array.shape[0], *array.shape[1:]), array.dtype)
    return np.concatenate([array, more])


class Ledger:
    """Rows of users and items in order of their first event, and every user's items.

    >>> ledger = Ledger()
    >>> ledger.take("ann", "tea"), ledger.take("ann", "tea")
    (True, False)
    >>> ledger.item("tea"), ledger.item("milk"), ledger.items
    (0, None, 1)
    """

    def __init__(self) -> None:
        self._item_rows: dict[str, int] = {}
        self._user_rows: dict[str, int] = {}
        self._taken: list[dict[int, None]] = []
        self._counts = np.zeros(_FIRST_ROOM, np.float32)
        self.events = 0

    @property
    def items(self) -> int:
        return len(self._item_rows)

    @property
    def users(self) -> int:
        return len(self._user_rows)

    @property
    def counts(self) -> NDArray[np.float32]:
        """Events of every item so far, float32[items]."""
        return self._counts[: self.items]

    def item(self, item_id: str) -> int | None:
        return self._item_rows.get(item_id)

    def user(self, user_id: str) -> int:
        """The user's row; somebody new gets the next one."""
        row = self._user_rows.setdefault(user_id, len(self._user_rows))
        if row == len(self._taken):
            self._taken.append({})
        return row

    def taken(self, user: int) -> list[int]:
        """The user's distinct items, the newest last."""
        return list(self._taken[user])

    def has(self, user: int, item: int) -> bool:
        return item in self._taken[user]

    def new_item(self, item_id: str) -> int:
        """The item's row; one never met gets the next."""
        row = self._item_rows.setdefault(item_id, len(self._item_rows))
        self._counts = grown(self._counts, row + 1)
        return row

    def take(self, user_id: str, item_id: str) -> bool:
        """Enter an event, after everybody has learned it; True for the first of its pair."""
        user, item = self.user(user_id), self.new_item(item_id)
        self.events += 1
        self._counts[item] += 1
        mine = self._taken[user]
        first = item not in mine
        mine.pop(item, None)
        mine[item] = None
        return first
