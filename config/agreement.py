"""Whether the settings of a process of the cluster are those its namespace lives by."""

from __future__ import annotations

import logging

from kafka import TopicPartition
from msgspec import structs

from config.namespaces import names_of
from config.settings import Settings
from stream.errors import SettingsDiffer
from stream.kafka import filled, settings_log, topics
from stream.kafka.errors import TopicsDiffer
from stream.kafka.layout import Layout
from stream.kafka.names import Topics
from stream.kafka.security import Link
from stream.manifest import Manifest
from stream.setting import differing_keys


def require_agreement(settings: Settings) -> Topics:
    """Topics and manifest, then the learning configuration; nothing is begun before.

    Answers the names of the namespace, whose log may be another's. Raises TopicsDiffer,
    SettingsDiffer (both name what differs), BrokerUnreachable.
    """
    names = _checked(settings)
    _require_learning(settings, names)
    return names


def begin_filling(settings: Settings, live: str) -> Topics:
    """Make the namespace of `settings` one that is filled from the log of `live`, if it is not.

    Raises TopicsDiffer, SettingsDiffer, BrokerUnreachable.
    """
    names = Topics(settings.core.namespace, names_of(settings, live).log)
    if names.owns_log:
        raise TopicsDiffer(
            [f"{names.namespace} is the live namespace; name another one for --into"]
        )
    filled.create(_link(settings), names, _layout(settings), _manifest(settings))
    _require_learning(settings, names)
    return names


def apply_learning(settings: Settings) -> list[str]:
    """Have the cluster learn under `settings.learning` from now on; answers what changes.

    Raises TopicsDiffer, ManifestMismatch, BrokerUnreachable.
    """
    control = TopicPartition(_checked(settings).control, 0)
    return settings_log.apply(_link(settings), control, settings.learning)


def _checked(settings: Settings) -> Topics:
    # What goes wrong is said once, by us; the client would log each attempt.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    link, names, layout = _link(settings), names_of(settings), _layout(settings)
    if names.owns_log:
        topics.check(link, names, layout, settings.manifest)
    else:
        filled.check(link, names, layout, _manifest(settings))
    return names


def _require_learning(settings: Settings, names: Topics) -> None:
    current = settings_log.newest(_link(settings), TopicPartition(names.control, 0))
    if current is None:
        raise TopicsDiffer(
            [f"{names.control} holds no learning configuration; run `freshet settings apply`"]
        )
    differing = differing_keys(current, settings.learning)
    if differing:
        raise SettingsDiffer(differing)


def _link(settings: Settings) -> Link:
    return Link(settings.kafka.bootstrap, settings.kafka.security)


def _layout(settings: Settings) -> Layout:
    k = settings.kafka
    return Layout(k.partitions, k.replication, k.events_days, k.examples_days, k.dead_days)


def _manifest(settings: Settings) -> Manifest:
    return structs.replace(settings.manifest, partitions=settings.kafka.partitions)
