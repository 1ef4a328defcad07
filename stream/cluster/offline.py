"""The cluster's state without its workers: for `freshet state` and `freshet rebuild`.

Profiles are read from `events` and `control`, the model from `examples`; nothing is written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from kafka import KafkaConsumer
from kafka.structs import TopicPartition

from models.model import Model
from models.settings import LearningSettings
from stream.cluster.model_worker import Learning
from stream.cluster.partition import Partition, log_records, route
from stream.cluster.profiles_worker import load_partition
from stream.kafka.names import Topics
from stream.kafka.security import Link
from stream.manifest import Manifest
from stream.ports import SnapshotStore
from stream.profiles import COUNTS
from stream.source import TP, SourceRecord

_POLL_MS: Final = 1_000
# A broker that is starting takes some seconds; with less than the least, one that is well and far
# away is never reached.
_PATIENCE_S: Final = 30.0
_LEAST_S: Final = 1.0

Progress = Callable[[int], None]


class TopicReader:
    """Reads a partition from an offset to the end it has when asked."""

    def __init__(self, link: Link, patience_s: float = _PATIENCE_S) -> None:
        """Raises a KafkaError where no broker answers within the patience."""
        self._consumer = KafkaConsumer(
            group_id=None, enable_auto_commit=False,
            bootstrap_timeout_ms=int(max(patience_s, _LEAST_S) * 1_000), **link.options(),
        )  # fmt: skip

    def read(self, tp: TP, start: int | None) -> Iterator[SourceRecord]:
        """Yield the records of [start, end); None for the beginning of the log."""
        partition = TopicPartition(tp.topic, tp.partition)
        self._consumer.assign([partition])
        end = self._consumer.end_offsets([partition])[partition]
        if start is None:
            self._consumer.seek_to_beginning(partition)
        else:
            self._consumer.seek(partition, start)
        while self._consumer.position(partition) < end:
            for record in self._consumer.poll(_POLL_MS).get(partition, ()):
                if record.offset >= end:
                    return
                yield SourceRecord(
                    tp, record.offset, record.timestamp, record.key, record.value,
                    tuple(record.headers or ()),
                )  # fmt: skip

    def partitions(self, topic: str) -> set[int]:
        """The topic's partitions, none where it does not exist."""
        return set(self._consumer.partitions_for_topic(topic) or ())

    def beginning(self, tp: TP) -> int:
        """The first offset the partition holds."""
        partition = TopicPartition(tp.topic, tp.partition)
        return int(self._consumer.beginning_offsets([partition])[partition])

    def close(self) -> None:
        self._consumer.close()


class Offline:
    """Both stages of a namespace, brought to the end of its topics."""

    def __init__(self, manifest: Manifest, learning: LearningSettings, topics: Topics) -> None:
        self._manifest = manifest
        self._topics = topics
        self.partitions: list[Partition] = []
        self.learning = Learning(Model(learning, manifest.seed))

    def read(
        self, reader: TopicReader, snapshots: SnapshotStore | None, progress: Progress
    ) -> None:
        """Read to the end: from the snapshots where a store is given, else from the start."""
        tps = [TP(self._topics.events, n) for n in range(self._manifest.partitions)]
        for tp in [*tps, TP(self._topics.control, 0)]:
            partition = load_partition(tp, self._manifest, self._topics, snapshots)
            for record in reader.read(tp, partition.next):
                self._step(partition, record)
                progress(1)
            self.partitions.append(partition)
        if snapshots is not None:
            self.learning.restore(snapshots)
        for record in reader.read(TP(self._topics.examples, 0), self.learning.next):
            self.learning.apply(record)
            progress(1)

    def _step(self, partition: Partition, record: SourceRecord) -> None:
        events = log_records(record)
        if record.tp.topic == self._topics.events:
            events, _ = route(record, events, self._manifest.partitions)
        partition.profiles.step(events)
        partition.moved(record)

    def describe(self) -> dict[str, Any]:
        """What `freshet state` shows; positions are offsets of `events` and, last, `control`."""
        counts = dict.fromkeys(COUNTS, 0)
        digest = hashlib.blake2b(digest_size=16)
        for partition in self.partitions:
            for name, count in partition.profiles.counts().items():
                counts[name] += count
            digest.update(partition.profiles.digest())
        digest.update(self.learning.state_hash().encode())
        return {
            "positions": {str(p.profiles.partition): p.next or 0 for p in self.partitions},
            **counts,
            "users": sum(partition.profiles.users for partition in self.partitions),
            "items": self.learning.stage.model.items,
            "unlearned": self._unlearned(),
            "state_hash": digest.hexdigest(),
        }

    def _unlearned(self) -> int:
        """Partitions whose newest example the model has not applied yet."""
        marks = self.learning.stage.marks
        return sum(
            partition.profiles.last_emitted() != marks.get(partition.profiles.partition, -1)
            for partition in self.partitions
        )
