"""A cluster of its own for the benchmarks: Kafka, Redis and processes of ours, all local."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from deploy.local.kafka import Broker
from deploy.local.processes import Server, ServerFailed, free_port
from deploy.local.redis import Redis
from models.settings import LearningSettings
from stream.kafka import topics
from stream.kafka.layout import Layout
from stream.kafka.names import Topics
from stream.kafka.security import Link
from stream.manifest import Manifest

PARTITIONS = 12
# What has not happened by then will not.
_GUARD_S = 300.0
_SAMPLE = re.compile(r'^(\w+)\{partition="(\d+)",topic="([^"]+)"\} (\S+)$', re.MULTILINE)


class Worker:
    """A worker process and what its metrics say."""

    def __init__(self, process: Server, port: int) -> None:
        self.process = process
        self._url = f"http://127.0.0.1:{port}/metrics"

    def text(self) -> str:
        try:
            return httpx.get(self._url, timeout=5).text
        except httpx.TransportError:
            return ""

    def positions(self) -> dict[tuple[str, int], int]:
        """Next offset by topic and partition, of what it owns and has loaded."""
        return {
            (topic, int(partition)): int(float(value))
            for name, partition, topic, value in _SAMPLE.findall(self.text())
            if name == "freshet_worker_position"
        }


class Cluster:
    """One namespace over the rig's servers."""

    def __init__(self, bootstrap: str, redis_url: str, folder: Path, name: str) -> None:
        self.link = Link(bootstrap)
        self.topics = Topics(name)
        self._folder = folder
        self._environ = {
            **os.environ,
            "FRESHET_KAFKA__BOOTSTRAP": bootstrap,
            "FRESHET_KAFKA__PARTITIONS": str(PARTITIONS),
            "FRESHET_REDIS__URL": redis_url,
            "FRESHET_CORE__NAMESPACE": name,
            "FRESHET_WORKER__SNAPSHOTS": str(folder / f"snapshots-{name}"),
        }
        self._started: list[Server] = []
        manifest = Manifest(partitions=PARTITIONS)
        layout = Layout(partitions=PARTITIONS)
        topics.create(self.link, self.topics, layout, manifest, LearningSettings())

    def worker(self, *arguments: str) -> Worker:
        port = free_port()
        more = {"FRESHET_WORKER__METRICS_PORT": str(port)}
        return Worker(self._start(["worker", *arguments], more), port)

    def api(self) -> str:
        """Start an API process; its address once it is ready."""
        port = free_port()
        process = self._start(["api", "--port", str(port)], {})
        url = f"http://127.0.0.1:{port}"
        until(lambda: _ready(url), process)
        return url

    def _start(self, arguments: list[str], more: dict[str, str]) -> Server:
        command = [sys.executable, "-m", "config.cli.main", *arguments]
        log = self._folder / f"{self.topics.events}-{len(self._started)}-{arguments[0]}.log"
        process = Server(command, log, {**self._environ, **more})
        self._started.append(process)
        process.start()
        return process

    def stop(self) -> None:
        for process in self._started:
            process.kill()


class Rig:
    """A broker and a Redis, and namespaces over them."""

    def __init__(self, folder: Path) -> None:
        self.broker = Broker(folder / "kafka")
        self.redis = Redis(folder / "redis")
        self._folder = folder

    @contextmanager
    def cluster(self) -> Iterator[Cluster]:
        name = f"bench{time.time_ns()}"
        made = Cluster(self.broker.bootstrap, self.redis.url, self._folder, name)
        try:
            yield made
        finally:
            made.stop()


@contextmanager
def rig() -> Iterator[Rig]:
    """Raises ServerMissing where Java, Maven or Redis is not there."""
    with tempfile.TemporaryDirectory() as folder:
        made = Rig(Path(folder))
        try:
            for server in (made.broker, made.redis):
                server.start()
            made.broker.await_ready()
            made.redis.await_ready()
            yield made
        finally:
            made.broker.kill()
            made.redis.kill()


def until(check: Callable[[], bool], process: Server | None = None, pause_s: float = 0.02) -> None:
    """Return when `check` holds. Raises ServerFailed when the process ends or it never does."""
    end = time.monotonic() + _GUARD_S
    while not check():
        if process is not None and not process.running():
            raise ServerFailed(process.tail())
        if time.monotonic() > end:
            raise ServerFailed("it did not come true: " + (process.tail() if process else ""))
        time.sleep(pause_s)


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False
