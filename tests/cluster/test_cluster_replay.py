"""A replay into Kafka, lists from the API, and a replay of the topic it filled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from config import bootstrap
from config.load import load
from tests.cluster.test_cluster import Cluster, eventually, running
from tests.http_threads import in_a_thread

EVENTS = 60


@pytest.fixture
def data(tmp_path: Path) -> Path:
    file = tmp_path / "shop.jsonl"
    lines = [
        {
            "type": "view", "user_id": f"u{n % 6}", "item_id": f"i{(n * 5 + n // 6) % 20}",
            "timestamp": 1.7e9 + n, "event_id": f"e{n}",
        }
        for n in range(EVENTS)
    ]  # fmt: skip
    file.write_text("\n".join(json.dumps(line) for line in lines))
    return file


def test_events_by_kafka_lists_by_http(
    kafka: str, redis_url: str, data: Path, tmp_path: Path
) -> None:
    with running(kafka, redis_url, tmp_path) as cluster:
        cluster.start("worker")
        api = cluster.api()
        url = str(api.base_url).rstrip("/")
        eventually(lambda: all(not _listed(api, f"u{n}")["degraded"] for n in range(6)))
        told = _replayed(cluster, str(data), "--kafka", cluster.bootstrap, "--url", url, "--wait")
        assert told["complete"] and told["events"] == told["asked"] == EVENTS
        assert (told["errors"], told["first_error"]) == (0, None)
        # Of a list that Redis is 50 ms late for, as it is now and then on a busy machine, this is
        # to be told; where rows are not found at all, it is all of them.
        assert told["degraded_share"] < 0.2
        assert told["hr@20"] > 0 and told["freshness_ms"]["not_in_time"] == 0
        assert told["freshness_ms"]["count"] > 0
        state = cluster.state()
        assert state["applied"] == EVENTS

        running_here = bootstrap.embedded(load({"core.data_dir": str(tmp_path / "e")}, environ={}))
        running_here.service.start()
        topic = f"kafka:events.{cluster.environment['FRESHET_CORE__NAMESPACE']}"
        try:
            with in_a_thread(create_app(running_here.service)) as here:
                cursor = str(tmp_path / "cursor")
                again = _replayed(cluster, topic, "--url", here, "--cursor", cursor)
                part = _replayed(cluster, f"{topic}@:2023-11-14T22:13:20Z", "--url", here, code=1)
        finally:
            running_here.close()
        assert again["events"] == EVENTS and again["duplicates"] == 0
        assert part is None


def _listed(api: httpx.Client, user: str) -> Any:
    return api.get(f"/v1/users/{user}/recommendations").json()


def _replayed(cluster: Cluster, *arguments: str, code: int = 0) -> Any:
    said = cluster.verb("replay", *arguments, "--json", code=code)
    return json.loads(said) if said else None
