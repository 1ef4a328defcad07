"""`make cluster` starts the compose file's set, by commands and settings that exist."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from config.cli.verbs import VERBS, command_line
from config.load import load
from deploy.local.cluster import Plan
from deploy.local.kafka import QUICK, jars, version
from deploy.local.processes import ServerMissing, free_port, port_is_free
from deploy.local.redis import Redis


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(tmp_path, 19092, 16379, 8000, workers=2, apis=2, rate=5.0)


def test_it_starts_the_set_of_the_compose_file(plan: Plan) -> None:
    names = [name for name, _ in plan.ours()]
    assert names == ["worker-1", "worker-2", "api-1", "api-2", "shoppers"]


def test_every_command_exists_with_its_options(plan: Plan) -> None:
    root = typer.main.get_command(command_line(VERBS))
    assert isinstance(root, TyperGroup)
    for _, server in plan.ours():
        verb, *arguments = server.command[3:]
        root.commands[verb].make_context(verb, arguments).close()


def test_every_variable_is_a_setting(plan: Plan) -> None:
    environ = {n: v for n, v in plan.environ().items() if n.startswith("FRESHET_")}
    settings = load(environ=environ)
    assert settings.kafka.bootstrap == "127.0.0.1:19092"
    assert settings.redis.url == "redis://127.0.0.1:16379/0"


def test_no_port_is_used_twice(plan: Plan) -> None:
    ports = list(plan.ports())
    assert len(ports) == len(set(ports)) == 5


def test_a_free_port_is_free() -> None:
    assert port_is_free(free_port())


def test_what_is_missing_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ServerMissing, match="apt-get install redis-server"):
        Redis(tmp_path)
    with pytest.raises(ServerMissing, match="apt-get install maven"):
        jars()


def test_the_broker_has_a_version_and_quick_settings_for_tests() -> None:
    assert version().count(".") == 2
    assert QUICK["group.initial.rebalance.delay.ms"] == "0"
