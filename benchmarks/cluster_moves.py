"""How long partitions rest when a worker leaves, in order or not."""

from __future__ import annotations

import json
import random
import time

from benchmarks import serving
from benchmarks.rig import PARTITIONS, Cluster, Worker, until
from producers.publisher import Publisher
from stream.kafka.envelopes import partition_of

EVENTS = 5_000


def after_stop(cluster: Cluster) -> tuple[float, float]:
    """(seconds from SIGTERM to the process's end, to all partitions owned by the other)."""
    leaving, staying = _pair(cluster)
    start = time.monotonic()
    leaving.process.terminate()
    until(lambda: not leaving.process.running(), pause_s=0.01)
    ended_s = time.monotonic() - start
    until(lambda: _owns_all(cluster, staying), staying.process)
    return ended_s, time.monotonic() - start


def after_kill(cluster: Cluster) -> float:
    """Seconds from SIGKILL to all partitions owned by the other."""
    leaving, staying = _pair(cluster)
    start = time.monotonic()
    leaving.process.kill()
    until(lambda: _owns_all(cluster, staying), staying.process)
    return time.monotonic() - start


def _pair(cluster: Cluster) -> tuple[Worker, Worker]:
    """Two workers that share the partitions and have learned something."""
    first = cluster.worker()
    until(lambda: _owns_all(cluster, first), first.process)
    second = cluster.worker()
    until(lambda: _share(cluster, first, second), second.process)
    chance = random.Random(1)
    with Publisher(cluster.link, 50) as publisher:
        for event in (serving.event(chance) for _ in range(EVENTS)):
            partition = partition_of(event["user_id"], PARTITIONS)
            publisher.add(cluster.topics.events, partition, json.dumps(event).encode())
        publisher.flush()
    time.sleep(3)
    return first, second


def _owned(cluster: Cluster, worker: Worker) -> int:
    return sum(topic == cluster.topics.events for topic, _ in worker.positions())


def _owns_all(cluster: Cluster, worker: Worker) -> bool:
    return _owned(cluster, worker) == PARTITIONS


def _share(cluster: Cluster, first: Worker, second: Worker) -> bool:
    owned = _owned(cluster, first), _owned(cluster, second)
    return min(owned) > 0 and sum(owned) == PARTITIONS
