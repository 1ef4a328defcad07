"""What `freshet store check` looks at, and how `freshet store rebuild` asks for a refill."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from stream.errors import StoreUnavailable
from stream.redis import keys
from stream.redis.link import Link
from stream.redis.rows import decode_embedding, decode_row

#: Keys a SCAN step looks at.
_STEP: Final = 2_000


@dataclass
class PartitionReport:
    """What Redis holds of a partition, and what is wrong with it."""

    partition: int
    mark: int | None = None
    embedding_mark: int | None = None
    users: int = 0
    embeddings: int = 0
    refilling: int = 0
    sampled: int = 0
    problems: list[str] = field(default_factory=list)

    def problem(self, text: str) -> None:
        """Note it; one of a kind is enough."""
        if text not in self.problems:
            self.problems.append(text)


class _Drawn:
    """An even sample of names that pass by (reservoir sampling, Vitter's R), and their number."""

    def __init__(self, size: int) -> None:
        self.count = 0
        self.names: list[str] = []
        self._size = size
        self._dice = random.Random(0)

    def see(self, name: str) -> None:
        self.count += 1
        if len(self.names) < self._size:
            self.names.append(name)
        elif (place := self._dice.randrange(self.count)) < self._size:
            self.names[place] = name


class StoreCheck:
    """Looks at a namespace. Reads only, apart from `rebuild`. Raises StoreUnavailable."""

    def __init__(
        self, link: Link, namespace: str, partition_of: Callable[[str], int] | None = None
    ) -> None:
        self._link = link
        self._namespace = namespace
        self._partition_of = partition_of

    async def look(self, partitions: int, samples: int) -> list[PartitionReport]:
        """Count the keys of all partitions, and read `samples` rows and embeddings of each."""
        rows, vectors = await self._drawn(partitions, samples)
        return [
            await self._look_at(PartitionReport(p), rows[p], vectors[p]) for p in range(partitions)
        ]

    async def _drawn(self, partitions: int, samples: int) -> tuple[list[_Drawn], list[_Drawn]]:
        rows = [_Drawn(samples) for _ in range(partitions)]
        vectors = [_Drawn(samples) for _ in range(partitions)]
        drawn = {keys.row_prefix(self._namespace, p): rows[p] for p in range(partitions)}
        drawn |= {keys.embedding_prefix(self._namespace, p): vectors[p] for p in range(partitions)}
        with self._link.mapped():
            found = self._link.client.scan_iter(f"{{{self._namespace}:*", _STEP)
            async for raw in found:
                name = raw.decode()
                # `{namespace:partition}:u:` and no further: a user's id may hold colons.
                holder = drawn.get(name[: name.find("}:") + 4])
                if holder is not None:
                    holder.see(name)
        return rows, vectors

    async def _look_at(
        self, report: PartitionReport, rows: _Drawn, vectors: _Drawn
    ) -> PartitionReport:
        report.users, report.embeddings = rows.count, vectors.count
        for name, raw in zip(rows.names, await self._link.gather(rows.names), strict=True):
            self._look_at_row(report, name, raw)
        held = [raw for raw in await self._link.gather(vectors.names) if raw is not None]
        dims = {self._dims(report, raw) for raw in held} - {0}
        if len(dims) > 1:
            report.problem(f"embeddings of different lengths: {sorted(dims)}")
        report.sampled = len(rows.names) + len(vectors.names)
        await self._marks(report)
        return report

    async def _marks(self, report: PartitionReport) -> None:
        # After the rows: a live writer moves row and mark together.
        newest = report.mark or 0
        mark, embedded = await self._link.get(
            keys.mark_key(self._namespace, report.partition),
            keys.embedding_mark_key(self._namespace, report.partition),
        )
        report.mark = int(mark) if mark else None
        report.embedding_mark = int(embedded) if embedded else None
        fill = keys.fill_key(self._namespace, report.partition)
        with self._link.mapped():
            report.refilling = await self._link.client.hlen(fill)
        if report.mark is None:
            report.problem("no mark: no worker has filled it, or one is filling it now")
        elif newest > report.mark:
            report.problem("a row is newer than the mark")

    def _look_at_row(self, report: PartitionReport, name: str, raw: bytes | None) -> None:
        if raw is None:
            return
        try:
            stored = decode_row(raw)
        except StoreUnavailable as error:
            report.problem(str(error))
            return
        # Until the marks are read, `mark` holds the newest position a row was seen with.
        report.mark = max(report.mark or 0, stored.position)
        if self._partition_of is None:
            return
        prefix = len(keys.row_prefix(self._namespace, report.partition))
        if self._partition_of(name[prefix:]) != report.partition:
            report.problem("a user's row is in another partition than the user")

    def _dims(self, report: PartitionReport, raw: bytes) -> int:
        try:
            _, vector = decode_embedding(raw)
        except StoreUnavailable as error:
            report.problem(str(error))
            return 0
        if not np.isfinite(vector).all():
            report.problem("an embedding is not finite")
        return len(vector)

    async def rebuild(self, partitions: Sequence[int]) -> int:
        """Take the marks away: every worker finds its partitions lost and writes all rows anew.

        Answers how many marks there were. Until a worker has refilled it, a partition is not
        ready; without a worker, it is refilled when the next one starts.
        """
        removed = 0
        with self._link.mapped():
            for partition in partitions:
                removed += await self._link.client.delete(keys.mark_key(self._namespace, partition))
        return removed
