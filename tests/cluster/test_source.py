"""The Faust source on a real broker: every offset once and in order, whatever happens.

The oracle is a replay of the log by a plain consumer: the toy's digest over (offset, value) must
be the same, so that nothing was lost, repeated or swapped with respect to its snapshots.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.admin import KafkaAdminClient

from deploy.local.kafka import Broker
from tests.cluster.toy_cluster import GUARD_S, ROOT, Toys, make_topics, produce, replay, toys, until


@pytest.fixture
def cluster(kafka: str, namespace: str, tmp_path: Path) -> Iterator[Toys]:
    """A topic of four partitions, and toys to read it."""
    make_topics(kafka, **{namespace: 4})
    with toys(kafka, namespace, tmp_path) as group:
        yield group


@pytest.fixture
def seed() -> int:
    chosen = random.randrange(1_000_000)
    print(f"seed {chosen}")
    return chosen


class Produced:
    """Produces while the test goes on. A process: kafka-python leaks sockets at a dead broker."""

    def __init__(self, cluster: Toys, count: int, rate: float) -> None:
        work = (cluster.bootstrap, cluster.topic, count, rate)
        code = f"from tests.cluster.toy_cluster import produce; produce(*{work!r})"
        self.process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT)
        cluster.helpers.append(self.process)

    def join(self) -> None:
        assert self.process.wait(180) == 0


def handled(cluster: Toys, count: float, topic: str | None = None) -> Callable[[], bool]:
    return lambda: cluster.handled(topic) >= count


def finish(cluster: Toys, count: int) -> None:
    """Wait until all is handled, stop every worker, and compare with the replay."""
    until(lambda: cluster.handled() >= count)
    while len(cluster.running) > 1:
        cluster.stop(cluster.running[0])
    # Whoever is left owns all, from the last snapshots on.
    [last] = cluster.running
    until(lambda: cluster.loaded(last) == 4)
    until(lambda: cluster.handled() >= count)
    cluster.stop(last)
    saved, truth = cluster.saved(), replay(cluster.bootstrap, cluster.topic)
    assert {p: s["next"] for p, s in saved.items()} == {p: s["next"] for p, s in truth.items()}
    assert saved == truth
    assert sum(state["count"] for state in saved.values()) == count


def commit_to(cluster: Toys, *offsets: int) -> None:
    """Tell the broker wrong offsets for the partitions of the toys' group."""
    consumer = KafkaConsumer(bootstrap_servers=cluster.bootstrap, group_id=f"{cluster.topic}-toy")
    wrong = {TopicPartition(cluster.topic, p): offset for p, offset in enumerate(offsets)}
    consumer.assign(list(wrong))
    consumer.commit({tp: OffsetAndMetadata(offset, "", -1) for tp, offset in wrong.items()})
    consumer.close()


def snapshot(cluster: Toys, partition: int, offset: int) -> None:
    state = {"next": offset, "count": 0, "digest": "", "mark": None}
    path = cluster.folder / f"{cluster.topic}-{partition}.{offset:012d}"
    path.write_text(json.dumps(state))


def test_kill_9_loses_nothing_and_repeats_nothing(cluster: Toys, full: bool, seed: int) -> None:
    chance = random.Random(seed)
    count, kills = (50_000, 10) if full else (6_000, 3)
    produced = Produced(cluster, count, 1_500)
    worker = cluster.start("--instance", "one")
    for kill in range(1, kills + 1):
        until(handled(cluster, count * kill / (kills + 2)))
        time.sleep(chance.random() * 0.1)
        cluster.kill(worker)
        worker = cluster.start("--instance", "one")
    produced.join()
    finish(cluster, count)


def test_workers_join_and_leave(cluster: Toys, full: bool) -> None:
    count = 40_000 if full else 5_000
    produced = Produced(cluster, count, 1_500)
    first = cluster.start("--load-s", "0.1")
    until(lambda: cluster.handled() > count / 10)
    cluster.start("--load-s", "0.1")
    until(lambda: sum(line["partitions"] == 2 for line in cluster.log("assigned")) >= 2)
    until(lambda: cluster.handled() > count / 2)
    cluster.stop(first)
    produced.join()
    finish(cluster, count)


def test_a_load_longer_than_the_session_is_not_taken_away(cluster: Toys) -> None:
    produce(cluster.bootstrap, cluster.topic, 400)
    cluster.start("--session-s", "3", "--load-s", "4.5")
    finish(cluster, 400)
    assert len(cluster.log("loaded")) == 1


def test_a_zombie_takes_no_part(cluster: Toys, full: bool) -> None:
    """Stopped beyond its session, another takes over; continued, it joins again."""
    count = 30_000 if full else 5_000
    zombie = cluster.start()
    until(lambda: cluster.log("loaded"))
    produced = Produced(cluster, count, 1_000)
    until(lambda: cluster.handled() > count / 10)
    zombie.send_signal(signal.SIGSTOP)
    other = cluster.start()

    def takes_all(line: dict[str, Any]) -> bool:
        return line["pid"] == other.pid and line["partitions"] == 4

    until(lambda: any(takes_all(line) for line in cluster.log("assigned")))
    time.sleep(0.3)
    zombie.send_signal(signal.SIGCONT)
    until(lambda: cluster.log("assigned")[-1]["partitions"] == 2)
    produced.join()
    finish(cluster, count)


def test_wrong_committed_offsets_change_nothing(cluster: Toys) -> None:
    """With a snapshot (at 200) and without one: below, between, at the end, beyond it."""
    produce(cluster.bootstrap, cluster.topic, 800)
    commit_to(cluster, 0, 90, 200, 5_000)
    worker = cluster.start()
    until(lambda: cluster.handled() >= 800)
    cluster.stop(worker)
    produce(cluster.bootstrap, cluster.topic, 400)
    commit_to(cluster, 0, 250, 300, 5_000)
    cluster.start()
    finish(cluster, 1_200)


def test_it_begins_at_the_snapshots_position(cluster: Toys) -> None:
    produce(cluster.bootstrap, cluster.topic, 400)
    for partition in range(4):
        snapshot(cluster, partition, 30)
    worker = cluster.start()
    until(lambda: cluster.handled() >= 280)
    cluster.stop(worker)
    assert cluster.saved() == replay(cluster.bootstrap, cluster.topic, begin=30)


def test_holes_of_transactions_are_passed_and_counted(cluster: Toys) -> None:
    async def transactions() -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=cluster.bootstrap, transactional_id=f"x-{cluster.topic}"
        )
        await producer.start()
        for number in range(20):
            async with producer.transaction():
                for n in range(3):
                    await producer.send(cluster.topic, b"%d" % n, partition=number % 4)
            if number == 10:
                until(lambda: cluster.handled() == 33)
        await producer.stop()

    cluster.start()
    asyncio.run(transactions())
    finish(cluster, 60)
    # the marker after the last transaction of each partition is not seen: nothing follows it
    assert cluster.counts()["holes"] == 16


@pytest.mark.parametrize("saved", [10, None], ids=["snapshot", "none"])
def test_retention_passed_the_snapshot_and_it_says_so(cluster: Toys, saved: int | None) -> None:
    produce(cluster.bootstrap, cluster.topic, 400)
    if saved is not None:
        snapshot(cluster, 2, saved)
    admin = KafkaAdminClient(bootstrap_servers=cluster.bootstrap)
    admin.delete_records({TopicPartition(cluster.topic, 2): 40})
    admin.close()
    worker = cluster.start()
    assert worker.wait(GUARD_S) == 1
    cluster.running.remove(worker)
    assert (
        f"{cluster.topic}/2 holds offsets 40 to 100, but {saved or 0} is next" in cluster.errors()
    )


def test_a_log_that_ends_below_the_snapshot_is_refused(cluster: Toys) -> None:
    produce(cluster.bootstrap, cluster.topic, 400)
    snapshot(cluster, 1, 101)
    worker = cluster.start()
    assert worker.wait(GUARD_S) == 1
    cluster.running.remove(worker)
    assert "holds offsets 0 to 100, but 101 is next" in cluster.errors()


def test_an_error_of_the_handler_ends_the_process(cluster: Toys) -> None:
    produce(cluster.bootstrap, cluster.topic, 400)
    worker = cluster.start("--fail-at", "60")
    assert worker.wait(GUARD_S) == 1
    cluster.running.remove(worker)
    assert "ValueError: as the test asked" in cluster.errors()
    cluster.start()
    finish(cluster, 400)


def test_an_unreachable_broker_ends_the_process(tmp_path: Path) -> None:
    with toys("127.0.0.1:1", "nowhere", tmp_path) as group:
        worker = group.start()
        assert worker.wait(GUARD_S) == 1
        group.running.remove(worker)
        assert "the worker ends" in group.errors()


def test_it_stops_without_a_broker_and_saves(
    new_broker: Callable[..., Broker], namespace: str, tmp_path: Path, full: bool
) -> None:
    if not full:
        pytest.skip("a broker of its own takes long; --full")
    broker = new_broker()
    make_topics(broker.bootstrap, **{namespace: 4})
    with toys(broker.bootstrap, namespace, tmp_path) as group:
        produce(broker.bootstrap, namespace, 400)
        worker = group.start()
        until(lambda: group.handled() >= 400)
        broker.kill()
        assert group.stop(worker) < 15
        assert sum(state["count"] for state in group.saved().values()) == 400


def test_a_killed_broker_stops_nobody(
    new_broker: Callable[..., Broker], namespace: str, tmp_path: Path, full: bool
) -> None:
    if not full:
        pytest.skip("a broker's restart takes long; --full")
    broker = new_broker()
    make_topics(broker.bootstrap, **{namespace: 4})
    with toys(broker.bootstrap, namespace, tmp_path) as group:
        produced = Produced(group, 20_000, 800)
        group.start()
        group.start()
        for share in (0.2, 0.5):
            until(handled(group, 20_000 * share))
            broker.kill()
            time.sleep(2)
            broker.start()
        produced.join()
        finish(group, 20_000)


def test_two_stages_in_one_process(
    cluster: Toys, kafka: str, full: bool, fresh_namespace: Callable[[], str]
) -> None:
    """Killed with both stages inside; what the second applied is every event once."""
    count = 30_000 if full else 3_000
    out = fresh_namespace()
    make_topics(kafka, **{out: 1})
    options = ("--stage", "relay+chain", "--out", out)
    produced = Produced(cluster, count, 1_000)
    for share in (0.2, 0.5):
        worker = cluster.start(*options, "--instance", "one")
        until(handled(cluster, count * share, out))
        cluster.kill(worker)
    worker = cluster.start(*options, "--instance", "one")
    produced.join()
    until(lambda: cluster.loaded(worker, out) == 1)
    until(lambda: cluster.handled(out) >= count)
    finish(cluster, count)
    assert cluster.saved(out)[0]["count"] == count
    assert cluster.log("gap") == []


@pytest.mark.full
def test_latency(cluster: Toys) -> None:
    """Printed, not asserted: producer's send to the handler, at 200 records a second."""
    worker = cluster.start("--latency")
    until(lambda: cluster.log("loaded"))
    produce(cluster.bootstrap, cluster.topic, 500, rate=200)
    until(lambda: cluster.handled() >= 500)
    took = cluster.stop(worker)
    late = sorted(cluster.log("stopped")[0]["late"])[50:]
    cuts = statistics.quantiles(late, n=100)
    print(f"p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, stopped in {took:.2f} s")
