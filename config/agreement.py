"""Whether the settings of a process of the cluster are those its namespace lives by."""

from __future__ import annotations

import logging

from kafka import TopicPartition

from config.settings import Settings
from stream.errors import SettingsDiffer
from stream.kafka import settings_log, topics
from stream.kafka.errors import TopicsDiffer
from stream.kafka.layout import Layout
from stream.kafka.names import Topics
from stream.kafka.security import Link
from stream.setting import differing_keys


def require_agreement(settings: Settings) -> None:
    """Topics and manifest, then the learning configuration; nothing is begun before.

    Raises TopicsDiffer, SettingsDiffer (both name what differs), BrokerUnreachable.
    """
    link, control = _checked(settings)
    current = settings_log.newest(link, control)
    if current is None:
        raise TopicsDiffer(
            [f"{control.topic} holds no learning configuration; run `freshet settings apply`"]
        )
    differing = differing_keys(current, settings.learning)
    if differing:
        raise SettingsDiffer(differing)


def apply_learning(settings: Settings) -> list[str]:
    """Have the cluster learn under `settings.learning` from now on; answers what changes.

    Raises TopicsDiffer, ManifestMismatch, BrokerUnreachable.
    """
    link, control = _checked(settings)
    return settings_log.apply(link, control, settings.learning)


def _checked(settings: Settings) -> tuple[Link, TopicPartition]:
    # What goes wrong is said once, by us; the client would log each attempt.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    k, names = settings.kafka, Topics(settings.core.namespace)
    link = Link(k.bootstrap, k.security)
    layout = Layout(k.partitions, k.replication, k.events_days, k.examples_days, k.dead_days)
    topics.check(link, names, layout, settings.manifest)
    return link, TopicPartition(names.control, 0)
