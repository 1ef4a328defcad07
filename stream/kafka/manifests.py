"""The first record of every partition of `events` and of `control`: what is fixed for good."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from models.settings import LearningSettings
from stream.kafka.errors import BrokerUnreachable, TopicsDiffer
from stream.kafka.security import Link
from stream.manifest import Manifest, manifest_in
from stream.setting import setting_record

# Longest wait for records that are known to be there.
_READ_S: Final = 10.0
_WRITE_S: Final = 10.0

#: The first record of a partition; None where there is none yet. Trimmed partitions are left out.
Heads = dict[TopicPartition, bytes | None]


def record(namespace: str, manifest: Manifest, log: int, **more: str) -> bytes:
    """The manifest's record; `log` tells this log from any other of the same name."""
    body = {
        "type": "manifest", "namespace": namespace,
        "manifest": msgspec.to_builtins(manifest), "log": log, **more,
    }  # fmt: skip
    return msgspec.json.encode(body)


def agree(
    link: Link, partitions: list[TopicPartition], namespace: str, manifest: Manifest
) -> list[TopicPartition]:
    """Write the manifest where a partition is empty, and return those partitions.

    Nothing is written when any partition begins with something else. Read again afterwards:
    of two that write at once, the first record counts, and both must see the same one.
    Raises TopicsDiffer, BrokerUnreachable.
    """
    heads = read_heads(link, partitions)
    faults = list(faults_of(heads, namespace, manifest, may_be_empty=True))
    if faults:
        raise TopicsDiffer(faults)
    empty = [tp for tp, body in heads.items() if body is None]
    if empty:
        logs = (_log(body) for body in heads.values() if body is not None)
        log = next(logs, secrets.randbits(62))
        write(link, empty, record(namespace, manifest, log))
        require(link, partitions, namespace, manifest)
    return empty


def begin_settings(link: Link, control: TopicPartition, settings: LearningSettings) -> None:
    """Write the learning configuration where `control` holds nothing but its manifest."""
    with consumer_of(link) as consumer:
        end = consumer.end_offsets([control])[control]
    if end == 1:
        write(link, [control], setting_record(settings))


def require(
    link: Link, partitions: list[TopicPartition], namespace: str, manifest: Manifest
) -> None:
    """Raise TopicsDiffer unless every partition begins with this manifest, or was trimmed."""
    heads = read_heads(link, partitions)
    faults = list(faults_of(heads, namespace, manifest, may_be_empty=False))
    if faults:
        raise TopicsDiffer(faults)


def faults_of(
    heads: Heads, namespace: str, manifest: Manifest, may_be_empty: bool
) -> Iterator[str]:
    """What is wrong with the first records, each with its remedy."""
    wanted = msgspec.to_builtins(manifest)
    logs = set()
    for (topic, partition), body in heads.items():
        place = f"{topic}, partition {partition}"
        if body is None:
            if not may_be_empty:
                yield f"{place} has no manifest; run `freshet topics create`"
            continue
        found = manifest_in(body)
        if found is None:
            yield (
                f"{place} begins with a record that is no manifest: somebody produced before "
                "`freshet topics create`; delete the topic and create it again"
            )
            continue
        logs.add(found.get("log"))
        yield from _differences(place, found, namespace, wanted)
    if len(logs) > 1:
        yield (
            "the partitions begin with manifests of different logs: two clusters share this "
            "namespace, or one topic was created anew; give each its own core.namespace"
        )


def _differences(
    place: str, found: Mapping[str, Any], namespace: str, wanted: Mapping[str, Any]
) -> Iterator[str]:
    if found.get("namespace") != namespace:
        yield (
            f"{place} belongs to namespace {found.get('namespace')}, not {namespace}; "
            "set core.namespace"
        )
    stored = found["manifest"]
    for key in sorted(wanted.keys() | stored.keys()):
        if stored.get(key) != wanted.get(key):
            setting = "kafka.partitions" if key == "partitions" else f"manifest.{key}"
            yield (
                f"{place} was begun with {setting} = {stored.get(key)}, not {wanted.get(key)}, "
                "which cannot change in a running namespace; set it back, or fill a new namespace"
            )


def _log(body: bytes) -> int:
    log: int = msgspec.json.decode(body)["log"]
    return log


def read_heads(link: Link, partitions: list[TopicPartition]) -> Heads:
    """The first record of every partition that was not trimmed. Raises BrokerUnreachable."""
    with consumer_of(link) as consumer:
        return _heads(consumer, partitions)


@contextmanager
def consumer_of(link: Link) -> Iterator[KafkaConsumer]:
    """A consumer without a group. Raises BrokerUnreachable."""
    try:
        consumer = KafkaConsumer(
            **link.options(), group_id=None, enable_auto_commit=False, bootstrap_timeout_ms=4000
        )
        try:
            yield consumer
        finally:
            consumer.close()
    except KafkaError as error:
        raise BrokerUnreachable(link.bootstrap, type(error).__name__) from None


def _heads(consumer: KafkaConsumer, partitions: list[TopicPartition]) -> Heads:
    begins = consumer.beginning_offsets(partitions)
    ends = consumer.end_offsets(partitions)
    whole = [tp for tp in partitions if begins[tp] == 0]
    heads: Heads = dict.fromkeys(whole)
    waiting = {tp for tp in whole if ends[tp] > 0}
    consumer.assign(sorted(waiting))
    for tp in waiting:
        consumer.seek(tp, 0)
    while waiting:
        polled = consumer.poll(timeout_ms=int(_READ_S * 1000), max_records=500)
        if not polled:
            raise KafkaError("the first records did not arrive")
        for tp, records in polled.items():
            if tp in waiting:
                heads[tp] = records[0].value if records[0].offset == 0 else b""
                waiting.discard(tp)
        consumer.pause(*(tp for tp in polled if tp not in waiting))
    return heads


def write(link: Link, partitions: list[TopicPartition], body: bytes) -> None:
    """Append a record to every partition; acknowledged on return. Raises BrokerUnreachable."""
    try:
        producer = KafkaProducer(**link.options(), acks="all", enable_idempotence=True)
        try:
            sent = [producer.send(tp.topic, body, partition=tp.partition) for tp in partitions]
            for future in sent:
                future.get(_WRITE_S)
        finally:
            producer.close(_WRITE_S)
    except KafkaError as error:
        raise BrokerUnreachable(link.bootstrap, type(error).__name__) from None
