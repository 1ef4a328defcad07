"""What the tests of the source share: topics, toy workers as processes, and the oracle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

from tests.cluster.toy_worker import folded

ROOT = Path(__file__).parents[2]
#: Ten times what anything should take: a worker imports for seconds before it does its first thing.
GUARD_S = 150.0


def make_topics(bootstrap: str, **partitions: int) -> None:
    """Create topics and wait until every partition has a leader."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics([NewTopic(name, count, 1) for name, count in partitions.items()])
    until(
        lambda: (
            sum(len(t["partitions"]) for t in admin.describe_topics(list(partitions)))
            == sum(partitions.values())
        )
    )
    admin.close()


def make_producer(bootstrap: str) -> KafkaProducer:
    return KafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        linger_ms=2,
        reconnect_backoff_max_ms=1000,
    )


def produce(bootstrap: str, topic: str, count: int, rate: float = 1e9, size: int = 100) -> None:
    """Send `count` records to all partitions in turn, about `rate` a second."""
    producer = make_producer(bootstrap)
    partitions = len(producer.partitions_for(topic))
    began = time.monotonic()
    for n in range(count):
        while n > (time.monotonic() - began) * rate:
            time.sleep(0.002)
        value = b"%d " % n + os.urandom(size)
        producer.send(topic, value, key=b"%d" % time.time_ns(), partition=n % partitions)
    producer.flush(60)
    producer.close()


def until(met: Callable[[], Any]) -> None:
    deadline = time.monotonic() + GUARD_S
    while not met():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def heeds(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def replay(bootstrap: str, topic: str, begin: int = 0) -> dict[int, dict[str, Any]]:
    """The oracle: what a toy that saw every record once must have, per partition."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    partitions = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic) or ()]
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    consumer.seek_to_beginning(*partitions)
    states = {tp.partition: {"next": None, "count": 0, "digest": ""} for tp in partitions}
    while any(consumer.position(tp) < ends[tp] for tp in partitions):
        for tp, records in consumer.poll(200).items():
            state: dict[str, Any] = states[tp.partition]
            for record in records:
                if record.offset >= begin:
                    state["count"] += 1
                    state["digest"] = folded(state["digest"], record.offset, record.value)
                    state["next"] = record.offset + 1
    consumer.close()
    return states


class Toys:
    """Worker processes that share a folder of snapshots."""

    def __init__(self, bootstrap: str, topic: str, folder: Path) -> None:
        self.bootstrap, self.topic, self.folder = bootstrap, topic, folder
        self.running: list[subprocess.Popen[bytes]] = []
        self.helpers: list[subprocess.Popen[bytes]] = []  # ended with the test, too

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        command = [
            sys.executable, "-W", "ignore", str(ROOT / "tests/cluster/toy_worker.py"),
            self.bootstrap, self.topic, self.topic, str(self.folder), *options,
        ]  # fmt: skip
        with (self.folder / "stderr").open("ab") as errors:
            worker = subprocess.Popen(
                command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=errors, cwd=self.folder
            )
        self.running.append(worker)
        return worker

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        worker.kill()
        worker.wait()
        self.running.remove(worker)

    def stop(self, worker: subprocess.Popen[bytes]) -> float:
        """SIGTERM; return the seconds it took. A worker must end by itself, and with 0."""
        until(lambda: heeds(worker.pid, signal.SIGTERM))  # one just started imports first
        began = time.monotonic()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(GUARD_S) == 0, self.errors()
        self.running.remove(worker)
        return time.monotonic() - began

    def log(self, what: str) -> list[dict[str, Any]]:
        """What all processes wrote of a kind, in the order of time."""
        lines = [
            {**json.loads(line), "pid": int(path.stem)}
            for path in self.folder.glob("*.log")
            for line in path.read_text().splitlines()
        ]
        return sorted((x for x in lines if x["what"] == what), key=lambda x: float(x["at"]))

    def loaded(self, worker: subprocess.Popen[bytes], topic: str | None = None) -> int:
        """How many partitions of a topic a worker loaded last.

        Until then their progress is that of who had them before, and may have been killed.
        """
        prefix = f"{topic or self.topic}-"
        mine = [line["next"] for line in self.log("loaded") if line["pid"] == worker.pid]
        return next(
            (len(new) for new in reversed(mine) if any(tp.startswith(prefix) for tp in new)), 0
        )

    def errors(self) -> str:
        return (self.folder / "stderr").read_text()

    def progress(self, topic: str | None = None) -> dict[int, dict[str, Any]]:
        """The newest state of every partition, saved or not."""
        found = {}
        for path in self.folder.glob(f"{topic or self.topic}-*.progress"):
            found[int(path.stem.rpartition("-")[2])] = json.loads(path.read_text())
        return found

    def handled(self, topic: str | None = None) -> int:
        return sum(state["count"] for state in self.progress(topic).values())

    def saved(self, topic: str | None = None) -> dict[int, dict[str, Any]]:
        """The newest snapshot of every partition."""
        found: dict[int, dict[str, Any]] = {}
        for path in sorted(self.folder.glob(f"{topic or self.topic}-*.0*")):
            state = json.loads(path.read_text())
            state.pop("mark", None)
            found[int(path.stem.rpartition("-")[2])] = state
        return found

    def counts(self) -> dict[str, int]:
        """The sources' own counts, of all that were stopped in order."""
        total: dict[str, int] = {}
        for line in self.log("stopped"):
            for name, count in line["counts"].items():
                total[name] = total.get(name, 0) + count
        return total


@contextmanager
def toys(bootstrap: str, topic: str, folder: Path) -> Iterator[Toys]:
    group = Toys(bootstrap, topic, folder)
    try:
        yield group
    finally:
        for worker in group.running + group.helpers:
            worker.kill()
            worker.wait()
