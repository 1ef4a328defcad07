"""What the two stages write through, in the words of the cluster's workers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from stream.errors import StoreUnavailable
from stream.ports import Changed
from stream.profiles import Profiles
from stream.redis.rows import Vector, encode_row, rows_of
from stream.redis.writer import Outcome, RedisRows, RowBatch


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

    async def write(self, changed: Sequence[Changed]) -> list[Changed]:
        """Write users' rows, then their partitions' marks, in one round trip.

        Returns those whose partition Redis has lost: all its rows must be brought. Raises
        StoreUnavailable.
        """
        batches = [RowBatch(p.partition, at, _encoded(p, at, users)) for p, at, users in changed]
        outcomes = await self._writer.write_rows(batches)
        return [
            each for each, outcome in zip(changed, outcomes, strict=True) if outcome is Outcome.LOST
        ]

    async def refill(self, profiles: Profiles, position: int) -> None:
        """Write all rows of a partition. Raises StoreUnavailable."""
        if not await self._writer.refill(profiles.partition, rows_of(profiles, position), position):
            raise StoreUnavailable("Redis was emptied while it was being filled", "lost")

    async def write_embeddings(self, position: int, vectors: Mapping[str, Vector]) -> None:
        """Write embeddings as of `position` of the examples. Raises StoreUnavailable."""
        await self._writer.write_embeddings(position, list(vectors.items()))


def _encoded(
    profiles: Profiles, position: int, user_ids: Collection[str]
) -> list[tuple[str, bytes]]:
    return [(user_id, _bytes_of(profiles, position, user_id)) for user_id in user_ids]


def _bytes_of(profiles: Profiles, position: int, user_id: str) -> bytes:
    """A user's row; nothing for one who left."""
    row, attributes = profiles.row(user_id), profiles.attributes(user_id)
    return encode_row(position, row, attributes) if row or attributes else b""
