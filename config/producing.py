"""Builds what produces into Kafka, for the verbs that do."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from msgspec import structs

from config.settings import Settings
from stream.kafka.names import Topics
from stream.kafka.security import Link

if TYPE_CHECKING:
    from producers.kafka_sink import KafkaLog, KafkaSink


def link_of(settings: Settings) -> Link:
    """The way to the brokers."""
    return Link(settings.kafka.bootstrap, settings.kafka.security)


def topics_of(settings: Settings) -> Topics:
    """The namespace's topics; events go to the log it learns from. Raises BrokerUnreachable."""
    from config.namespaces import names_of

    return names_of(settings)


def log_of(settings: Settings) -> KafkaLog:
    """The topics as the broker has them. Raises BrokerUnreachable, TopicsDiffer."""
    from producers.kafka_sink import find_log

    # What goes wrong is said once, by us; the client would tell of each attempt.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    return find_log(link_of(settings), topics_of(settings), settings.kafka.partitions)


def kafka_sink(settings: Settings, *, imported: bool) -> tuple[KafkaSink, KafkaLog]:
    """A sink and the log it writes to. Raises BrokerUnreachable, TopicsDiffer."""
    from producers.kafka_sink import KafkaSink

    log = log_of(settings)
    manifest = structs.replace(settings.manifest, partitions=log.partitions)
    return KafkaSink(link_of(settings), log, manifest, imported=imported), log
