"""A sink that publishes to Kafka: catalogue to `control`, people and events to their partition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from producers.checks import checked_events, checked_items, checked_users
from producers.errors import OptionError, SinkUnavailable
from producers.publisher import Publisher
from stream.kafka.envelopes import EVENT_BYTES, partition_of
from stream.kafka.errors import BrokerUnreachable
from stream.kafka.names import Topics
from stream.kafka.security import Link
from stream.manifest import Manifest

_BOOTSTRAP_MS: Final = 5_000

_Batch = list[dict[str, Any]]


@dataclass(frozen=True)
class KafkaLog:
    """The topics a sink writes to; `identity` changes when `events` is created anew."""

    topics: Topics
    partitions: int
    identity: str


def find_log(link: Link, topics: Topics, partitions: int | None = None) -> KafkaLog:
    """The topics as the broker has them.

    Raises SinkUnavailable without a broker, OptionError where a topic is missing or has another
    number of partitions than `partitions`: users would then be sought where they are not.
    """
    where = link.bootstrap
    try:
        admin = KafkaAdminClient(bootstrap_timeout_ms=_BOOTSTRAP_MS, **link.options())
        try:
            found = {t["name"]: t for t in admin.describe_topics([topics.events, topics.control])}
        finally:
            admin.close()
    except (KafkaError, OSError) as error:
        raise SinkUnavailable(str(BrokerUnreachable(where, str(error)))) from error
    for name in (topics.events, topics.control):
        if not found.get(name, {}).get("partitions"):
            raise OptionError(f"{where} has no topic {name}: `freshet topics create` makes it")
    count = len(found[topics.events]["partitions"])
    if partitions is not None and count != partitions:
        raise OptionError(
            f"the topic {topics.events} has {count} partitions, the settings say {partitions} "
            "(kafka.partitions): which partition a user belongs to depends on it"
        )
    return KafkaLog(topics, count, str(found[topics.events]["topic_id"]))


class KafkaSink:
    """`Sink` of a namespace's topics. What is accepted twice only stage one can tell: never here.

    Catalogue records go one a record, so that any reader of `control` understands them.
    """

    def __init__(
        self, publisher: Publisher, log: KafkaLog, manifest: Manifest, *, imported: bool
    ) -> None:
        self._publisher = publisher
        self._log = log
        self._manifest = manifest
        self._imported = imported

    def put_items(self, items: _Batch) -> None:
        for body in checked_items(items, EVENT_BYTES):
            self._publisher.add(self._log.topics.control, 0, body, alone=True)
        self._publisher.flush()

    def put_users(self, users: _Batch) -> None:
        for user_id, body in checked_users(users, EVENT_BYTES):
            self._add(user_id, body)
        self._publisher.flush()

    def send(self, events: _Batch) -> tuple[int, int]:
        checked = checked_events(events, self._manifest, self._imported, EVENT_BYTES)
        for event in checked:
            self._add(event.user_id, event.body)
        self._publisher.flush()
        return len(checked), 0

    def _add(self, user_id: str, body: bytes) -> None:
        partition = partition_of(user_id, self._log.partitions)
        self._publisher.add(self._log.topics.events, partition, body, self._imported)
