"""What the two stages write through: decides between a batch and a refill."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stream.errors import StoreUnavailable
from stream.profiles import UserRow
from stream.redis.rows import Vector, encode_row
from stream.redis.writer import Outcome, RedisRows


class StageStore:
    """`RowWriter` of the profiles worker and `EmbeddingWriter` of the model worker.

    After `lost` has said True, the next `write` of that partition must bring all its rows:
    it is a refill. `attributes` gives what is known of a user besides their events.
    """

    def __init__(
        self,
        writer: RedisRows,
        attributes: Callable[[int, str], dict[str, Any]] | None = None,
    ) -> None:
        self._writer = writer
        self._attributes = attributes
        self._refilling: set[int] = set()

    async def lost(self, partition: int, position: int) -> bool:
        """True when Redis does not hold all that was written up to `position`."""
        if await self._writer.begin(partition, position):
            self._refilling.discard(partition)
            return False
        self._refilling.add(partition)
        return True

    async def write(self, partition: int, position: int, rows: Mapping[str, UserRow]) -> None:
        """Write rows as they are at `position`. Raises StoreUnavailable, of kind `lost` when
        Redis was emptied: ask `lost`, and bring all rows."""
        encoded = (
            (user_id, encode_row(position, row, self._of(partition, user_id)))
            for user_id, row in rows.items()
        )
        if partition in self._refilling:
            written = await self._writer.refill(partition, encoded, position)
            if written:
                self._refilling.discard(partition)
        else:
            outcome = await self._writer.write_rows(partition, position, list(encoded))
            written = outcome is not Outcome.LOST
        if not written:
            raise StoreUnavailable(f"Redis lost what partition {partition} held", "lost")

    async def write_embeddings(self, position: int, vectors: Mapping[str, Vector]) -> None:
        """Write embeddings as of `position` of the examples. Raises StoreUnavailable."""
        await self._writer.write_embeddings(position, list(vectors.items()))

    def _of(self, partition: int, user_id: str) -> dict[str, Any] | None:
        return self._attributes(partition, user_id) if self._attributes else None
