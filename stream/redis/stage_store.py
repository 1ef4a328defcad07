"""What the two stages write through, in the words of the cluster's workers."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from stream.errors import StoreUnavailable
from stream.profiles import Profiles
from stream.redis.rows import Vector, encode_row, rows_of
from stream.redis.writer import Outcome, RedisRows


class StageStore:
    """`RowWriter` of the profiles worker and `EmbeddingWriter` of the model worker."""

    def __init__(self, writer: RedisRows) -> None:
        self._writer = writer

    async def lost(self, partition: int, position: int) -> bool:
        """True when Redis does not hold all that was written up to `position`."""
        return not await self._writer.begin(partition, position)

    async def answers(self) -> bool:
        """True when Redis can be reached."""
        try:
            await self._writer.lost()
        except StoreUnavailable:
            return False
        return True

    def release(self, partition: int) -> None:
        """Own the partition no longer."""
        self._writer.end(partition)

    async def write(self, profiles: Profiles, position: int, user_ids: Collection[str]) -> bool:
        """Write these users' rows as they are at `position`, then the mark.

        False: Redis was emptied, and all rows must be brought. Raises StoreUnavailable.
        """
        rows = [
            (user_id, encode_row(position, profiles.row(user_id), profiles.attributes(user_id)))
            for user_id in user_ids
        ]
        outcome = await self._writer.write_rows(profiles.partition, position, rows)
        return outcome is not Outcome.LOST

    async def refill(self, profiles: Profiles, position: int) -> None:
        """Write all rows of a partition. Raises StoreUnavailable."""
        if not await self._writer.refill(profiles.partition, rows_of(profiles, position), position):
            raise StoreUnavailable("Redis was emptied while it was being filled", "lost")

    async def write_embeddings(self, position: int, vectors: Mapping[str, Vector]) -> None:
        """Write embeddings as of `position` of the examples. Raises StoreUnavailable."""
        await self._writer.write_embeddings(position, list(vectors.items()))
