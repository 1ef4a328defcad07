"""A namespace filled beside another: it has `examples.<namespace>`, and learns another's log.

The first record of its examples is its manifest. It outranks the one that the log begins with,
and names the log (`reads`), so that whoever opens the namespace finds it there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kafka import TopicPartition
from msgspec import convert

from stream.kafka import manifests
from stream.kafka.errors import TopicsDiffer
from stream.kafka.layout import Layout, Planned, faults_of
from stream.kafka.names import Topics
from stream.kafka.security import Link
from stream.kafka.topics import add, admin, find
from stream.manifest import Manifest, manifest_in


def existing(link: Link, namespace: str) -> set[str]:
    """Those topics that a namespace with a log of its own would have. Raises BrokerUnreachable."""
    with admin(link) as client:
        return set(client.list_topics()) & set(Topics(namespace).all)


def head_of(link: Link, namespace: str) -> dict[str, Any] | None:
    """The manifest's record at the head of its examples; None where it was trimmed or is none.

    The topic must exist. Raises BrokerUnreachable.
    """
    at = TopicPartition(Topics(namespace).examples, 0)
    return manifest_in(manifests.read_heads(link, [at]).get(at))


def manifest_of(head: dict[str, Any]) -> Manifest:
    """The manifest of a head. Raises TopicsDiffer for one of another version."""
    try:
        return convert(head["manifest"], Manifest)
    except ValueError as error:
        told = f"{head.get('namespace')} was filled by another version: {error}"
        raise TopicsDiffer([told]) from None


def create(link: Link, names: Topics, layout: Layout, manifest: Manifest) -> bool:
    """Create `examples.<namespace>` with its manifest; False where it was there already.

    The log's topics are judged first, and nothing of them is written. Raises TopicsDiffer,
    BrokerUnreachable.
    """
    with admin(link) as client:
        found = find(client, names)
        planned = layout.planned(names)
        others = [topic for topic in planned if topic.name != names.examples]
        faults = [*_own_log(set(client.list_topics()), names), *_partitions(names, layout, found)]
        if not faults:
            faults += [f for topic in others for f in faults_of(topic, found.get(topic.name))]
        if faults:
            raise TopicsDiffer(faults)
        log = _log(link, names, layout)
        new = names.examples not in found
        if new:
            add(client, _examples(planned, names), layout.replication)
    at = TopicPartition(names.examples, 0)
    head = manifests.read_heads(link, [at])
    if head.get(at, b"") is None:
        body = manifests.record(names.namespace, manifest, log, reads=names.log)
        manifests.write(link, [at], body)
    check(link, names, layout, manifest)
    return new


def check(link: Link, names: Topics, layout: Layout, manifest: Manifest) -> None:
    """Raise TopicsDiffer naming what is wrong with the namespace or its log."""
    log, at = _log(link, names, layout), TopicPartition(names.examples, 0)
    heads = manifests.read_heads(link, [at])
    faults = list(manifests.faults_of(heads, names.namespace, manifest, may_be_empty=False))
    head = manifest_in(heads.get(at))
    if not faults and head is not None and (head.get("reads"), head.get("log")) != (names.log, log):
        faults.append(
            f"{names.examples} was filled from another log than {names.events} is now; delete the "
            "topic and the namespace's snapshots, and fill it again"
        )
    if faults:
        raise TopicsDiffer(faults)


def _log(link: Link, names: Topics, layout: Layout) -> int:
    """The identity of the log, by its manifests, whose other values do not count here."""
    tps = [TopicPartition(names.events, number) for number in range(layout.partitions)]
    heads = manifests.read_heads(link, [*tps, TopicPartition(names.control, 0)])
    found = [manifest_in(body) for body in heads.values()]
    logs = {head["log"] for head in found if head is not None and head["namespace"] == names.log}
    if len(logs) != 1 or None in found:
        raise TopicsDiffer(
            [
                f"{names.events} and {names.control} do not all begin with one manifest of "
                f"{names.log}; `freshet topics check` says what is wrong"
            ]
        )
    return int(logs.pop())


def _own_log(there: set[str], names: Topics) -> Iterator[str]:
    own = Topics(names.namespace).events
    if own in there:
        yield (
            f"{names.namespace} has a log of its own ({own}) and cannot be filled from "
            f"{names.events}; choose another name"
        )


def _partitions(names: Topics, layout: Layout, found: dict[str, Any]) -> Iterator[str]:
    there = found[names.events].partitions if names.events in found else layout.partitions
    if there != layout.partitions:
        yield (
            f"{names.events} has {there} partitions, and {names.namespace} would have "
            f"{layout.partitions}: it reads the same topic, where users lie by {there}. Another "
            f"number needs topics of its own: `freshet topics create` with core.namespace = "
            f"{names.namespace}, and every event produced into them again"
        )


def _examples(planned: tuple[Planned, ...], names: Topics) -> Planned:
    return next(topic for topic in planned if topic.name == names.examples)
