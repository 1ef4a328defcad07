"""A second namespace, filled from the live one's log beside it, and what it leaves alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from config.cluster import Parts, offline
from config.load import load
from stream.cluster.offline import TopicReader
from stream.kafka.envelopes import partition_of
from stream.kafka.names import Topics
from tests.cluster.test_cluster import (
    Cluster,
    events,
    eventually,
    newest,
    running,
    send,
    whole,
)

PARTITIONS = 3
SAME = ("positions", "applied", "duplicates", "capped", "dead_letters", "other", "users", "items")


@pytest.fixture
def cluster(kafka: str, redis_url: str, tmp_path: Path) -> Iterator[Cluster]:
    with running(kafka, redis_url, tmp_path) as made:
        yield made


def live_of(cluster: Cluster) -> Topics:
    return Topics(cluster.environment["FRESHET_CORE__NAMESPACE"])


def beside(cluster: Cluster) -> Topics:
    live = live_of(cluster).namespace
    return Topics(f"{live}-new", log=live)


def state_of(cluster: Cluster, names: Topics, from_snapshots: bool = True) -> dict[str, Any]:
    """What `freshet state` or `freshet rebuild` says, within this process."""
    ours = {name: value for name, value in cluster.environment.items() if name[:8] == "FRESHET_"}
    parts = Parts(load({"core.namespace": names.namespace}, environ=ours), names)
    whole, reader = offline(parts), TopicReader(parts.kafka)
    try:
        whole.read(reader, parts.snapshots(True) if from_snapshots else None, lambda _: None)
    finally:
        reader.close()
        parts.peek.close()
    return whole.describe()


def ends(cluster: Cluster, *topics: str) -> dict[str, int]:
    consumer = KafkaConsumer(bootstrap_servers=cluster.bootstrap, group_id=None)
    try:
        return {
            name: sum(
                consumer.end_offsets(
                    [TopicPartition(name, n) for n in consumer.partitions_for_topic(name) or ()]
                ).values()
            )
            for name in topics
        }
    finally:
        consumer.close()


def produce_strangely(cluster: Cluster) -> None:
    """An event in a partition that is not its user's, and one that cannot be learned."""
    producer = KafkaProducer(bootstrap_servers=cluster.bootstrap, acks="all")
    event = {"type": "view", "user_id": "u1", "item_id": "i1", "event_id": "strayed"}
    wrong = (partition_of("u1", PARTITIONS) + 1) % PARTITIONS
    producer.send(live_of(cluster).events, json.dumps(event).encode(), partition=wrong)
    producer.send(live_of(cluster).events, b"no json", partition=0)
    producer.flush()
    producer.close()


def test_a_namespace_is_filled_beside_the_live_one(cluster: Cluster) -> None:
    live, new = live_of(cluster), beside(cluster)
    api = cluster.api()
    cluster.start("worker")
    send(api, events(0, 200))
    produce_strangely(cluster)
    state: dict[str, Any] = {}

    def learned(names: Topics, applied: int) -> bool:
        state.update(state_of(cluster, names))
        return bool((state["applied"], state["unlearned"]) == (applied, 0))

    eventually(lambda: learned(live, 201))
    before = ends(cluster, *live.all)

    filling = cluster.start("worker", "--from-start", "--into", new.namespace)
    eventually(lambda: new.examples in topics_of(cluster) and learned(new, 201))
    assert ends(cluster, *live.all) == before  # nothing re-routed or buried again
    send(api, events(200, 300))
    eventually(lambda: learned(new, 301))
    assert state == state_of(cluster, new, from_snapshots=False)
    eventually(lambda: learned(live, 301))
    there, here = state_of(cluster, live), state_of(cluster, new)
    assert {name: there[name] for name in SAME} == {name: here[name] for name in SAME}
    switch_and_back(cluster, api, filling)


def switch_and_back(cluster: Cluster, api: httpx.Client, filling: subprocess.Popen[bytes]) -> None:
    live, new = live_of(cluster).namespace, beside(cluster).namespace
    assert "does not exist" in told(cluster, "store", "switch", "nobody")
    assert json.loads(cluster.verb("store", "switch", "--json")) == {"served": live}

    assert json.loads(cluster.verb("store", "switch", new, "--json")) == {"served": new}
    eventually(lambda: namespace_of(api) == new)
    click = {"type": "like", "user_id": "u1", "item_id": "i39", "event_id": "click"}
    position = api.post("/v1/events", json=click).json()["position"]
    assert whole(api, "u1", after=position, wait_ms=5000)["served_by"] == "personal"
    eventually(lambda: newest(api, "u1") == "i39")
    with redis.Redis.from_url(cluster.environment["FRESHET_REDIS__URL"]) as store:
        key = f"{{{live}}}:served"
        store.delete(key)  # as when Redis is emptied: who has seen the pointer puts it back
        eventually(lambda: store.get(key) == new.encode())

    cluster.verb("store", "switch", live)
    eventually(lambda: namespace_of(api) == live)
    filling.kill()
    filling.wait()
    send(api, events(300, 320))
    said = told(cluster, "store", "switch", new, "--max-behind", "0")
    assert "behind the events" in said
    assert namespace_of(api) == live


def namespace_of(api: httpx.Client) -> str:
    return str(api.get("/page/info").json()["namespace"])


def told(cluster: Cluster, *arguments: str) -> str:
    """What a verb that must fail says."""
    command = [sys.executable, "-m", "config.cli.main", *arguments]
    done = subprocess.run(command, env=cluster.environment, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    return " ".join(done.stderr.split())


def topics_of(cluster: Cluster) -> set[str]:
    consumer = KafkaConsumer(bootstrap_servers=cluster.bootstrap, group_id=None)
    try:
        return set(consumer.topics())
    finally:
        consumer.close()


def refusal(cluster: Cluster, *arguments: str, code: int = 2) -> str:
    process = cluster.start("worker", *arguments)
    assert process.wait(150) == code
    return (cluster.folder / f"{len(cluster.started) - 1}-worker.log").read_text()


@pytest.mark.full
def test_what_cannot_be_filled_is_refused(cluster: Cluster) -> None:
    live, new = live_of(cluster), beside(cluster)
    into = ("--from-start", "--into")
    assert "go together" in refusal(cluster, "--from-start")
    assert "live namespace" in refusal(cluster, *into, live.namespace)
    cluster.environment["FRESHET_KAFKA__PARTITIONS"] = "5"
    assert "needs topics of its own" in " ".join(refusal(cluster, *into, new.namespace).split())
    assert new.examples not in topics_of(cluster)
