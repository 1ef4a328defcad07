"""Checked records on their way into the tables: as many at once as the order of the log allows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from stream.parsed import CheckedList, Parsed

# Records that are applied at once: what events may emit is set aside before, and every event may
# copy out a whole seen set.
_MOST: Final = 1_000


class Waiting:
    """A lot that grows; `is_due` tells whether the nth list of it closes others.

    What is emitted of the events of a lot goes before what its lists close: with events, a lot
    ends at the first list that closes others.
    """

    def __init__(self, is_due: Callable[[int], bool]) -> None:
        self._is_due = is_due
        self._begin()

    def _begin(self) -> None:
        self._lot: list[Parsed] = []
        self._lists = 0
        self._closes = False

    def ends_before(self, told: Parsed) -> bool:
        """Whether the lot is to be applied before `told` may come into one."""
        if self._closes and (self._lists < len(self._lot) or not isinstance(told, CheckedList)):
            return True
        return len(self._lot) == _MOST

    def put(self, told: Parsed) -> None:
        self._lot.append(told)
        if isinstance(told, CheckedList):
            self._lists += 1
            self._closes = self._closes or self._is_due(self._lists)

    def taken(self) -> list[Parsed]:
        """The lot; the next one begins."""
        lot = self._lot
        self._begin()
        return lot
