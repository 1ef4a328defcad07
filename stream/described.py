"""What was told of users: their attributes as they came, and the keys that are learned from.

It stands apart from what users did: somebody may be described long before the first event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.attributes import ATTRIBUTES, attribute_keys
from models.index import Slots, build, find, fingerprint, insert
from models.tables import Arena
from stream import leaving
from stream.profile_rows import Rows

EXTENT: Final = "described"


class Told(NamedTuple):
    """Attribute keys by user; row r has `length[r]` of them."""

    slots: Slots
    user: NDArray[np.uint64]
    length: NDArray[np.uint8]
    attribute: NDArray[np.uint64]  # [described, ATTRIBUTES]


def declare(arena: Arena) -> None:
    arena.add("described.user", np.uint64, EXTENT)
    arena.add("described.number", np.int64, EXTENT)  # of the newest description
    arena.add("described.length", np.uint8, EXTENT)
    arena.add("described.attribute", np.uint64, EXTENT, ATTRIBUTES)


class Described:
    """Owner of those tables in an arena."""

    def __init__(self, arena: Arena, seed: bytes, most: int) -> None:
        self._arena = arena
        self._most = most
        self._seed = seed
        self._attributes: dict[str, bytes] = {}
        self.refresh()

    def put(self, user_id: str, user: int, attributes: Mapping[str, Any], rows: Rows) -> list[str]:
        """Keep a user's attributes; they replace what was told before. `user` is the id's key.

        Where there is no room, those leave of whom nothing was heard, or told, for longest;
        their ids are returned.
        """
        left: list[str] = []
        arena, key = self._arena, np.uint64(user)
        row = int(find(self.view.slots, self.view.user, key))
        if row < 0:
            if arena.count(EXTENT) >= self._most:
                left = self._make_room(rows)
            row = arena.count(EXTENT)
            if arena.reserve(EXTENT, row + 1):
                self.refresh()
            arena["described.user"][row] = key
            insert(self.view.slots, key, row)
            arena.set_count(EXTENT, row + 1)
        arena["described.number"][row] = rows.number[0]
        keys = attribute_keys(attributes, self._seed)
        arena["described.attribute"][row] = keys + [0] * (ATTRIBUTES - len(keys))
        arena["described.length"][row] = len(keys)
        self._attributes[user_id] = msgspec.json.encode(attributes)
        return left

    def _make_room(self, rows: Rows) -> list[str]:
        arena = self._arena
        keys = arena["described.user"][: arena.count(EXTENT)]
        active = leaving.activity_of(rows, keys)
        stay, _ = leaving.parted(np.maximum(active, arena["described.number"][: len(keys)]))
        kept = set(keys[stay].tolist())
        left = [u for u in self._attributes if fingerprint(u, self._seed) not in kept]
        for user_id in left:
            del self._attributes[user_id]
        arena.keep(EXTENT, stay)
        self.refresh()
        return left

    def attributes(self, user_id: str) -> dict[str, Any]:
        raw = self._attributes.get(user_id)
        return msgspec.json.decode(raw) if raw else {}

    def content(self) -> bytes:
        """All attributes in one order, for the digest."""
        return msgspec.json.encode(sorted(self._attributes.items()))

    def dump(self) -> bytes:
        return msgspec.json.encode(self._attributes)

    def load(self, data: bytes) -> None:
        """Take over a dump; the arena has its tables already."""
        self._attributes = msgspec.json.decode(data, type=dict[str, bytes])
        self.refresh()

    def refresh(self) -> None:
        a = self._arena
        a.reserve(EXTENT, 1)
        slots = build(a["described.user"], a.count(EXTENT), a.capacity(EXTENT))
        self.view = Told(
            slots, a["described.user"], a["described.length"], a["described.attribute"]
        )  # fmt: skip
