"""Lists that were shown and what is taken of them, joined in either order of arrival.

Owned by stage one, a partition each. A list is closed by event time, or when too many follow it;
no timer and no batch border shows in when.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
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
    Lot,
    Open,
    close,
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
# Keys of items kept at hand: the same ones are shown again and again. Some 10 MB when full.
_KEYS: Final = 1 << 16
_NUMBER: Final = {name: number for number, name in enumerate(SERVED)}


def declare(arena: Arena) -> None:
    for name, dtype, width in _COLUMNS:
        arena.add(f"open.{name}", dtype, EXTENT, *width)
    arena.add("open.count", np.int64, 3)
    arena.add("open.clock", np.float64, 1)


class OpenLists:
    """Owner of those tables in an arena and of the index derived from them."""

    def __init__(self, arena: Arena, seed: bytes) -> None:
        self._arena = arena
        self._seed = seed
        self._key_of = lru_cache(_KEYS)(lambda text: fingerprint(text, seed))
        self._capacity = -1
        self._make_room(1)

    def join(self, lot: Sequence[Parsed], examples: Sequence[bool]) -> Lists:
        """Apply records in order; `examples` says of each event whether it gave an example.

        Answers the list each example was taken from.
        """
        emitted = sum(examples)
        if not any(record.list_id for record in lot) and not self._arena["open.count"][0]:
            return no_lists(emitted)
        self._make_room(len(lot))
        most = emitted * PLACES
        out = Lists(
            np.zeros(emitted + 1, np.int64), np.empty(most, np.uint64), np.empty(most, np.uint8),
            np.full(emitted, -1, np.int8),
        )  # fmt: skip
        join(self._view, self._columns(lot, examples), out)
        self._count()
        filled = int(out.start[emitted])
        return out._replace(key=out.key[:filled].copy(), place=out.place[:filled].copy())

    def is_due(self, waiting: int) -> bool:
        """Whether lists are to be closed when `waiting` more have been joined."""
        return (int(self._arena["open.count"][2]) + waiting) % EVERY == 0

    def close(self) -> Outcomes | None:
        """Close what is due, oldest first; None where that is nothing."""
        most = MOST_CLOSED * PLACES
        out = Outcomes(
            np.zeros(MOST_CLOSED + 1, np.int64), np.empty(MOST_CLOSED, np.uint8),
            np.empty(most, np.uint64), np.empty(most, np.uint8), np.empty(most, np.float32),
            np.empty(most, np.float32), np.empty(most, np.uint16),
        )  # fmt: skip
        lists = close(self._view, out)
        if lists == 0:
            return None
        filled = int(out.start[lists])
        return Outcomes(
            out.start[: lists + 1].copy(), out.served[:lists].copy(), out.key[:filled].copy(),
            out.place[:filled].copy(), out.propensity[:filled].copy(), out.score[:filled].copy(),
            out.taken[:filled].copy(),
        )  # fmt: skip

    def _columns(self, lot: Sequence[Parsed], examples: Sequence[bool]) -> Lot:
        n, gave = len(lot), iter(examples)
        kinds, starts = np.empty(n, np.uint8), np.zeros(n + 1, np.int64)
        items: list[tuple[int, int, float, float]] = []
        for at, record in enumerate(lot):
            if isinstance(record, CheckedList):
                kinds[at] = SHOWN
                items.extend(self._shown(record))
            else:
                kinds[at] = TAKEN if next(gave) else LOST
                if record.list_id:
                    items.append((self._key_of(record.event.item_id), 0, 1.0, 0.0))
            starts[at + 1] = len(items)
        lists = (r.list_id for r in lot)
        return Lot(
            kinds,
            np.array([fingerprint(i, self._seed) if i else 0 for i in lists], np.uint64),
            np.array([r.time for r in lot], np.float64),
            np.array([r.type_number for r in lot], np.uint8),
            np.array([_rung(r) for r in lot], np.uint8),
            starts,
            np.array([item[0] for item in items], np.uint64),
            np.array([item[1] for item in items], np.uint8),
            np.array([item[2] for item in items], np.float32),
            np.array([item[3] for item in items], np.float32),
        )  # fmt: skip

    def _shown(self, record: CheckedList) -> list[tuple[int, int, float, float]]:
        return [
            (
                self._key_of(shown.item_id),
                shown.place,
                shown.propensity,
                np.nan if shown.score is None else shown.score,
            )
            for shown in record.impression.items
            if shown.place < PLACES
        ]

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
