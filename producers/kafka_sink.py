"""A sink that publishes to Kafka: catalogue to `control`, people and events to their partition."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from producers.checks import checked_events, checked_items, checked_users
from producers.errors import SinkUnavailable
from producers.publisher import Publisher
from stream.kafka.envelopes import EVENT_BYTES, partition_of
from stream.kafka.errors import TopicsDiffer
from stream.kafka.names import Topics
from stream.kafka.security import Link
from stream.kafka.topics import admin
from stream.manifest import Manifest
from stream.positions import to_token

_Batch = list[dict[str, Any]]


@dataclass(frozen=True)
class KafkaLog:
    """The topics a sink writes to; `identity` changes when `events` is created anew."""

    topics: Topics
    partitions: int
    identity: str


def find_log(link: Link, topics: Topics, partitions: int) -> KafkaLog:
    """The topics as the broker has them.

    Raises BrokerUnreachable, and TopicsDiffer where a topic is missing or has another number of
    partitions than `partitions`: users would be sought where they are not.
    """
    with admin(link) as client:
        found = {t["name"]: t for t in client.describe_topics([topics.events, topics.control])}
    for name in (topics.events, topics.control):
        if not found.get(name, {}).get("partitions"):
            raise TopicsDiffer([f"{name} does not exist: `freshet topics create` makes it"])
    count = len(found[topics.events]["partitions"])
    if count != partitions:
        raise TopicsDiffer(
            [f"{topics.events} has {count} partitions, kafka.partitions says {partitions}"]
        )
    return KafkaLog(topics, count, str(found[topics.events]["topic_id"]))


class KafkaSink:
    """`Sink` of a namespace's topics. Repeats are found by stage one: here `duplicates` is 0.

    Catalogue records go one a record, so that any reader of `control` understands them. After
    SinkUnavailable the next call begins with a new connection.
    """

    def __init__(self, link: Link, log: KafkaLog, manifest: Manifest, *, imported: bool) -> None:
        self._link = link
        self._log = log
        self._manifest = manifest
        self._imported = imported
        self._publisher: Publisher | None = None

    def put_items(self, items: _Batch) -> None:
        control = self._log.topics.control
        with self._publishing() as publisher:
            for body in checked_items(items, EVENT_BYTES):
                publisher.add(control, 0, body, alone=True)

    def put_users(self, users: _Batch) -> None:
        self._publish(checked_users(users, EVENT_BYTES), imported=False)

    def send(self, events: _Batch) -> tuple[int, int]:
        checked = checked_events(events, self._manifest, self._imported, EVENT_BYTES)
        self._publish([(event.user_id, event.body) for event in checked], self._imported)
        return len(checked), 0

    @property
    def position(self) -> str | None:
        """Token of the events that were acknowledged last; None before the first."""
        positions = self._publisher.position(self._log.topics.events) if self._publisher else {}
        return to_token(positions) if positions else None

    def close(self) -> None:
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _publish(self, bodies: list[tuple[str, bytes]], imported: bool) -> None:
        with self._publishing() as publisher:
            for user_id, body in bodies:
                partition = partition_of(user_id, self._log.partitions)
                publisher.add(self._log.topics.events, partition, body, imported)

    @contextmanager
    def _publishing(self) -> Iterator[Publisher]:
        """A publisher, flushed at the end; one that failed is let go."""
        try:
            if self._publisher is None:
                self._publisher = Publisher(self._link)
            yield self._publisher
            self._publisher.flush()
        except SinkUnavailable:
            failed, self._publisher = self._publisher, None
            if failed is not None:
                failed.close(0.0)
            raise
