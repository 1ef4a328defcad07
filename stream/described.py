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
from models.index import Slots, build, find, insert
from models.tables import Arena

EXTENT: Final = "described"


class Told(NamedTuple):
    """Attribute keys by user; row r has `length[r]` of them."""

    slots: Slots
    user: NDArray[np.uint64]
    length: NDArray[np.uint8]
    attribute: NDArray[np.uint64]  # [described, ATTRIBUTES]


def declare(arena: Arena) -> None:
    arena.add("described.user", np.uint64, EXTENT)
    arena.add("described.length", np.uint8, EXTENT)
    arena.add("described.attribute", np.uint64, EXTENT, ATTRIBUTES)


class Described:
    """Owner of those tables in an arena."""

    def __init__(self, arena: Arena, seed: bytes) -> None:
        self._arena = arena
        self._seed = seed
        self._attributes: dict[str, bytes] = {}
        self.refresh()

    def put(self, user_id: str, user: int, attributes: Mapping[str, Any]) -> None:
        """Keep a user's attributes; they replace what was told before. `user` is the id's key."""
        arena, key = self._arena, np.uint64(user)
        row = int(find(self.view.slots, self.view.user, key))
        if row < 0:
            row = arena.count(EXTENT)
            if arena.reserve(EXTENT, row + 1):
                self.refresh()
            arena["described.user"][row] = key
            insert(self.view.slots, key, row)
            arena.set_count(EXTENT, row + 1)
        keys = attribute_keys(attributes, self._seed)
        arena["described.attribute"][row] = keys + [0] * (ATTRIBUTES - len(keys))
        arena["described.length"][row] = len(keys)
        self._attributes[user_id] = msgspec.json.encode(attributes)

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
