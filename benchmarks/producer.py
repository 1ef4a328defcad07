"""Our Kafka producer, in envelopes and one by one: `python -m benchmarks.producer [HOST:PORT]`.

Without an address a broker of its own is started. Acknowledged events by the wall clock, medians
of three runs after one that warms up; the raw client sends the same bytes beside it.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kafka import KafkaProducer

from benchmarks.record import Figure, record
from deploy.local.kafka import Broker
from models.settings import LearningSettings
from producers.publisher import Publisher
from stream.kafka import topics
from stream.kafka.envelopes import chunks, pack, partition_of
from stream.kafka.layout import Layout
from stream.kafka.names import Topics
from stream.kafka.security import Link
from stream.manifest import Manifest

PARTITIONS, USERS, RUNS = 12, 20_000, 3
ENVELOPED, SINGLE = 600_000, 60_000

Events = list[tuple[str, bytes]]


def main() -> int:
    with broker() as link:
        names = Topics(f"bench-{time.time_ns()}")
        manifest = Manifest(partitions=PARTITIONS)
        topics.create(link, names, Layout(partitions=PARTITIONS), manifest, LearningSettings())
        events = made(ENVELOPED)
        figures = [
            Figure(
                "producer, envelopes of 100, 130-byte events",
                median(lambda: ours(link, names, events, 100)), 300_000, "events/s",
            ),
            Figure(
                "producer, single events",
                median(lambda: ours(link, names, events[:SINGLE], 1)), 20_000, "events/s",
            ),
            Figure(
                "kafka-python, ready-made envelopes of 100",
                median(lambda: raw(link, names, events)), None, "events/s",
            ),
        ]  # fmt: skip
    return 0 if record("producer", figures) else 1


@contextmanager
def broker() -> Iterator[Link]:
    """The broker named on the command line, or one of our own."""
    if len(sys.argv) > 1:
        yield Link(sys.argv[1])
        return
    with tempfile.TemporaryDirectory() as folder:
        server = Broker(Path(folder) / "kafka")
        server.start()
        try:
            server.await_ready()
            yield Link(server.bootstrap)
        finally:
            server.kill()


def made(count: int) -> Events:
    chance = random.Random(1)
    users = [f"u{chance.randrange(USERS)}" for _ in range(count)]
    return [
        (
            user,
            b'{"type":"view","user_id":"%s","item_id":"i%d","event_id":"bench:%d",'
            b'"timestamp":1763800000.25,"context":{"page":"home"}}'
            % (user.encode(), at % 1_000, at),
        )
        for at, user in enumerate(users)
    ]


def median(run: Callable[[], float]) -> float:
    run()
    return statistics.median(run() for _ in range(RUNS))


def ours(link: Link, names: Topics, events: Events, envelope: int) -> float:
    with Publisher(link, envelope) as publisher:
        start = time.monotonic()
        for user_id, body in events:
            publisher.add(names.events, partition_of(user_id, PARTITIONS), body)
        publisher.flush()
        took = time.monotonic() - start
        assert publisher.acknowledged == len(events)
    return len(events) / took


def raw(link: Link, names: Topics, events: Events) -> float:
    """The library with the same settings, its records packed beforehand."""
    values = [pack(lot) for lot in chunks([body for _, body in events], 100)]
    producer = KafkaProducer(
        acks="all", enable_idempotence=True, linger_ms=5, batch_size=262_144,
        compression_type="lz4", **link.options(),
    )  # fmt: skip
    start = time.monotonic()
    for at, value in enumerate(values):
        producer.send(names.events, value, partition=at % PARTITIONS)
    producer.flush()
    took = time.monotonic() - start
    producer.close()
    return len(events) / took


if __name__ == "__main__":
    sys.exit(main())
