"""A cluster to break: servers, workers under a supervisor, API processes, and the oracle."""

from __future__ import annotations

import functools
import gc
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from kafka import KafkaConsumer
from kafka.admin import KafkaAdminClient
from kafka.structs import OffsetAndMetadata, TopicPartition

from config.cluster import Parts, offline
from config.load import load
from deploy.local.kafka import QUICK, Broker
from deploy.local.kafka import brokers as several
from deploy.local.processes import Server, ServerMissing, free_port
from deploy.local.redis import Redis
from stream.cluster.offline import TopicReader
from stream.kafka.envelopes import unpack
from stream.source import TP
from tests.chaos.load import Load
from tests.chaos.tcp_proxy import Proxy
from tests.conftest import missing

ROOT = Path(__file__).parents[2]
PARTITIONS, USERS, ITEMS = 3, 60, 80
_GUARD_S = 120.0
# Three brokers on two cores: one that is starved for some seconds is not dead.
_PATIENT = {"broker.session.timeout.ms": "9000", "broker.heartbeat.interval.ms": "1000"}


def eventually(check: Callable[[], bool], otherwise: str) -> None:
    """Wait until `check` holds; the guard is ten times what it should take."""
    end = time.monotonic() + _GUARD_S
    while not check():
        assert time.monotonic() < end, otherwise
        time.sleep(0.03)


class Freshet(Server):
    """A process of ours, started again after a pause when it ends by itself with an error."""

    def __init__(self, folder: Path, name: str, environ: dict[str, str], *arguments: str) -> None:
        command = [sys.executable, "-m", "config.cli.main", *arguments]
        super().__init__(command, folder / f"{name}.out", environ)
        self.wanted = False
        self.restarts = 0

    def start(self) -> None:
        self.wanted = True
        super().start()

    def stop(self, timeout_s: float = 20.0) -> None:
        self.wanted = False
        super().stop(timeout_s)

    def kill(self) -> None:
        self.wanted = False
        super().kill()

    def mind(self) -> None:
        """Start it again if it has ended though it is wanted."""
        if self.wanted and not self.running():
            self.restarts += 1
            super().start()


class Rig:
    """One namespace on servers of its own. With `proxies`, clients reach both through them.

    With three brokers every topic is on all of them, and one may be away.
    """

    def __init__(
        self, folder: Path, *, proxies: bool = False, brokers: int = 1, **more: str
    ) -> None:
        self.folder = folder
        advertised, redis_port = (free_port() if proxies else None), free_port()
        self.brokers = (
            several(folder, brokers, {**QUICK, **_PATIENT})
            if brokers > 1
            else [Broker(folder / "kafka", properties=QUICK, advertised=advertised)]
        )
        self.broker = self.brokers[0]
        self.redis = Redis(folder / "redis")
        self.kafka_proxy = Proxy(advertised, self.broker.port) if advertised else None
        self.redis_proxy = Proxy(redis_port, self.redis.port) if proxies else None
        url = f"redis://127.0.0.1:{redis_port}/0" if proxies else self.redis.url
        self.environ = {
            "FRESHET_KAFKA__BOOTSTRAP": ",".join(each.bootstrap for each in self.brokers),
            "FRESHET_KAFKA__REPLICATION": str(brokers),
            "FRESHET_KAFKA__PARTITIONS": str(PARTITIONS),
            "FRESHET_REDIS__URL": url,
            "FRESHET_WORKER__SNAPSHOTS": str(folder / "snapshots"),
            "FRESHET_WORKER__SESSION_TIMEOUT_S": "3",
            "FRESHET_SNAPSHOTS__EVERY_RECORDS": "40",
            "FRESHET_CANARY__EVERY_S": "0",  # what is in the log is counted
            # Lists are compared with those before a fault.
            "FRESHET_LEARNING__EXPLORATION__SHARE": "0",
            **more,
        }
        self.workers: list[Freshet] = []
        self.apis: list[Freshet] = []
        self.urls: list[str] = []
        self._ending = threading.Event()
        self._minding = threading.Thread(target=self._mind, daemon=True)

    def start(self, workers: int = 1, apis: int = 2) -> None:
        for broker in self.brokers:
            broker.start()
        self.redis.start()
        for broker in self.brokers:
            broker.await_ready()
        self.redis.await_ready()
        self.verb("topics", "create")
        for _ in range(workers):
            self.add_worker()
        for number in range(apis):
            port = free_port()
            self.urls.append(f"http://127.0.0.1:{port}")
            self.apis.append(self._process(f"api-{number}", "api", "--port", str(port)))
            self.apis[-1].start()
        for number in range(apis):
            self.await_api(number)
        items = [{"item_id": f"i{n}", "title": f"item {n}"} for n in range(ITEMS)]
        answer = httpx.put(f"{self.urls[0]}/v1/items", json={"items": items}, timeout=60)
        assert answer.status_code == 202, answer.text
        self._minding.start()

    def add_worker(self) -> Freshet:
        name = f"worker-{len(self.workers)}"
        worker = self._process(name, "worker")
        self.workers.append(worker)
        worker.start()
        return worker

    def _process(self, name: str, *arguments: str) -> Freshet:
        environ = {**os.environ, **self.environ, "PYTHONPATH": str(ROOT)}
        return Freshet(self.folder, name, environ, *arguments)

    def _mind(self) -> None:
        while not self._ending.wait(0.5):
            for process in (*self.workers, *self.apis):
                process.mind()

    def await_api(self, number: int) -> None:
        def ready() -> bool:
            try:
                return httpx.get(f"{self.urls[number]}/readyz", timeout=5).status_code == 200
            except httpx.HTTPError:
                return False

        eventually(ready, self.apis[number].tail())

    def stop(self) -> None:
        self._ending.set()
        if self._minding.is_alive():
            self._minding.join(10)
        for process in (*self.workers, *self.apis, *self.brokers, self.redis):
            process.kill()
        for proxy in (self.kafka_proxy, self.redis_proxy):
            if proxy is not None:
                proxy.close()
        gc.collect()  # kafka-python leaves sockets to it; here their warnings are expected

    def verb(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "config.cli.main", *arguments], capture_output=True, text=True,
            timeout=200, env={**os.environ, **self.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def parts(self, **more: str) -> Parts:
        return Parts(load({}, environ={**self.environ, **more}))

    def under_load(self, seed: int, **more: float) -> Load:
        """Clients of all API processes."""
        options: Any = {"pause_s": 0.03, **more}
        sizes = (1, 5, 20, 40)
        return Load(lambda: self.urls, seed, users=USERS, items=ITEMS, sizes=sizes, **options)

    def lists(self, users: int = 20) -> list[tuple[Any, ...]]:
        """What some users are shown, and how, by each API process."""
        return [self.listed(f"u{n}", url) for n in range(users) for url in self.urls]

    def listed(self, user_id: str, url: str | None = None, **query: Any) -> tuple[Any, ...]:
        answer = httpx.get(
            f"{url or self.urls[0]}/v1/users/{user_id}/recommendations", params=query, timeout=20
        )
        assert answer.status_code == 200, answer.text
        told = answer.json()
        items = [(item["item_id"], item["score"]) for item in told["items"]]
        return told["served_by"], told["degraded"], items

    def healthy_lists(self) -> list[tuple[Any, ...]]:
        """The same; asked again where a busy machine made one degraded."""
        found: list[tuple[Any, ...]] = []

        def healthy() -> bool:
            found[:] = self.lists()
            return not any(degraded for _, degraded, _ in found)

        eventually(healthy, "lists are degraded")
        return found

    def is_personal(self) -> bool:
        return all(head[:2] == ("personal", False) for head in self.lists(6))

    def told(self, from_snapshots: bool, **more: str) -> dict[str, Any]:
        """What `freshet state` or `freshet rebuild` says, within this process."""
        parts = self.parts(**more)
        whole, reader = offline(parts), TopicReader(parts.kafka)
        try:
            whole.read(reader, parts.snapshots(True) if from_snapshots else None, lambda _: None)
        finally:
            reader.close()
        return whole.describe()

    def logged(self) -> list[tuple[str, str]]:
        """(user, event id) of every event in the log, repeats too."""
        parts, found = self.parts(), []
        reader = TopicReader(parts.kafka)
        try:
            for number in range(PARTITIONS):
                for record in reader.read(TP(parts.topics.events, number), None):
                    bodies = map(json.loads, unpack(record.value or b""))
                    found += [(b["user_id"], b["event_id"]) for b in bodies if "event_id" in b]
        finally:
            reader.close()
        return found

    def check(self, acknowledged: set[tuple[str, str]]) -> dict[str, Any]:
        """The oracle: nothing acknowledged is lost or learned twice, and the state is the log's."""
        logged = self.logged()
        lost = acknowledged - set(logged)
        assert not lost, f"{len(lost)} acknowledged events are lost, such as {min(lost)}"
        state, rebuilt = dict[str, Any](), dict[str, Any]()

        def learned() -> bool:
            state.update(self.told(True))
            return bool(state["unlearned"] == 0)

        def agreed() -> bool:
            """Lists reach the log a moment after they were answered: perhaps between the two."""
            eventually(learned, "the model has not learned all")
            rebuilt.update(self.told(False))
            return bool(state["positions"] == rebuilt["positions"])

        eventually(agreed, "the log does not come to an end")
        assert state["applied"] == len(set(logged)), "applied is not the number of distinct events"
        repeats = len(logged) - len(set(logged))
        assert state["duplicates"] == repeats, "records were learned twice"
        assert state["dead_letters"] == 0
        assert state == rebuilt, "the state is not the log's"
        return state

    def examples(self) -> int:
        """How many records stage one has sent to stage two."""
        parts = self.parts()
        consumer = KafkaConsumer(group_id=None, **parts.kafka.options())
        try:
            at = TopicPartition(parts.topics.examples, 0)
            return int(consumer.end_offsets([at])[at])
        finally:
            consumer.close()

    def require_fresh(self) -> None:
        """What is posted to one process is in the rows that all of them serve."""
        event = click(f"fresh-{time.time_ns()}", item_id=f"i{time.time_ns() % ITEMS}")
        answer = httpx.post(f"{self.urls[0]}/v1/events", json=event, timeout=30)
        assert answer.status_code == 202, answer.text
        after = {"after": answer.json()["position"], "wait_ms": 5000}
        for url in self.urls:
            eventually(
                functools.partial(self._shows, url, event["item_id"], after), "a click is not shown"
            )

    def _shows(self, url: str, item_id: str, after: dict[str, Any]) -> bool:
        answer = httpx.get(f"{url}/v1/users/u1", params=after, timeout=60)
        return answer.status_code == 200 and answer.json()["history"][0]["item_id"] == item_id

    def leader(self, topic: str, partition: int = 0) -> Broker:
        """The broker that leads a partition."""
        admin = KafkaAdminClient(bootstrap_servers=self.environ["FRESHET_KAFKA__BOOTSTRAP"])
        try:
            [told] = admin.describe_topics([topic])
            node = next(
                each["leader_id"]
                for each in told["partitions"]
                if each["partition_index"] == partition
            )
            return self.brokers[node - 1]
        finally:
            admin.close()

    def metric(self, url: str, name: str) -> float:
        """The sum of a metric over its labels, by an API process."""
        told = httpx.get(f"{url}/metrics", timeout=60).text
        return sum(float(n) for n in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", told, re.MULTILINE))

    def commit(self, offset: int) -> None:
        """Commit one offset for every partition of both groups; no worker may be running."""
        topics = self.parts().topics
        admin = KafkaAdminClient(bootstrap_servers=self.broker.bootstrap)
        try:
            events = [TopicPartition(topics.events, n) for n in range(PARTITIONS)]
            for group, partitions in (
                (topics.profiles_group, [*events, TopicPartition(topics.control, 0)]),
                (topics.model_group, [TopicPartition(topics.examples, 0)]),
            ):
                wanted = {at: OffsetAndMetadata(offset, "", -1) for at in partitions}
                # The group may hold a worker that did not take leave until its session is over.
                eventually(
                    functools.partial(_altered, admin, group, wanted), "offsets are not taken"
                )
        finally:
            admin.close()


def _altered(
    admin: KafkaAdminClient, group: str, wanted: dict[TopicPartition, OffsetAndMetadata]
) -> bool:
    told = admin.alter_group_offsets(group, wanted)
    return all(error.errno == 0 for error in told.values())


def click(name: str, item_id: str = "i1") -> dict[str, str]:
    return {"type": "view", "user_id": "u1", "item_id": item_id, "event_id": name}


@contextmanager
def running(folder: Path, *, proxies: bool = False, brokers: int = 1) -> Iterator[Rig]:
    """A rig that runs; skips where a server's program is missing."""
    try:
        made = Rig(folder, proxies=proxies, brokers=brokers)
    except ServerMissing as error:
        missing(str(error))
        raise
    try:
        made.start()
        yield made
    finally:
        made.stop()
