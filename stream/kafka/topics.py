"""Creates and checks the topics of a namespace."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewTopic
from kafka.errors import (
    InvalidReplicationFactorError,
    KafkaError,
    TopicAlreadyExistsError,
)
from msgspec import structs

from models.settings import LearningSettings
from stream.kafka import manifests
from stream.kafka.errors import BrokerUnreachable, TopicsDiffer
from stream.kafka.layout import Found, Layout, Planned, faults_of
from stream.kafka.names import Topics
from stream.kafka.security import Link
from stream.manifest import Manifest

# An operator at a prompt waits so long for a broker that is not there.
_REACH_S: Final = 4.0
_REQUEST_S: Final = 10.0


@contextmanager
def admin(link: Link) -> Iterator[KafkaAdminClient]:
    """A connected admin client. Raises BrokerUnreachable within a few seconds."""
    _knock(link)
    try:
        client = KafkaAdminClient(
            **link.options(),
            bootstrap_timeout_ms=int(_REACH_S * 1000),
            request_timeout_ms=int(_REQUEST_S * 1000),
        )
    except KafkaError as error:
        raise BrokerUnreachable(link.bootstrap, type(error).__name__) from None
    try:
        yield client
    except KafkaError as error:
        raise BrokerUnreachable(link.bootstrap, f"{type(error).__name__}: {error}") from None
    finally:
        client.close()


def _knock(link: Link) -> None:
    """Raise BrokerUnreachable unless a port is open.

    The client would try for all its time where nobody listens, and leave its sockets behind.
    """
    reasons = []
    for address in link.bootstrap.split(","):
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), _REACH_S).close()
        except OSError as error:
            reasons.append(error.strerror or "no answer in time")
        else:
            return
    raise BrokerUnreachable(link.bootstrap, ", ".join(dict.fromkeys(reasons)))


def create(
    link: Link, names: Topics, layout: Layout, manifest: Manifest, settings: LearningSettings
) -> list[str]:
    """Create what is missing and return the names; a second time changes nothing.

    Topics that exist are judged first, and nothing is created beside one that is wrong. Then
    the missing ones are created and awaited, the manifest is written where a partition of
    `events` or `control` is empty, and the settings where `control` holds only the manifest.
    Raises TopicsDiffer, BrokerUnreachable.
    """
    planned = layout.planned(names)
    with admin(link) as client:
        found = find(client, names)
        faults = [
            fault for topic in planned if topic.name in found
            for fault in faults_of(topic, found[topic.name])
        ]  # fmt: skip
        if faults:
            raise TopicsDiffer(faults)
        missing = [topic for topic in planned if topic.name not in found]
        for topic in missing:
            add(client, topic, layout.replication)
    fixed = _of(manifest, layout.partitions)
    manifests.agree(link, _begun(names, layout), names.namespace, fixed)
    manifests.begin_settings(link, TopicPartition(names.control, 0), settings)
    return [topic.name for topic in missing]


def check(link: Link, names: Topics, layout: Layout, manifest: Manifest) -> None:
    """Raise TopicsDiffer naming every fault and its remedy, or BrokerUnreachable."""
    with admin(link) as client:
        found = find(client, names)
    faults = [
        fault for topic in layout.planned(names)
        for fault in faults_of(topic, found.get(topic.name))
    ]  # fmt: skip
    if faults:
        raise TopicsDiffer(faults)
    manifests.require(
        link, _begun(names, layout), names.namespace, _of(manifest, layout.partitions)
    )


def find(client: KafkaAdminClient, names: Topics) -> dict[str, Found]:
    """Those of the topics that exist."""
    existing = sorted(set(client.list_topics()) & set(names.all))
    if not existing:
        return {}
    described = client.describe_topics(existing)
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in existing]
    configs = client.describe_configs(resources, config_filter="all")["topic"]
    return {
        topic["name"]: Found(
            len(topic["partitions"]),
            min(len(partition["replica_nodes"]) for partition in topic["partitions"]),
            {key: entry["value"] for key, entry in configs[topic["name"]].items()},
        )
        for topic in described
    }


def add(client: KafkaAdminClient, topic: Planned, replication: int) -> None:
    """Create a topic and wait until it is there. Raises TopicsDiffer for too many copies."""
    new = NewTopic(topic.name, topic.partitions, replication, topic_configs=dict(topic.config))
    try:
        client.create_topics([new])
    except TopicAlreadyExistsError:
        pass  # another `create` was quicker; its topic is checked like any
    except InvalidReplicationFactorError:
        raise TopicsDiffer(
            [
                f"{topic.name} cannot have {replication} copies, there are fewer brokers; set "
                "kafka.replication to their number, or less"
            ]
        ) from None
    client.wait_for_topics([topic.name])


def _begun(names: Topics, layout: Layout) -> list[TopicPartition]:
    """The partitions that begin with the manifest."""
    events = [TopicPartition(names.events, number) for number in range(layout.partitions)]
    return [*events, TopicPartition(names.control, 0)]


def _of(manifest: Manifest, partitions: int) -> Manifest:
    """The manifest of a cluster: its number of partitions is that of `events`."""
    return structs.replace(manifest, partitions=partitions)
