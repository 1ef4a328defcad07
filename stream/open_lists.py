"""Lists that were shown and what is taken of them, joined in either order of arrival.

Owned by stage one, a partition each. A list is closed by event time, or when too many follow it;
no timer and no batch border shows in when.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from models.impressions import PLACES, SERVED, Lists, Outcomes, no_lists
from models.index import fingerprint, insert
from models.tables import Arena
from stream.open_list_kernels import (
    EVERY,
    LOST,
    MOST_CLOSED,
    OPEN,
    SHOWN,
    TAKEN,
    Closings,
    Lot,
    Open,
    join,
)
from stream.parsed import CheckedList, Parsed

EXTENT: Final = "open"
_COLUMNS: Final = (
    ("key", np.uint64, ()), ("time", np.float64, ()), ("served", np.uint8, ()),
    ("filled", np.uint8, ()), ("length", np.int64, ()), ("item", np.uint64, (PLACES,)),
    ("place", np.uint8, (PLACES,)), ("propensity", np.float32, (PLACES,)),
    ("score", np.float32, (PLACES,)),
    ("taken", np.uint16, (PLACES,)),
)  # fmt: skip
# Keys of items kept at hand, some 10 MB when full: the same ones are shown again and again.
_KEYS: Final = 1 << 16
_NUMBER: Final = {name: number for number, name in enumerate(SERVED)}


def declare(arena: Arena) -> None:
    for name, dtype, width in _COLUMNS:
        arena.add(f"open.{name}", dtype, EXTENT, *width)
    arena.add("open.count", np.int64, 3)
    arena.add("open.clock", np.float64, 1)


class _Keys(dict[str, int]):
    """Keys by id. Full, it begins anew: to keep who was asked for last would cost every look."""

    def __init__(self, seed: bytes) -> None:
        super().__init__()
        self._seed = seed

    def __missing__(self, text: str) -> int:
        if len(self) >= _KEYS:
            self.clear()
        key = self[text] = fingerprint(text, self._seed)
        return key


class OpenLists:
    """Owner of those tables in an arena and of the index derived from them."""

    def __init__(self, arena: Arena, seed: bytes) -> None:
        self._arena = arena
        self._seed = seed
        self._keys = _Keys(seed)
        self._capacity = -1
        self._make_room(1)

    def join(
        self, lot: Sequence[Parsed], examples: Sequence[bool]
    ) -> tuple[Lists, list[tuple[int, Outcomes]]]:
        """Apply records in order; `examples` says of each event whether it gave an example.

        Answers the list each example was taken from, and what was closed: oldest first, with the
        place in the lot of the list it was closed with.
        """
        emitted = sum(examples)
        if not any(record.list_id for record in lot) and not self._arena["open.count"][0]:
            return no_lists(emitted), []
        self._make_room(len(lot))
        out = Lists(
            np.zeros(emitted + 1, np.int64), np.empty(emitted * PLACES, np.uint64),
            np.empty(emitted * PLACES, np.uint8), np.full(emitted, -1, np.int8),
        )  # fmt: skip
        closings = self._room(sum(isinstance(record, CheckedList) for record in lot))
        made = join(self._view, self._columns(lot, examples), out, closings)
        self._count()
        filled = int(out.start[emitted])
        lists = out._replace(key=out.key[:filled].copy(), place=out.place[:filled].copy())
        return lists, list(_parts(closings, made))

    def is_due(self, waiting: int) -> bool:
        """Whether lists are to be closed when `waiting` more have been joined."""
        return (int(self._arena["open.count"][2]) + waiting) % EVERY == 0

    def _room(self, lists: int) -> Closings:
        """For what is closed while so many lists come."""
        opened, closed, _ = self._arena["open.count"].tolist()
        times = lists // EVERY + 1
        most = min(times * MOST_CLOSED, opened - closed + lists)
        return Closings(
            np.empty(times, np.int64), np.empty(times, np.int64),
            Outcomes(
                np.zeros(most + 1, np.int64), np.empty(most, np.uint8),
                np.empty(most * PLACES, np.uint64), np.empty(most * PLACES, np.uint8),
                np.empty(most * PLACES, np.float32), np.empty(most * PLACES, np.float32),
                np.empty(most * PLACES, np.uint16),
            ),
        )  # fmt: skip

    def _columns(self, lot: Sequence[Parsed], examples: Sequence[bool]) -> Lot:
        gave, keys = iter(examples), self._keys
        shown = [r.impression.items if isinstance(r, CheckedList) else () for r in lot]
        start = np.zeros(len(lot) + 1, np.int64)
        np.cumsum([len(items) for items in shown], out=start[1:])
        items = [item for items in shown for item in items]
        return Lot(
            np.array([SHOWN if s else TAKEN if next(gave) else LOST for s in shown], np.uint8),
            np.array([self._list_key(r) for r in lot], np.uint64),
            np.array([r.time for r in lot], np.float64),
            np.array([r.type_number for r in lot], np.uint8),
            np.array([_rung(r) for r in lot], np.uint8),
            np.array([self._taken(r) for r in lot], np.uint64),
            start,
            np.array([keys[item.item_id] for item in items], np.uint64),
            np.array([item.place for item in items], np.int64),
            np.array([item.propensity for item in items], np.float64),
            # None becomes NaN.
            np.array([item.score for item in items], np.float64),
        )  # fmt: skip

    def _list_key(self, record: Parsed) -> int:
        return fingerprint(record.list_id, self._seed) if record.list_id else 0

    def _taken(self, record: Parsed) -> int:
        if isinstance(record, CheckedList) or not record.list_id:
            return 0
        return self._keys[record.event.item_id]

    # The tables.

    def _make_room(self, more: int) -> None:
        arena = self._arena
        opened = int(arena["open.count"][0])
        arena.reserve(EXTENT, min(opened + more, OPEN))
        if arena.capacity(EXTENT) != self._capacity:
            self.refresh()

    def _count(self) -> None:
        self._arena.set_count(EXTENT, min(int(self._arena["open.count"][0]), OPEN))

    def refresh(self) -> None:
        """Derive view and index again from the tables."""
        arena = self._arena
        self._capacity = arena.capacity(EXTENT)
        size = 16
        while size < 2 * (self._capacity + 1):
            size *= 2
        slots, keys = np.zeros(size, np.int32), arena["open.key"]
        opened, closed, _ = arena["open.count"].tolist()
        for number in range(closed, opened):
            insert(slots, keys[number % OPEN], number % OPEN)
        columns = [arena[f"open.{name}"] for name, _, _ in _COLUMNS]
        self._view = Open._make([slots, *columns, arena["open.count"], arena["open.clock"]])


def _rung(record: Parsed) -> int:
    if not isinstance(record, CheckedList):
        return 0
    return _NUMBER.get(record.impression.served_by, len(SERVED) - 1)


def _parts(closings: Closings, made: int) -> Iterator[tuple[int, Outcomes]]:
    """What each of `made` closings closed, as views, with its place in the lot."""
    o, first = closings.lists, 0
    for at, last in zip(closings.at[:made].tolist(), closings.stop[:made].tolist(), strict=True):
        start = o.start[first : last + 1] - o.start[first]
        of = slice(int(o.start[first]), int(o.start[last]))
        yield (
            at,
            Outcomes(
                start, o.served[first:last], o.key[of], o.place[of], o.propensity[of],
                o.score[of], o.taken[of],
            ),
        )  # fmt: skip
        first = last
