"""A backlog worked off by workers, and appends over HTTP."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx
from kafka import KafkaConsumer, TopicPartition

from benchmarks import serving
from benchmarks.rig import PARTITIONS, Cluster, Worker, until
from producers.publisher import Publisher
from stream.kafka.envelopes import partition_of

BACKLOG, ENVELOPE, BURST = 50_000, 50, 20_000


def backlogs(cluster: Cluster, workers: Sequence[Sequence[str]], runs: int) -> list[float]:
    """Events/s of some runs, from the first event published to the last one learned.

    Learned: rows and embeddings are in Redis. The workers are up and warm before.
    """
    started = [cluster.worker(*arguments) for arguments in workers]
    chance = random.Random(1)
    _publish(cluster, chance, 2_000)
    _await_learned(cluster, started)
    found = []
    for _ in range(runs):
        start = time.monotonic()
        _publish(cluster, chance, BACKLOG)
        _await_learned(cluster, started)
        found.append(BACKLOG / (time.monotonic() - start))
    return found


def _publish(cluster: Cluster, chance: random.Random, count: int) -> None:
    with Publisher(cluster.link, ENVELOPE) as publisher:
        for event in (serving.event(chance) for _ in range(count)):
            partition = partition_of(event["user_id"], PARTITIONS)
            body = json.dumps({**event, "event_id": f"{chance.getrandbits(62):x}"}).encode()
            publisher.add(cluster.topics.events, partition, body)
        publisher.flush()


def _await_learned(cluster: Cluster, workers: list[Worker]) -> None:
    """Stage one first: until it is through, `examples` has not got its end."""
    events = [(cluster.topics.events, n) for n in range(PARTITIONS)]
    _await_reached(cluster, workers, events)
    _await_reached(cluster, workers, [(cluster.topics.examples, 0)])
    until(lambda: not any(_embeddings_wait(worker) for worker in workers))


def _await_reached(cluster: Cluster, workers: list[Worker], tps: list[tuple[str, int]]) -> None:
    wanted = _ends(cluster, tps)

    def reached() -> bool:
        now: dict[tuple[str, int], int] = {}
        for worker in workers:
            now |= worker.positions()
        return all(now.get(tp, -1) >= end for tp, end in wanted.items())

    until(reached, workers[0].process)


def _ends(cluster: Cluster, tps: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
    consumer = KafkaConsumer(group_id=None, **cluster.link.options())
    try:
        ends = consumer.end_offsets([TopicPartition(*tp) for tp in tps])
    finally:
        consumer.close()
    return {(tp.topic, tp.partition): end for tp, end in ends.items()}


def _embeddings_wait(worker: Worker) -> bool:
    return any(
        line.startswith("freshet_worker_embeddings_waiting{") and not line.endswith(" 0.0")
        for line in worker.text().splitlines()
    )


def append_over_http(url: str) -> float:
    """Accepted events/s in batches of 100 over four connections, bodies made beforehand."""
    chance = random.Random(time.time_ns())
    bodies = [
        json.dumps({"events": [serving.event(chance) for _ in range(serving.BATCH)]})
        for _ in range(BURST // serving.BATCH)
    ]
    headers = {"content-type": "application/json"}
    with httpx.Client(base_url=url, timeout=60) as client, ThreadPoolExecutor(4) as pool:
        start = time.monotonic()
        for answer in pool.map(
            lambda body: client.post("/v1/events", content=body, headers=headers), bodies
        ):
            answer.raise_for_status()
        return BURST / (time.monotonic() - start)
