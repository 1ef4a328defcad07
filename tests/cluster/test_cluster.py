"""The whole cluster as a user has it: topics, a worker, two API processes, kills, one state."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from config.cli.main import main
from config.cluster import Parts
from config.load import load
from deploy.local.processes import free_port
from stream.cluster.offline import TopicReader
from stream.source import TP

EVENTS, USERS, ITEMS = 600, 30, 40
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
_GUARD_S = 150.0


@dataclass
class Cluster:
    """One namespace over the session's servers, and the processes started for it."""

    environment: dict[str, str]
    folder: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    clients: list[httpx.Client] = field(default_factory=list)

    def verb(self, *arguments: str, code: int = 0) -> str:
        """What a verb prints, in this process: a new one would spend seconds on starting."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr(sys, "argv", ["freshet", *arguments])
            for name, value in self.environment.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main()
        assert (ended.value.code or 0) == code, err.getvalue()
        return out.getvalue()

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "config.cli.main", *arguments]
        with (self.folder / f"{len(self.started)}-{arguments[0]}.log").open("wb") as out:
            process = subprocess.Popen(command, env=self.environment, stderr=out, stdout=out)
        self.started.append(process)
        return process

    def api(self, ready: bool = True) -> httpx.Client:
        port = free_port()
        self.start("api", "--port", str(port))
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
        self.clients.append(client)
        if ready:
            eventually(lambda: _ready(client))
        return client

    def state(self, *more: str) -> dict[str, Any]:
        return dict(json.loads(self.verb("state", "--kafka", self.bootstrap, "--json", *more)))

    @property
    def bootstrap(self) -> str:
        return self.environment["FRESHET_KAFKA__BOOTSTRAP"]

    def stop(self) -> None:
        for client in self.clients:
            client.close()
        for process in self.started:
            process.kill()
            process.wait()


@pytest.fixture
def cluster(kafka: str, redis_url: str, tmp_path: Path) -> Iterator[Cluster]:
    with running(kafka, redis_url, tmp_path) as made:
        yield made


@contextmanager
def running(kafka: str, redis_url: str, folder: Path, **more: str) -> Iterator[Cluster]:
    environment = {
        **os.environ,
        "FRESHET_KAFKA__BOOTSTRAP": kafka,
        "FRESHET_KAFKA__PARTITIONS": "3",
        "FRESHET_REDIS__URL": redis_url,
        "FRESHET_CORE__NAMESPACE": f"t{time.time_ns()}",
        "FRESHET_WORKER__SNAPSHOTS": str(folder / "snapshots"),
        "FRESHET_WORKER__SESSION_TIMEOUT_S": "3",
        "FRESHET_SNAPSHOTS__EVERY_RECORDS": "40",
        "FRESHET_CANARY__EVERY_S": "0",  # what is in the log is counted
        **more,
    }
    made = Cluster(environment, folder)
    try:
        made.verb("topics", "create")
        yield made
    finally:
        made.stop()


def _ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def eventually(check: Callable[[], bool]) -> None:
    """Wait until `check` holds; the guard is ten times what it should take."""
    end = time.monotonic() + _GUARD_S
    while not check():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.05)


def events(start: int, stop: int) -> list[dict[str, Any]]:
    return [
        {
            "type": "view", "event_id": f"e{n}",
            "user_id": f"u{n % USERS}", "item_id": f"i{(n * 7 + n // USERS) % ITEMS}",
        }
        for n in range(start, stop)
    ]  # fmt: skip


def send(client: httpx.Client, batch: list[dict[str, Any]]) -> str:
    answer = client.post("/v1/events?import=true", json={"events": batch})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["position"])


def whole(client: httpx.Client, user_id: str, **query: Any) -> dict[str, Any]:
    """A list as it is where nothing is late: a busy machine's worker, or Redis, may be."""
    listed: dict[str, Any] = {}

    def is_whole() -> bool:
        answer = client.get(f"/v1/users/{user_id}/recommendations", params=query)
        listed.update(answer.raise_for_status().json())
        return not listed["degraded"]

    eventually(is_whole)
    return listed


def newest(client: httpx.Client, user_id: str) -> str:
    """The item a user acted on last; empty where Redis is too late for a request."""
    answer = client.get(f"/v1/users/{user_id}")
    return str(answer.json()["history"][0]["item_id"]) if answer.status_code == 200 else ""


def test_a_click_is_in_the_next_list_of_any_process(cluster: Cluster) -> None:
    port = free_port()
    cluster.environment["FRESHET_WORKER__METRICS_PORT"] = str(port)
    cluster.start("worker")
    one, two = cluster.api(), cluster.api()
    items = [{"item_id": f"i{n}", "title": f"item {n}"} for n in range(ITEMS)]
    assert one.put("/v1/items", json={"items": items}).status_code == 202
    for start in range(0, EVENTS, 100):
        position = send(one, events(start, start + 100))
    click = {"type": "like", "user_id": "u1", "item_id": "i39", "event_id": "click"}
    traced = {"traceparent": TRACE}
    position = one.post("/v1/events", json=click, headers=traced).json()["position"]
    query = {"after": position, "wait_ms": 5000, "k": 100}
    answer = whole(two, "u1", **query)
    assert answer["served_by"] == "personal"
    assert "i39" not in [item["item_id"] for item in answer["items"]]
    eventually(lambda: newest(two, "u1") == "i39")
    assert whole(two, "nobody")["served_by"] == "trending"
    assert traces(cluster) == {"events": [TRACE], "examples": [TRACE]}
    require_served(two)
    told = "".join(api.get("/metrics").text for api in (one, two))
    require_dashboards(told, httpx.get(f"http://127.0.0.1:{port}/metrics").text)
    tag = f"{{{cluster.environment['FRESHET_CORE__NAMESPACE']}:items}}"
    with redis.Redis.from_url(cluster.environment["FRESHET_REDIS__URL"]) as store:
        eventually(lambda: "i39" in trending(store, tag))
        name = cluster.environment["FRESHET_CORE__NAMESPACE"]
        every = f"{{{name}:*}}:e:*"
        eventually(lambda: len(list(store.scan_iter(every))) == USERS)
        item = json.loads(bytes(store.get(f"{tag}:i:i39") or b""))
        assert (item["item_id"], item["title"]) == ("i39", "item 39")
        assert store.get(f"{tag}:k:{item['key']}") == b"i39"


def require_served(api: httpx.Client) -> None:
    """A click is told by the rung that served the list it names."""
    listed = whole(api, "u2")
    assert listed["served_by"] == "personal"
    click = {"type": "click", "user_id": "u2", "recommendation_id": listed["recommendation_id"]}
    items = iter(listed["items"])

    def told() -> bool:
        """The list is on its way to the log, too, and of each second a few events are scored."""
        position = send(api, [{**click, "item_id": next(items)["item_id"]}])
        api.get(
            "/v1/users/u2/recommendations", params={"after": position, "wait_ms": 5000}
        ).raise_for_status()
        time.sleep(0.5)
        windows = api.get("/v1/quality").json()["windows"]
        return bool(windows["all"]["served_by"]["personal"]["scored"])

    eventually(told)


def require_dashboards(api: str, worker: str) -> None:
    """What the dashboards and the documentation name is told by a running process."""
    root = Path(__file__).parents[2]
    told = set(re.findall(r"^(?:# TYPE )?(freshet_\w+)", f"{api}\n{worker}", re.MULTILINE))
    # Told by the embedded mode alone.
    told |= {"freshet_snapshot_age_seconds", "freshet_snapshot_duration_seconds"}
    told |= {name.removesuffix("_count") for name in told}
    for page in (root / "docs/operating.md", *(root / "config/grafana").rglob("*.json")):
        named = set(re.findall(r"freshet_\w+", page.read_text()))
        assert named and named <= told, f"{page.name}: {named - told}"
    for text, name in ((api, "visible"), (worker, "learned")):
        assert re.search(rf"^freshet_{name}_seconds_count.* [1-9]", text, re.MULTILINE)
        assert re.search(r"^freshet_lag_seconds{.*partition=", text, re.MULTILINE)


def traces(cluster: Cluster) -> dict[str, list[str]]:
    """The trace contexts on the records of a namespace."""
    parts = Parts(load({}, environ=cluster.environment))
    reader = TopicReader(parts.kafka)
    events = [TP(parts.topics.events, number) for number in range(3)]
    places = {"events": events, "examples": [TP(parts.topics.examples, 0)]}
    try:
        return {
            name: [
                value.decode()
                for tp in tps
                for record in reader.read(tp, None)
                for header, value in record.headers
                if header == "traceparent"
            ]
            for name, tps in places.items()
        }
    finally:
        reader.close()


def trending(store: redis.Redis, tag: str) -> list[str]:
    """What other readers see as trending."""
    told = store.get(f"{tag}:trending")
    return [item["item_id"] for item in json.loads(told)["items"]] if told else []


def test_workers_are_killed_and_every_event_is_learned_once(cluster: Cluster) -> None:
    api = cluster.api()
    worker = cluster.start("worker")
    for start in range(0, EVENTS, 50):
        send(api, events(start, start + 50))
        if start in (150, 350):
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            worker = cluster.start("worker")
    send(api, events(0, 50))  # repeats
    eventually(lambda: cluster.state()["unlearned"] == 0)
    state, rebuilt = (
        cluster.state(),
        json.loads(cluster.verb("rebuild", "--kafka", cluster.bootstrap, "--json")),
    )
    assert state["applied"] == EVENTS
    assert state["duplicates"] == 50
    assert state["dead_letters"] == 0
    assert state == rebuilt
