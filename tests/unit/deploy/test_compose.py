"""docker-compose.kafka.yml: a compose implementation reads it, and all it names exists."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml  # type: ignore[import-untyped]
from typer.core import TyperGroup

from config.cli.verbs import VERBS, command_line
from config.load import load
from config.settings import Settings
from deploy.local import kafka
from tests.conftest import missing

ROOT = Path(__file__).parents[3]
FILE = ROOT / "docker-compose.kafka.yml"
Service = dict[str, Any]


def read() -> dict[str, Any]:
    """The file as a compose implementation understands it; none of them needs its engine here."""
    if importlib.util.find_spec("podman_compose") is None:
        missing("podman-compose is not installed")
    code = "import sys, podman_compose; sys.argv[0] = 'podman-compose'; podman_compose.main()"
    engine = Path(__file__).parent / "no-engine"
    done = subprocess.run(
        [sys.executable, "-c", code, "--podman-path", str(engine), "-f", str(FILE), "config"],
        capture_output=True, text=True, cwd=ROOT, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = yaml.safe_load(done.stdout)
    return found


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return read()


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Service]:
    found: dict[str, Service] = compose["services"]
    return found


@pytest.fixture(scope="module")
def ours(services: dict[str, Service]) -> dict[str, Service]:
    """The services that run our image."""
    return {name: s for name, s in services.items() if s["image"] == "freshet"}


def settings_of(service: Service) -> Settings:
    return load(environ=service["environment"])


def option(service: Service, name: str) -> str:
    command = service["command"]
    value: str = command[command.index(name) + 1]
    return value


def test_the_set_is_whole(services: dict[str, Service]) -> None:
    assert set(services) == {
        "kafka", "redis", "topics", "worker-1", "worker-2", "api-1", "api-2", "proxy",
        "shoppers", "prometheus", "grafana",
    }  # fmt: skip


def test_every_command_exists_with_its_options(ours: dict[str, Service]) -> None:
    root = typer.main.get_command(command_line(VERBS))
    assert len(ours) == 6
    for service in ours.values():
        assert "entrypoint" not in service
        command: Any = root
        words = list(service["command"])
        while isinstance(command, TyperGroup):
            command = command.commands[words.pop(0)]
        assert command is not root
        command.make_context(service["command"][0], words).close()


def test_every_variable_is_a_setting(ours: dict[str, Service]) -> None:
    for service in ours.values():
        settings_of(service)


def test_the_settings_meet_the_servers(
    ours: dict[str, Service], services: dict[str, Service]
) -> None:
    listeners = services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    for service in ours.values():
        settings = settings_of(service)
        assert f"INSIDE://{settings.kafka.bootstrap}" in listeners.split(",")
        assert settings.redis.url == "redis://redis:6379/0"
    assert option(services["shoppers"], "--kafka") == settings.kafka.bootstrap
    ids = [settings_of(services[name]).worker.instance_id for name in ("worker-1", "worker-2")]
    assert ids == ["worker-1", "worker-2"]


def test_workers_and_api_see_the_same_snapshots(ours: dict[str, Service]) -> None:
    for name in ("worker-1", "worker-2", "api-1", "api-2"):
        folder = settings_of(ours[name]).worker.snapshots
        volumes = [volume.split(":") for volume in ours[name]["volumes"]]
        assert ["snapshots", folder] in [volume[:2] for volume in volumes]
        assert (volumes[0][2:] == ["ro"]) is name.startswith("api")


def test_every_path_and_volume_exists(
    compose: dict[str, Any], services: dict[str, Service]
) -> None:
    used = set()
    for name, service in services.items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (ROOT / source).exists(), f"{name}: {source}"
            else:
                used.add(source)
    assert used == set(compose["volumes"])


def test_every_service_waits_for_services_that_can_say_they_are_well(
    services: dict[str, Service],
) -> None:
    for service in services.values():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[other]


def test_what_runs_for_ever_is_watched_limited_and_started_again(
    services: dict[str, Service],
) -> None:
    for name, service in services.items():
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
        if name == "topics":
            assert service["restart"] == "on-failure"
            continue
        assert service["restart"] == "unless-stopped"
        if name != "shoppers":
            assert service["healthcheck"]["test"]


def test_no_port_is_anybodys_but_this_machines(services: dict[str, Service]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []
    assert services["proxy"]["ports"] == ["127.0.0.1:8000:8000"]
    open_to_all = {
        name
        for name, service in services.items()
        if service.get("environment", {}).get("FRESHET_API__ALLOW_OPEN") == "true"
    }
    assert open_to_all == {"api-1", "api-2"}
    assert not any(services[name].get("ports") for name in open_to_all)


def test_the_proxy_asks_both_api_processes(services: dict[str, Service]) -> None:
    text = (ROOT / "deploy/nginx.conf").read_text()
    asked = set(re.findall(r"server (\S+):(\d+)", text))
    assert asked == {(name, option(services[name], "--port")) for name in ("api-1", "api-2")}
    assert "listen 8000;" in text
    assert option(services["shoppers"], "--url") == "http://proxy:8000"


def test_prometheus_asks_every_process_where_it_listens(services: dict[str, Service]) -> None:
    jobs = yaml.safe_load((ROOT / "config/prometheus/prometheus.yml").read_text())
    targets = {
        target
        for job in jobs["scrape_configs"]
        for group in job["static_configs"]
        for target in group["targets"]
    }
    expected = {f"{name}:{option(services[name], '--port')}" for name in ("api-1", "api-2")}
    for name in ("worker-1", "worker-2"):
        port = settings_of(services[name]).worker.metrics_port
        assert str(port) in " ".join(services[name]["healthcheck"]["test"])
        expected.add(f"{name}:{port}")
    assert targets == expected


def test_health_is_asked_of_routes_that_exist(ours: dict[str, Service]) -> None:
    routes = "".join(file.read_text() for file in (ROOT / "api/routes").glob("*.py"))
    assert '"/livez"' in routes and '"/metrics"' in routes
    for name in ("api-1", "api-2"):
        test = " ".join(ours[name]["healthcheck"]["test"])
        assert f"127.0.0.1:{option(ours[name], '--port')}/livez" in test


def test_grafana_shows_metrics_that_exist(services: dict[str, Service]) -> None:
    mounts = dict(volume.split(":")[:2] for volume in services["grafana"]["volumes"])
    providers = yaml.safe_load(
        (ROOT / "config/grafana/provisioning/dashboards/freshet.yml").read_text()
    )["providers"]
    assert providers[0]["options"]["path"] == mounts["./config/grafana/dashboards"]
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    dashboard = ROOT / "config/grafana/dashboards" / Path(home).name
    sources = yaml.safe_load(
        (ROOT / "config/grafana/provisioning/datasources/prometheus.yml").read_text()
    )["datasources"]
    panels = json.loads(dashboard.read_text())["panels"]
    assert {panel["datasource"]["uid"] for panel in panels} == {sources[0]["uid"]}


def test_the_broker_is_the_one_that_is_tested(services: dict[str, Service]) -> None:
    assert services["kafka"]["image"] == f"apache/kafka:{kafka.version()}"


def test_the_image_holds_every_package_and_runs_as_nobody_special() -> None:
    text = (ROOT / "Dockerfile").read_text()
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.M)
        for source in line.split()[:-1]
    }
    for source in copied:
        assert (ROOT / source).exists()
        assert f"!{source}" in allowed
    assert {"api", "config", "models", "producers", "stream"} <= copied
    stages = re.split(r"^FROM ", text, flags=re.M)[1:]
    assert len(stages) == 2
    assert re.search(r"^USER freshet$", stages[-1], re.M)
    assert stages[-1].index("USER freshet") < stages[-1].index("ENTRYPOINT")
    assert 'ENTRYPOINT ["freshet"]' in stages[-1]
