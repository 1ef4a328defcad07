"""Reads a user's row and embedding for one request, and waits for a partition's mark."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from stream.errors import StoreUnavailable
from stream.profiles import UserRow
from stream.redis import keys
from stream.redis.link import Link
from stream.redis.rows import StoredRow, Vector, decode_embedding, decode_row
from stream.redis.waiting import Waiting


@dataclass(frozen=True)
class StoredUser:
    """All that Redis holds of a user, of one moment. `mark` is None while rows are refilled."""

    stored: StoredRow | None
    embedding: tuple[int, Vector] | None
    mark: int | None


class RedisReader:
    """What the API asks. Every method raises StoreUnavailable when Redis does not answer in time.

    A user without a row in a partition that is being filled is not known to be unknown:
    that raises StoreUnavailable too.
    """

    def __init__(self, link: Link, namespace: str, partition_of: Callable[[str], int]) -> None:
        self._link = link
        self._namespace = namespace
        self._partition_of = partition_of
        self._waiting = Waiting(self._marks)

    async def user(self, user_id: str) -> StoredUser:
        """Row, embedding and mark in one round trip."""
        partition = self._partition_of(user_id)
        row, embedding, mark = await self._link.get(
            keys.row_key(self._namespace, partition, user_id),
            keys.embedding_key(self._namespace, partition, user_id),
            keys.mark_key(self._namespace, partition),
        )
        if row is None and mark is None:
            raise StoreUnavailable(f"rows of partition {partition} are being filled", "filling")
        return StoredUser(
            decode_row(row) if row is not None else None,
            decode_embedding(embedding) if embedding is not None else None,
            _number(mark),
        )

    async def row(self, user_id: str) -> UserRow | None:
        """The user's row; None for somebody who has no event yet."""
        stored = (await self.user(user_id)).stored
        return stored.row if stored is not None else None

    async def embedding(self, user_id: str) -> tuple[int, Vector] | None:
        """The position of the examples it was made at, and the vector; None: there is none."""
        key = keys.embedding_key(self._namespace, self._partition_of(user_id), user_id)
        [raw] = await self._link.get(key)
        return decode_embedding(raw) if raw is not None else None

    async def mark(self, partition: int) -> int | None:
        """The next position of a partition; None: its rows are not all there."""
        return (await self._marks([partition]))[0]

    async def wait(self, partition: int, position: int, timeout_s: float) -> bool:
        """True once all rows below `position` are written; False when the time was up first."""
        if timeout_s > 0:
            return await self._waiting.wait(partition, position, timeout_s)
        mark = await self.mark(partition)
        return mark is not None and mark >= position

    async def epoch(self) -> str | None:
        """Changes with every refill."""
        [raw] = await self._link.get(keys.epoch_key(self._namespace))
        return raw.decode() if raw is not None else None

    async def trending(self) -> list[dict[str, Any]]:
        """The list as it was published about a second ago; empty where none was."""
        [raw] = await self._link.get(keys.trending_key(self._namespace))
        items: list[dict[str, Any]] = msgspec.json.decode(raw)["items"] if raw else []
        return items

    async def _marks(self, partitions: list[int]) -> list[int | None]:
        found = await self._link.gather([keys.mark_key(self._namespace, p) for p in partitions])
        return [_number(raw) for raw in found]


def _number(raw: bytes | None) -> int | None:
    try:
        return int(raw) if raw is not None else None
    except ValueError:
        raise StoreUnavailable("a mark is no number", "corrupt") from None
