"""What users cost in Redis, as its own `used_memory` has it; keys and overhead are in it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np

from models.examples import empty_past
from stream.kafka.envelopes import partition_of
from stream.profiles import UserRow
from stream.redis.link import Link
from stream.redis.rows import encode_row
from stream.redis.writer import RedisRows

USERS, PARTITIONS, LENGTH = 1_000_000, 12, 100
TYPES = ["view", "click", "like", "add_to_cart", "purchase", "rating", "comment"]

# Rows of a refill are brought by partition; a tenth of the users is enough for long ones.
_LONG_USERS = USERS // 10


def measure(url: str) -> dict[str, float]:
    """Bytes a user: `bare` rows of a million users, and rows with a `history` of 100 items."""
    return asyncio.run(_measure(url))


async def _measure(url: str) -> dict[str, float]:
    link = Link(url, 30.0)
    try:
        bare = await _bytes_a_user(link, "bare", USERS, _row(0))
        return {
            "bare": bare,
            "history": await _bytes_a_user(link, "long", _LONG_USERS, _row(LENGTH)),
        }
    finally:
        await link.client.aclose()


async def _bytes_a_user(link: Link, namespace: str, users: int, row: UserRow) -> float:
    writer = RedisRows(link, namespace, lambda user_id: partition_of(user_id, PARTITIONS))
    mine: list[list[str]] = [[] for _ in range(PARTITIONS)]
    for number in range(users):
        user_id = f"u{number:07d}"
        mine[partition_of(user_id, PARTITIONS)].append(user_id)
    raw = encode_row(1, row)
    before = await _used(link)
    for partition, user_ids in enumerate(mine):
        await writer.refill(partition, _rows(user_ids, raw), 1)
    return (await _used(link) - before) / users


def _rows(user_ids: list[str], raw: bytes) -> Iterator[tuple[str, bytes]]:
    return ((user_id, raw) for user_id in user_ids)


async def _used(link: Link) -> int:
    return int((await link.client.info("memory"))["used_memory"])


def _row(length: int) -> UserRow:
    past = empty_past()._replace(
        history_start=np.array([0, length]),
        history_key=np.arange(length, dtype=np.uint64) + np.uint64(2**60),
        history_time=1.7e9 + np.arange(length, dtype=np.float64),
        history_type=np.zeros(length, np.uint8),
        history_value=np.full(length, np.nan),
    )
    return UserRow(past, TYPES, dict.fromkeys(TYPES, 20), 1.7e9)
