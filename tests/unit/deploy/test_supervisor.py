"""The local supervisor: who ends is started again, with back-off; all end, and in order."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.processes import Server, ServerFailed, free_port
from deploy.local.supervisor import Supervisor

SLEEPER = "import time; time.sleep(600)"
FAILING = "import sys; print('no good'); sys.exit(3)"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def supervisor(said: list[str], clock: Clock) -> Iterator[Supervisor]:
    made = Supervisor(said.append, clock)
    yield made
    for kept in made.kept:
        kept.server.kill()


@pytest.fixture
def python(tmp_path: Path) -> Callable[[str], Server]:
    return lambda code: Server([sys.executable, "-c", code], tmp_path / "out")


def await_end(server: Server) -> None:
    deadline = time.monotonic() + 60
    while server.running():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_who_ends_is_started_again_after_a_growing_wait(
    supervisor: Supervisor, clock: Clock, said: list[str], python: Callable[[str], Server]
) -> None:
    supervisor.start("worker-1", python(FAILING))
    kept = supervisor.kept[0]
    waits = []
    for starts in range(2, 6):
        await_end(kept.server)
        supervisor.look()
        waits.append(kept.due - clock.now)
        clock.now = kept.due - 0.01
        supervisor.look()
        assert kept.starts == starts - 1, "it waits"
        clock.now = kept.due
        supervisor.look()
        assert kept.starts == starts
    assert waits == [pytest.approx(wait) for wait in (0.5, 1.0, 2.0, 4.0)]
    assert "worker-1 ended (exit 3)" in said[0]
    assert "no good" in kept.server.tail()


def test_who_ran_well_is_started_again_soon(
    supervisor: Supervisor, clock: Clock, python: Callable[[str], Server]
) -> None:
    supervisor.start("a", python(SLEEPER))
    kept = supervisor.kept[0]
    kept.wait_s = 15.0
    clock.now += 60
    kept.server.kill()
    supervisor.look()
    assert kept.due - clock.now == pytest.approx(0.5)


def test_who_runs_is_left_alone(supervisor: Supervisor, python: Callable[[str], Server]) -> None:
    supervisor.start("a", python(SLEEPER))
    pid = supervisor.kept[0].server.pid
    supervisor.look()
    assert (supervisor.kept[0].server.pid, supervisor.kept[0].starts) == (pid, 1)


def test_all_end_the_last_started_first(
    supervisor: Supervisor, said: list[str], python: Callable[[str], Server]
) -> None:
    for name in ("kafka", "worker-1", "worker-2", "api-1"):
        supervisor.start(name, python(SLEEPER))
    supervisor.stop()
    assert not any(kept.server.running() for kept in supervisor.kept)
    assert [line.split()[0] for line in said] == ["api-1", "worker-1", "worker-2", "kafka"]


def test_a_server_that_ends_before_it_is_ready_shows_what_it_wrote(
    python: Callable[[str], Server],
) -> None:
    server = python(FAILING)
    server.start()
    with pytest.raises(ServerFailed, match="no good"):
        server.await_port(free_port())
    server.kill()
