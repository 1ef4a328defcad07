"""What alerts, dashboards and the documentation name is told by some process that runs."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.alerts.rules import Rule, Series, parse
from api.app import create_app
from api.canary import Flight
from config import bootstrap
from config.alerts import shipped
from config.cli import worker_metrics
from config.load import load
from tests.http_threads import in_a_thread

ROOT = Path(__file__).parents[3]
DASHBOARDS = sorted((ROOT / "config/grafana/dashboards").glob("*.json"))


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Metrics of an embedded app that has learned, answered and been measured."""
    folder = tmp_path_factory.mktemp("watched")
    running = bootstrap.embedded(load({"core.data_dir": str(folder)}, environ={}))
    running.service.start()
    try:
        app = create_app(running.service, flight=Flight(["_canary"]))
        with in_a_thread(app) as url, httpx.Client(base_url=url, timeout=60) as client:
            event = {"type": "view", "user_id": "u", "item_id": "i"}
            answer = client.post("/v1/events", json=event).json()
            after = {"after": answer["position"], "wait_ms": 5000}
            client.get("/v1/users/u/recommendations", params=after).raise_for_status()
            asyncio.run(app.state.canary.click())
            return client.get("/metrics").text
    finally:
        running.close()


def worker_names() -> set[str]:
    """What a worker tells; that it does, the tests of the cluster see."""
    named = {metric.name for metric in worker_metrics.WorkerMetrics([]).collect()}
    named |= {f"freshet_worker_{name}" for name in worker_metrics._COUNTED | worker_metrics._GAUGES}
    return named


def known(text: str) -> set[str]:
    samples = set(re.findall(r"^(freshet_\w+)", text, re.MULTILINE))
    declared = set(re.findall(r"^# TYPE (freshet_\w+) ", text, re.MULTILINE))
    return samples | declared


def bare(name: str) -> str:
    return re.sub(r"_(total|bucket|sum|count)$", "", name)


def missing(names: set[str], text: str) -> set[str]:
    there = {bare(name) for name in known(text) | worker_names()}
    return {name for name in names if bare(name) not in there}


def test_alerts_look_at_metrics_that_exist(embedded: str) -> None:
    series = {name for rule in parse(shipped()) for name in _metrics(rule)}
    assert len(series) >= 10
    assert not missing(series, embedded)


def _metrics(rule: Rule) -> set[str]:
    values = [getattr(rule, name) for name in rule.__struct_fields__]
    return {
        name for value in values if isinstance(value, Series) for name in value.metric.split("|")
    }


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_dashboards_show_metrics_that_exist(file: Path, embedded: str) -> None:
    dashboard: dict[str, Any] = json.loads(file.read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    names = {name for expr in asked for name in re.findall(r"freshet_\w+", expr)}
    assert names
    assert not missing(names, embedded)
    assert dashboard["uid"] == f"freshet-{file.stem}"
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)


def test_there_are_three_dashboards() -> None:
    assert [file.stem for file in DASHBOARDS] == ["model", "overview", "stream"]


def test_the_documentation_names_metrics_that_exist(embedded: str) -> None:
    text = (ROOT / "docs/operating.md").read_text("utf-8")
    names = set(re.findall(r"freshet_\w+", text))
    assert len(names) > 20
    assert not missing(names, embedded)


def test_freshness_is_measured_from_end_to_end(embedded: str) -> None:
    assert re.search(r'^freshet_learned_seconds_count{group="model"} [1-9]', embedded, re.MULTILINE)
    assert re.search(r"^freshet_visible_seconds_count [1-9]", embedded, re.MULTILINE)
    assert re.search(r"^freshet_canary_seconds_count [1-9]", embedded, re.MULTILINE)
