"""Ids, catalogue records and facets of the items, by row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from numpy.typing import NDArray

from models.facets import Facets
from models.tables import Arena


class Catalogue:
    """What is known of items beside what is learned; one thread writes, any number read."""

    def __init__(self, arena: Arena, facets: Facets | None = None) -> None:
        self._ids = arena.add_blobs("items.id", "items")
        self._documents = arena.add_blobs("items.document", "items")
        self.facets = facets or Facets()
        # Items readers may list: the kernel counts a new one before it has its id here.
        self.named = len(self._ids)

    def add(self, item_id: str) -> None:
        """Take in the item of the next row; it may be listed from `name_all` on."""
        self._ids.append(item_id.encode())
        self._documents.append(b"")

    def name_new(self, new: NDArray[Any], keys: NDArray[Any], item_ids: Sequence[str]) -> None:
        """Name the rows of the keys `new`, which come next; ids stand beside `keys`."""
        rows = {int(key): row for row, key in enumerate(new, len(self._ids))}
        if not rows:
            return
        self._ids.extend([b""] * len(rows))
        self._documents.extend([b""] * len(rows))
        for key, item_id in zip(keys, item_ids, strict=True):
            row = rows.get(int(key))
            if row is not None:
                self._ids[row] = item_id.encode()
        self.name_all()

    def name_all(self) -> None:
        """Let readers list every row there is."""
        self.named = len(self._ids)

    def put(self, row: int, item: Mapping[str, Any]) -> None:
        """Replace what the catalogue says of a row; `deleted`: nothing."""
        self.facets.drop(row, self.document(row) or {})
        if item.get("deleted"):
            self._documents[row] = b""
        else:
            self._documents[row] = msgspec.json.encode(item)
            self.facets.put(row, item)

    def ids_of(self, rows: Iterable[int]) -> list[str]:
        ids = self._ids
        return [ids[row].decode() for row in rows]

    def described(self, rows: Iterable[int]) -> list[bytes]:
        """The catalogue's fields of rows as JSON, `item_id` among them whatever else is known."""
        documents = self._documents
        return [documents[row] or self._bare(row) for row in rows]

    def _bare(self, row: int) -> bytes:
        return msgspec.json.encode({"item_id": self._ids[row].decode()})

    def document(self, row: int) -> dict[str, Any] | None:
        """The catalogue's fields of a row, None where it was never put or was deleted."""
        raw = self._documents[row]
        return msgspec.json.decode(raw) if raw else None

    def refresh(self) -> None:
        """Derive facets again, after the arena was loaded."""
        self.name_all()
        for row in range(self.named):
            self.facets.put(row, self.document(row) or {})
