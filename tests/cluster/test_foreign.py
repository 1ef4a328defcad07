"""Programs that know nothing of Freshet write into its topic while a worker runs."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from kafka import KafkaConsumer, TopicPartition

from deploy.local.kafka import jars
from stream.kafka.dead_letters import KafkaDeadLetters
from stream.kafka.envelopes import pack, partition_of
from stream.kafka.names import Topics
from stream.kafka.positions import offset_of
from stream.kafka.security import Link
from tests.cluster.test_cluster import Cluster, eventually, running

PARTITIONS = 3
USERS = 12
TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HEADERS = [("till", b"4"), ("nothing", None), ("traceparent", TRACE), ("freshet-mine", b"1")]


@pytest.fixture
def cluster(kafka: str, redis_url: str, tmp_path: Path) -> Iterator[Cluster]:
    with running(kafka, redis_url, tmp_path) as made:
        yield made


def event(n: int, **more: Any) -> dict[str, Any]:
    return {"type": "view", "user_id": f"u{n % USERS}", "item_id": f"i{n % 7}", **more}


def by_console(cluster: Cluster, topic: str, events: list[dict[str, Any]]) -> None:
    """Kafka's own producer, without keys: it puts records into any partition."""
    subprocess.run(
        ["java", "-Xmx128m", "-cp", f"{jars()}/*", "org.apache.kafka.tools.ConsoleProducer",
         "--bootstrap-server", cluster.bootstrap, "--topic", topic],
        input="".join(f"{json.dumps(one)}\n" for one in events),
        text=True, check=True, capture_output=True, timeout=150,
    )  # fmt: skip


def by_librdkafka(cluster: Cluster, topic: str, *records: tuple[int, bytes | str]) -> None:
    """Records for a partition; for -1 its default partitioner chooses, by the user's name."""
    producer = confluent_kafka.Producer({"bootstrap.servers": cluster.bootstrap})
    for partition, value in records:
        key = None if partition >= 0 else json.loads(value)["user_id"]
        producer.produce(topic, value, key=key, partition=partition, headers=list(HEADERS))
    assert producer.flush(60) == 0


def test_what_strays_is_sent_on_once_and_learned_once(cluster: Cluster) -> None:
    topic = Topics(cluster.environment["FRESHET_CORE__NAMESPACE"]).events
    cluster.start("worker")
    named = [event(n, event_id=f"c{n}") for n in range(60)]
    by_console(cluster, topic, named)
    by_librdkafka(cluster, topic, *((-1, json.dumps(event(n))) for n in range(60)))  # no ids
    by_console(cluster, topic, named[:10])  # repeats, wherever they land
    strays = sum(partition_of(f"u{n}", PARTITIONS) != 0 for n in range(USERS))
    assert strays > 0
    by_librdkafka(
        cluster, topic, *((0, json.dumps(event(n, event_id=f"z{n}"))) for n in range(USERS))
    )
    whole = {"applied": 60 + 60 + USERS, "duplicates": 10, "dead_letters": 0, "unlearned": 0}
    eventually(lambda: whole.items() <= cluster.state().items())
    assert cluster.state()["users"] == USERS
    rerouted = [
        headers for headers in headers_of(cluster, topic) if ("freshet-rerouted", b"1") in headers
    ]
    assert len(rerouted) > strays
    # What librdkafka sent keeps what it had; nobody else names what is ours.
    assert all(headers[:-1] in (HEADERS[:-1], []) for headers in rerouted)
    assert sum(headers[:-1] != [] for headers in rerouted) > strays


def headers_of(cluster: Cluster, topic: str) -> list[list[tuple[str, bytes | None]]]:
    """Headers of every record of a topic."""
    consumer = KafkaConsumer(group_id=None, bootstrap_servers=cluster.bootstrap)
    try:
        places = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic)]
        consumer.assign(places)
        consumer.seek_to_beginning()
        left = sum(consumer.end_offsets(places).values())
        found: list[list[tuple[str, bytes | None]]] = []
        while len(found) < left:
            for records in consumer.poll(1_000).values():
                found += [list(record.headers) for record in records]
        return found
    finally:
        consumer.close()


def test_what_cannot_be_learned_is_kept_with_its_reason(cluster: Cluster) -> None:
    names = Topics(cluster.environment["FRESHET_CORE__NAMESPACE"])
    user = next(f"u{n}" for n in range(USERS) if partition_of(f"u{n}", PARTITIONS) == 1)
    good = {"type": "view", "user_id": user, "item_id": "i1"}
    bad: list[tuple[bytes | str, str]] = [
        (b"\xff not JSON", ""),
        (json.dumps({**good, "schema": 99}), "schema"),
        (json.dumps({"type": "view", "item_id": "i1"}), "user_id"),
        (json.dumps({**good, "timestamp": time.time() + 10 * 86_400}), "future"),
        (json.dumps({**good, "type": "rating", "value": float("nan")}), ""),
        (b"", ""),
    ]
    mixed = pack([b'{"type":"view","item_id":"i1"}', json.dumps(good).encode()])
    cluster.start("worker", "--only", "profiles")
    by_librdkafka(cluster, names.events, *((1, value) for value, _ in bad), (1, mixed))
    by_librdkafka(cluster, names.events, (1, json.dumps(good)))
    letters = KafkaDeadLetters(Link(cluster.bootstrap), names.dead)
    eventually(lambda: len(list(letters.letters())) > len(bad))
    found = list(letters.letters())
    # The partition begins with the manifest.
    assert [offset_of(one.letter.offset) for one in found] == [*range(1, len(bad) + 2)]
    for one, (value, said) in zip(found, bad, strict=False):
        assert one.letter.body == (value if isinstance(value, bytes) else value.encode())
        assert one.letter.partition == 1 and one.letter.reason
        assert said in f"{one.letter.reason} {one.letter.error}"
    assert found[-1].letter.body == b'{"type":"view","item_id":"i1"}'
    assert all(headers[-3:] == HEADERS[:-1] for headers in headers_of(cluster, names.dead))
    examples = headers_of(cluster, names.examples)
    assert [("traceparent", TRACE)] in [headers[1:] for headers in examples]
    state = cluster.state()
    assert (state["applied"], state["dead_letters"]) == (2, len(found))
