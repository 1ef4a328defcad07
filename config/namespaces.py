"""Which log a namespace learns from: its own, or another's beside which it is filled."""

from __future__ import annotations

import logging
from typing import Any

from config.settings import Settings
from stream.kafka import filled
from stream.kafka.names import Topics
from stream.kafka.security import Link
from stream.manifest import manifest_in


def names_of(settings: Settings, namespace: str | None = None) -> Topics:
    """The names of a namespace, by default that of the settings. Raises BrokerUnreachable."""
    # What goes wrong is said once, by us; the client would log each attempt.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    namespace = namespace or settings.core.namespace
    head = head_of(settings, namespace)
    return Topics(namespace, head["reads"] if head is not None else namespace)


def head_of(settings: Settings, namespace: str) -> dict[str, Any] | None:
    """The manifest's record of a namespace without a log of its own; None for any other.

    Where retention has passed it, it comes from the newest snapshot. Raises BrokerUnreachable.
    """
    link, own = Link(settings.kafka.bootstrap, settings.kafka.security), Topics(namespace)
    there = filled.existing(link, namespace)
    if own.events in there or own.examples not in there:
        return None
    head = filled.head_of(link, namespace) or _saved_head(settings, namespace)
    return head if head is not None and "reads" in head else None


def _saved_head(settings: Settings, namespace: str) -> dict[str, Any] | None:
    # Only here: they bring kernels along, which a producer has no use for.
    from config.snapshots import stored_snapshots
    from stream.cluster.model_worker import MODEL
    from stream.errors import SnapshotCorrupt

    store = stored_snapshots(settings, namespace, read_only=True)
    for name in store.names(MODEL):
        try:
            return manifest_in(store.read(name).objects.get("manifest"))
        except SnapshotCorrupt:
            continue
    return None
