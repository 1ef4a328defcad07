"""Writes users' rows and embeddings: absolute values, a script a batch, guarded by position."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from itertools import islice
from typing import Final, NamedTuple

from stream.redis import keys, scripts
from stream.redis.link import Call, Link
from stream.redis.rows import Vector, encode_embedding

#: RowBatch of a refill's script. It holds up everybody for about 1 ms; fewer cost round trips.
_BATCH: Final = 500


class Outcome(Enum):
    """What became of a batch."""

    WRITTEN = 1
    #: Its position was written before, by us or by another owner; nothing was changed.
    STALE = 0
    #: Redis does not hold what was written before: `refill` the partition.
    LOST = -1


class RowBatch(NamedTuple):
    """RowBatch of users of one partition, as they are at a position."""

    partition: int
    position: int
    rows: Sequence[tuple[str, bytes]]


class RedisRows:
    """The writer of rows (stage one) or of embeddings (the model stage) of a namespace.

    Positions are next positions: with `position` written, the row of every event below it is.
    A writer that took over a partition calls `begin`, and `refill` where that says False;
    it does the same when a write answers LOST, or `lost` names a partition. A call that raised
    StoreUnavailable may or may not have written; to repeat it is harmless.
    """

    def __init__(self, link: Link, namespace: str, partition_of: Callable[[str], int]) -> None:
        self._link = link
        self._namespace = namespace
        self._partition_of = partition_of
        #: Per partition of ours, the position Redis has told us it holds.
        self._reached: dict[int, int] = {}

    async def begin(self, partition: int, position: int) -> bool:
        """Own a partition whose state is at `position`; False: its rows must be refilled."""
        self._reached[partition] = position
        return not await self._behind([partition])

    def end(self, partition: int) -> None:
        """Own the partition no longer."""
        self._reached.pop(partition, None)

    async def lost(self) -> list[int]:
        """Partitions of ours that Redis lost; asked now and then, it finds the quiet ones."""
        return await self._behind(list(self._reached))

    async def _behind(self, partitions: Sequence[int]) -> list[int]:
        marks = await self._link.gather([keys.mark_key(self._namespace, p) for p in partitions])
        return [
            partition
            for partition, mark in zip(partitions, marks, strict=True)
            # Given up while we waited: no longer ours to refill.
            if partition in self._reached and (int(mark) if mark else -1) < self._reached[partition]
        ]

    async def write_rows(self, batches: Sequence[RowBatch]) -> list[Outcome]:
        """Write each partition's rows, then its mark, in one step a partition.

        All rows of a partition touched since its last call must be among them. Raises
        StoreUnavailable.
        """
        if not batches:
            return []
        answers = await self._link.run(*map(self._rows, batches))
        outcomes = [Outcome(code) for code, _ in answers]
        for (partition, position, _), outcome in zip(batches, outcomes, strict=True):
            if outcome is not Outcome.LOST and partition in self._reached:
                self._reached[partition] = max(self._reached[partition], position)
        return outcomes

    def _rows(self, batch: RowBatch) -> Call:
        partition, position, rows = batch
        named = [keys.row_key(self._namespace, partition, user_id) for user_id, _ in rows]
        mark, reached = keys.mark_key(self._namespace, partition), self._reached.get(partition, 0)
        values = [value for _, value in rows]
        return scripts.WRITE, [mark, *named], [position, reached, 1, *values]

    async def refill(
        self, partition: int, rows: Iterable[tuple[str, bytes]], position: int
    ) -> bool:
        """Write all rows of a partition; readers see it as not ready until all are there.

        Order: the mark is taken away, the rows are written in batches, the mark is set.
        False: Redis was emptied meanwhile; begin again with all rows. Raises StoreUnavailable.
        """
        who = secrets.token_hex(8)
        ends = (
            keys.mark_key(self._namespace, partition),
            keys.fill_key(self._namespace, partition),
        )
        [(begun, _)] = await self._link.run((scripts.BEGIN, ends, [position, who]))
        if begun:
            with self._link.mapped():
                await self._link.client.set(keys.epoch_key(self._namespace), who)
            batches = 0
            for batches, batch in enumerate(_batches(rows), 1):
                call = self._fill(partition, batch, [position, who, batches])
                if (await self._link.run(call))[0][0] < 0:
                    return False
            [(done, _)] = await self._link.run((scripts.FINISH, ends, [position, who, batches]))
            if done < 0:
                return False
        self._reached[partition] = position
        return True

    def _fill(
        self, partition: int, rows: Sequence[tuple[str, bytes]], head: Sequence[int | str]
    ) -> Call:
        named = [keys.row_key(self._namespace, partition, user_id) for user_id, _ in rows]
        fill = keys.fill_key(self._namespace, partition)
        return scripts.FILL, [fill, *named], [*head, *(value for _, value in rows)]

    async def write_embeddings(
        self, position: int, vectors: Sequence[tuple[str, Vector]]
    ) -> dict[int, Outcome]:
        """Write embeddings as of `position` of the examples, each partition's in one step.

        Never LOST: nobody keeps all embeddings, and a reader makes one from the row where it
        is missing. Raises StoreUnavailable.
        """
        parts: dict[int, list[tuple[str, Vector]]] = {}
        for user_id, vector in vectors:
            parts.setdefault(self._partition_of(user_id), []).append((user_id, vector))
        if not parts:
            return {}
        calls = [self._embeddings(p, position, part) for p, part in parts.items()]
        answers = await self._link.run(*calls)
        return {p: Outcome(code) for p, (code, _) in zip(parts, answers, strict=True)}

    def _embeddings(
        self, partition: int, position: int, vectors: Sequence[tuple[str, Vector]]
    ) -> Call:
        mark = keys.embedding_mark_key(self._namespace, partition)
        named = [keys.embedding_key(self._namespace, partition, user_id) for user_id, _ in vectors]
        values = [encode_embedding(position, vector) for _, vector in vectors]
        return scripts.EMBED, [mark, *named], [position, *values]


def _batches(rows: Iterable[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    left = iter(rows)
    while batch := list(islice(left, _BATCH)):
        yield batch
