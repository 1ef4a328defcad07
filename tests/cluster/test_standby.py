"""A model worker dies; the one that stood by goes on from where it had followed to."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deploy.local.processes import free_port
from tests.cluster.test_cluster import Cluster, events, eventually, running, send

NO_SNAPSHOTS = {"FRESHET_SNAPSHOTS__EVERY_RECORDS": "1000000", "FRESHET_SNAPSHOTS__EVERY_S": "3600"}


@pytest.fixture
def cluster(kafka: str, redis_url: str, tmp_path: Path) -> Iterator[Cluster]:
    with running(kafka, redis_url, tmp_path, **NO_SNAPSHOTS) as made:
        yield made


@pytest.mark.full
def test_a_standby_takes_over_what_it_followed(cluster: Cluster) -> None:
    profiles = cluster.start("worker", "--only", "profiles")
    owner = cluster.start("worker", "--only", "model")
    api = cluster.api()
    send(api, events(0, 200))
    port = free_port()
    cluster.environment["FRESHET_WORKER__METRICS_PORT"] = str(port)
    standby = cluster.start("worker", "--only", "model")
    log = cluster.folder / f"{len(cluster.started) - 1}-worker.log"
    eventually(lambda: b"standing by" in log.read_bytes())
    send(api, events(200, 300))
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    eventually(lambda: b"taking over" in log.read_bytes())
    began = int(log.read_text().split("taking over from record ")[1].split()[0])
    assert began > 0  # there is no snapshot: only following can have brought it there
    send(api, events(300, 400))
    eventually(lambda: learned_to(port) > began)
    for process in (standby, profiles):
        process.send_signal(signal.SIGTERM)
        assert process.wait(150) == 0
    assert list((cluster.folder / "snapshots").rglob("model-*"))
    state = cluster.state()
    assert (state["applied"], state["unlearned"]) == (400, 0)
    assert state == json.loads(cluster.verb("rebuild", "--kafka", cluster.bootstrap, "--json"))


def learned_to(port: int) -> float:
    """The next offset of `examples` by the metrics of the worker that owns it; 0 before."""
    told = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    found = re.search(r"^freshet_worker_position{.*examples.*} (\S+)$", told, re.MULTILINE)
    return float(found[1]) if found else 0.0
