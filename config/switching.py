"""Whether a namespace may be served, and having it served."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from kafka import TopicPartition

from config.cluster import Parts, beside
from config.namespaces import names_of
from config.redis_link import redis_link
from config.settings import Settings
from stream.cluster.model_worker import MODEL
from stream.errors import StreamError
from stream.kafka.manifests import consumer_of
from stream.kafka.positions import offset_of
from stream.redis.notices import Notices
from stream.redis.reader import RedisReader

# A running model worker's newest snapshot is up to one interval old, and one more while it is
# written; API processes learn the rest of the examples before they change over.
_INTERVALS: Final = 2


@dataclass(frozen=True)
class Behind:
    """How far a namespace is from its log: records of `events`, and of `examples` to learn."""

    rows: dict[int, int | None]
    examples: int
    snapshot: int | None

    def faults(self, most: int, most_examples: int) -> list[str]:
        """Why it should not be served yet."""
        unfilled = [number for number, behind in self.rows.items() if behind is None]
        late = sum(behind or 0 for behind in self.rows.values())
        left = self.examples - (self.snapshot or 0)
        found = []
        if unfilled:
            found.append(f"rows of partitions {unfilled} are not written: does its worker run?")
        if late > most:
            found.append(f"its rows are {late} records behind the events (at most {most})")
        if left > most_examples:
            found.append(
                f"its newest model snapshot is {left} examples old (at most {most_examples})"
            )
        return found


def switch(settings: Settings, namespace: str, most: int) -> None:
    """Have API processes serve `namespace` from now on.

    Raises StreamError where it does not exist or is more than `most` records behind.
    """
    home = Parts(settings, names_of(settings))
    there = beside(home, namespace)
    asyncio.run(_switch(there, most))


def served(settings: Settings) -> str:
    """The namespace that API processes of this log serve. Raises StreamError."""
    return asyncio.run(_served(Parts(settings, names_of(settings))))


async def _served(parts: Parts) -> str:
    notices = parts.notices(parts.settings.redis.worker_timeout_s)
    try:
        return (await notices.read(parts.topics.namespace)).served or parts.topics.log
    finally:
        await notices.close()


async def _switch(parts: Parts, most: int) -> None:
    s, namespace = parts.settings, parts.topics.namespace
    link = redis_link(s.redis, s.redis.worker_timeout_s)
    try:
        behind = await _behind(parts, RedisReader(link, namespace, parts.partition_of()))
        faults = behind.faults(most, most + _INTERVALS * s.snapshots.every_records)
        if faults:
            raise StreamError(f"{namespace} is not served: {'; '.join(faults)}")
        await Notices(link, parts.topics.log).serve(namespace)
    finally:
        await link.close()


async def _behind(parts: Parts, reader: RedisReader) -> Behind:
    partitions = range(parts.manifest.partitions)
    ends = _ends(parts)
    marks = [await reader.mark(number) for number in partitions]
    rows = {
        number: None if mark is None else max(ends[number] - offset_of(mark), 0)
        for number, mark in zip(partitions, marks, strict=True)
    }
    names = parts.stored_snapshots(read_only=True).names(MODEL)
    return Behind(rows, ends[-1], names[0].position if names else None)


def _ends(parts: Parts) -> list[int]:
    """The end of every partition of `events`, and last that of `examples`."""
    tps = [TopicPartition(parts.topics.events, n) for n in range(parts.manifest.partitions)]
    tps.append(TopicPartition(parts.topics.examples, 0))
    with consumer_of(parts.kafka) as consumer:
        ends = consumer.end_offsets(tps)
    return [ends[tp] for tp in tps]
