"""Replicas that differ from the owner of the model, or that retention has overrun."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient

from stream.cluster.model_worker import MODEL
from stream.files.snapshots import FolderSnapshots
from stream.kafka.names import Topics
from stream.redis.keys import hash_key
from tests.cluster.test_cluster import Cluster, events, eventually, running, send


@pytest.fixture
def cluster(kafka: str, redis_url: str, tmp_path: Path) -> Iterator[Cluster]:
    with running(kafka, redis_url, tmp_path, FRESHET_SNAPSHOTS__HASH_EVERY_RECORDS="5") as made:
        yield made


def topics(cluster: Cluster) -> Topics:
    return Topics(cluster.environment["FRESHET_CORE__NAMESPACE"])


def mismatches(api: httpx.Client) -> float:
    found = re.search(r"^freshet_replica_mismatches_total (\S+)$", api.get("/metrics").text, re.M)
    return float(found[1]) if found else -1.0


def send_singly(api: httpx.Client, start: int, stop: int) -> None:
    for number in range(start, stop):
        send(api, events(number, number + 1))


def test_a_replica_that_differs_is_loaded_again(cluster: Cluster) -> None:
    api = cluster.api()
    cluster.start("worker")
    send_singly(api, 0, 20)
    key = hash_key(topics(cluster).namespace)
    with redis.Redis.from_url(cluster.environment["FRESHET_REDIS__URL"]) as store:
        eventually(lambda: json.loads(store.get(key) or b'{"position":0}')["position"] >= 15)
        eventually(lambda: b"u1" in api.get("/v1/users/u1").content)
        assert mismatches(api) == 0
        wrong = {**json.loads(store.get(key) or b""), "state_hash": "another"}
        store.set(key, json.dumps(wrong))
        eventually(lambda: mismatches(api) > 0)
        store.delete(key)
    eventually(lambda: api.get("/readyz").status_code == 200)
    send_singly(api, 20, 25)
    eventually(lambda: api.get("/v1/users/u24").status_code == 200)


@pytest.mark.full
def test_retention_overruns_whoever_was_away(cluster: Cluster) -> None:
    names = topics(cluster)
    api, worker = cluster.api(), cluster.start("worker")
    send_singly(api, 0, 50)
    eventually(lambda: api.get("/v1/users/u20").status_code == 200)
    frozen = cluster.started[0]
    frozen.send_signal(signal.SIGSTOP)
    other = cluster.api()
    send_singly(other, 50, 200)
    eventually(lambda: other.get("/v1/users/u29").status_code == 200)
    worker.terminate()
    assert worker.wait(150) == 0
    saved = FolderSnapshots(cluster.folder / "snapshots" / names.namespace, read_only=True)
    begin = saved.names(MODEL)[0].position
    assert begin > 51  # what the frozen one has seen
    admin = KafkaAdminClient(bootstrap_servers=cluster.bootstrap)
    admin.delete_records({TopicPartition(names.examples, 0): begin})
    admin.close()
    frozen.send_signal(signal.SIGCONT)
    worker = cluster.start("worker")
    send_singly(other, 200, 210)
    eventually(lambda: _position(api) == _position(other) > 200)
    assert api.get("/readyz").status_code == 200

    cluster.environment["FRESHET_WORKER__SNAPSHOTS"] = str(cluster.folder / "nothing")
    blind = cluster.api(ready=False)
    eventually(lambda: "retention removed" in unreadiness(blind))
    worker.kill()
    worker.wait()
    blinded = cluster.start("worker", "--only", "model")
    assert blinded.wait(150) == 1
    log = cluster.folder / f"{len(cluster.started) - 1}-worker.log"
    assert "retention removed" in " ".join(log.read_text().split())


def unreadiness(api: httpx.Client) -> str:
    try:
        answer = api.get("/readyz")
    except httpx.TransportError:
        return ""
    return str(answer.json()["error"]["message"]) if answer.status_code == 503 else ""


def _position(api: httpx.Client) -> float:
    return _number(api, "freshet_position")


def _number(api: httpx.Client, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", api.get("/metrics").text, re.M)
    return float(found[1]) if found else -1.0
