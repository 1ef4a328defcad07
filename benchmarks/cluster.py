"""The cluster's figures, everything on this machine: `python -m benchmarks.cluster`.

Kafka, Redis, our processes and the load share its processors, so that figures here are below
what machines of their own give. Medians of three runs.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable

from benchmarks import (
    cluster_latency,
    cluster_moves,
    cluster_rows,
    cluster_snapshot,
    cluster_worker,
    producer,
)
from benchmarks.record import Figure, record
from benchmarks.rig import PARTITIONS, Rig, rig
from deploy.local.processes import ServerMissing
from models.settings import LearningSettings
from stream.kafka import topics
from stream.kafka.layout import Layout
from stream.kafka.names import Topics
from stream.kafka.security import Link
from stream.manifest import Manifest

RUNS = 3


def main() -> int:
    try:
        with rig() as made:
            figures = [
                *producing(made), *working(made), *appending(made), *latency(made), *moves(made),
                *snapshots(), *rows(made),
            ]  # fmt: skip
    except ServerMissing as error:
        print(f"the cluster's part is left out: {error}")
        return 0
    return 0 if record("cluster", figures) else 1


def producing(made: Rig) -> list[Figure]:
    link = Link(made.broker.bootstrap)
    names, manifest = Topics("producing"), Manifest(partitions=PARTITIONS)
    topics.create(link, names, Layout(partitions=PARTITIONS), manifest, LearningSettings())
    events = producer.made(producer.ENVELOPED)
    few = events[: producer.SINGLE]
    enveloped = producer.median(lambda: producer.ours(link, names, events, 100))
    single = producer.median(lambda: producer.ours(link, names, few, 1))
    raw = producer.median(lambda: producer.raw(link, names, events))
    return [
        Figure("producer, envelopes of 100", enveloped, 300_000, "events/s"),
        Figure("producer, single events", single, 20_000, "events/s"),
        Figure("raw client, ready-made envelopes of 100", raw, None, "events/s"),
    ]


def working(made: Rig) -> list[Figure]:
    with made.cluster() as cluster:
        one = median(cluster_worker.backlogs(cluster, [()], RUNS))
    with made.cluster() as cluster:
        stages = [("--only", "profiles"), ("--only", "model")]
        two = median(cluster_worker.backlogs(cluster, stages, RUNS))
    return [
        Figure("worker, both stages, envelopes of 50", one, 10_000, "events/s"),
        Figure("two workers, a stage each, envelopes of 50", two, None, "events/s"),
    ]


def appending(made: Rig) -> list[Figure]:
    with made.cluster() as cluster:
        url = cluster.api()
        http = repeated(lambda: cluster_worker.append_over_http(url))
    return [Figure("HTTP to Kafka, batches of 100", http, 5_000, "events/s")]


def latency(made: Rig) -> list[Figure]:
    runs = []
    for _ in range(RUNS):
        with made.cluster() as cluster:
            runs.append(cluster_latency.measure(cluster))

    def of(name: str, share: float) -> float:
        return statistics.median(cluster_latency.at(run[name], share) for run in runs)

    load = "at 500 events/s"
    return [
        Figure(f"{load}: accepted to own next list, p50", of("own", 0.5), 40, "ms", "lower"),
        Figure(f"{load}: accepted to own next list, p99", of("own", 0.99), 150, "ms", "lower"),
        Figure(f"{load}: accepted to others, p50", of("others", 0.5), None, "ms", "lower"),
        Figure(f"{load}: accepted to others, p99", of("others", 0.99), 1_000, "ms", "lower"),
        Figure(f"{load}: recommendations, p50", of("recommend", 0.5), None, "ms", "lower"),
        Figure(f"{load}: recommendations, p99", of("recommend", 0.99), None, "ms", "lower"),
    ]


def moves(made: Rig) -> list[Figure]:
    stopped, clean, killed = [], [], []
    for _ in range(RUNS):
        with made.cluster() as cluster:
            took_s, moved_s = cluster_moves.after_stop(cluster)
            stopped.append(took_s)
            clean.append(moved_s)
        with made.cluster() as cluster:
            killed.append(cluster_moves.after_kill(cluster))
    return [
        Figure("worker, SIGTERM to its end", median(stopped), 10, "s", "lower"),
        Figure("clean stop to all partitions owned", median(clean), 3, "s", "lower"),
        Figure("kill -9 to all partitions owned", median(killed), 10, "s", "lower"),
    ]


def snapshots() -> list[Figure]:
    held, written = cluster_snapshot.measure(RUNS)
    name = "snapshot, 100k users x 10k items"
    return [
        Figure(f"{name}: copied, on the hot path", held, None, "s", "lower"),
        Figure(f"{name}: copied and written", held + written, 2, "s", "lower"),
    ]


def rows(made: Rig) -> list[Figure]:
    """Once: what Redis allocates is the same every time."""
    found = cluster_rows.measure(made.redis.url)
    bare, history = "row of 1,000,000 users, no history", "row of 100,000 users, 100 items"
    return [
        Figure(bare, found["bare"], 1_024, "bytes", "lower"),
        Figure(history, found["history"], None, "bytes", "lower"),
    ]


def median(values: list[float]) -> float:
    return statistics.median(values)


def repeated(run: Callable[[], float]) -> float:
    return median([run() for _ in range(RUNS)])


if __name__ == "__main__":
    sys.exit(main())
