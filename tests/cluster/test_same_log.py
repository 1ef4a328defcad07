"""Snapshots, the log they were taken of, and what a worker says when it is another."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient

from stream.kafka.envelopes import pack, partition_of
from stream.kafka.names import Topics
from stream.kafka.peek import Peek
from stream.kafka.security import Link
from stream.source import TP
from tests.cluster.test_cluster import Cluster, events, eventually, running

PARTITIONS = 3


@pytest.fixture
def cluster(kafka: str, redis_url: str, tmp_path: Path) -> Iterator[Cluster]:
    with running(kafka, redis_url, tmp_path, FRESHET_SNAPSHOTS__EVERY_RECORDS="1") as made:
        yield made


def topics(cluster: Cluster) -> Topics:
    return Topics(cluster.environment["FRESHET_CORE__NAMESPACE"])


def produce(cluster: Cluster, start: int, stop: int) -> None:
    """Envelopes of one event each, where they belong."""
    producer = KafkaProducer(bootstrap_servers=cluster.bootstrap, acks="all")
    try:
        for event in events(start, stop):
            at = partition_of(event["user_id"], PARTITIONS)
            value = pack([json.dumps(event).encode()])
            producer.send(topics(cluster).events, value, partition=at)
        producer.flush(30)
    finally:
        producer.close()


def last_words(cluster: Cluster, process: subprocess.Popen[bytes]) -> str:
    """What a worker that must end by itself has said; its exit code must be 1."""
    assert process.wait(150) == 1
    return (cluster.folder / f"{cluster.started.index(process)}-worker.log").read_text()


def test_a_topic_made_anew_is_refused(cluster: Cluster) -> None:
    names = topics(cluster)
    worker = cluster.start("worker", "--only", "profiles")
    produce(cluster, 0, 120)
    snapshots = Path(cluster.environment["FRESHET_WORKER__SNAPSHOTS"]) / names.namespace
    eventually(lambda: len({name.name[:10] for name in snapshots.glob("*.snap")}) > PARTITIONS)
    worker.terminate()
    assert worker.wait(150) == 0

    peek = Peek(Link(cluster.bootstrap))
    first, end = peek.bounds(TP(names.events, 1))
    record = peek.record(TP(names.events, 1), end - 1)
    assert record is not None
    assert (first, record.offset, b'"schema":1' in (record.value or b"")) == (0, end - 1, True)

    admin = KafkaAdminClient(bootstrap_servers=cluster.bootstrap)
    admin.delete_topics([names.events])
    eventually(lambda: names.events not in admin.list_topics())
    admin.close()
    cluster.verb("topics", "create")
    produce(cluster, 1000, 1240)
    assert "made anew" in last_words(cluster, cluster.start("worker", "--only", "profiles"))
    peek.close()


def test_a_snapshot_folder_that_cannot_be_written_stops_the_start(cluster: Cluster) -> None:
    blocked = cluster.folder / "file"
    blocked.write_bytes(b"")
    cluster.environment["FRESHET_WORKER__SNAPSHOTS"] = str(blocked)
    said = last_words(cluster, cluster.start("worker"))
    assert "choose a folder" in said
