"""A server as users run it, the load on it, and the oracle of what it must know then."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from config import bootstrap
from config.load import load
from stream.canary import is_canary
from stream.errors import StreamError
from stream.sqlite.log import SqliteLog
from tests.chaos.load import Load

ROOT = Path(__file__).parents[2]
#: Ten times what a start may take on a warm cache of compiled kernels.
START_S = 100.0


class Server:
    """`freshet run --demo none` on a folder, snapshotting all the time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def start(self, file_limit: int | None = None, **env: str) -> None:
        """Start and wait until it is ready; `file_limit` stands for a disk that is full."""
        self.folder.mkdir(exist_ok=True)
        output = self.folder / "output.txt"
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "config.cli.main", "run", "--demo", "none", "--port", "0",
                 "--data-dir", str(self.folder)],
                stdout=file, stderr=file, cwd=self.folder,
                env={
                    **os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200",
                    "FRESHET_SNAPSHOTS__EVERY_RECORDS": "500", **env,
                },
            )  # fmt: skip
        if file_limit is not None:
            self.limit_files(file_limit)
        until = time.monotonic() + START_S
        while not self._is_ready(output):
            assert self.process.poll() is None, output.read_text()
            assert time.monotonic() < until, output.read_text()
            time.sleep(0.02)

    def _is_ready(self, output: Path) -> bool:
        told = output.read_text()
        if "Freshet is at " not in told:
            return False
        self.url = told.split("Freshet is at ")[1].split()[0]
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5.0).status_code == 200
        except httpx.HTTPError:
            return False

    def limit_files(self, size: int) -> None:
        """No file may grow beyond `size` bytes from now on; -1: any may again."""
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self, timeout_s: float = 100.0) -> int:
        """SIGTERM; the exit code. The guard is ten times what draining may take."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout_s)

    def output(self) -> str:
        return (self.folder / "output.txt").read_text()


def freshet(verb: str, folder: Path) -> dict[str, Any]:
    """What `freshet state` or `rebuild` says of a folder."""
    done = subprocess.run(
        [sys.executable, "-m", "config.cli.main", verb, "--data-dir", str(folder), "--json"],
        capture_output=True, text=True, timeout=280, cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def told_here(verb: str, folder: Path) -> dict[str, Any]:
    """The same as `freshet`, within this process: quicker."""
    learner = bootstrap.reader(
        load({"core.data_dir": str(folder)}, environ={}), snapshots=verb == "state"
    )
    while learner.learn(500):
        pass
    return {**learner.profiles.counts(), "state_hash": learner.state_hash()}


def oracle(
    folder: Path, acknowledged: set[tuple[str, str]], tell: Callable[..., Any] = told_here
) -> dict[str, Any]:
    """Nothing acknowledged is lost, nothing applied twice, and the state is the log's."""
    log = SqliteLog(folder / "log.sqlite", read_only=True)
    records = log.read(0, log.end() + 1)
    assert [record.offset for record in records] == list(range(len(records))), "holes in the log"
    logged = set()
    for record in records:
        body = json.loads(record.body)
        # The server's own clicks are set aside, neither applied nor learned.
        if "event_id" in body and not is_canary(body["user_id"]):
            logged.add((body["user_id"], body["event_id"]))
    log.close()
    lost = acknowledged - logged
    assert not lost, f"{len(lost)} acknowledged events are lost, such as {min(lost)}"
    try:
        state: dict[str, Any] = tell("state", folder)
    except StreamError as error:
        raise AssertionError(f"the state cannot be had: {error}") from error
    assert state["applied"] == len(logged), "applied is not the number of distinct events"
    assert state["dead_letters"] == 0
    assert state["state_hash"] == tell("rebuild", folder)["state_hash"], "state is not the log's"
    return state


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data")
    yield server
    if server.process is not None and server.process.poll() is None:
        server.kill()


@pytest.fixture
def seed() -> int:
    """A seed of its own each run; a failed test shows it, and FRESHET_SEED repeats it."""
    seed = int(os.environ.get("FRESHET_SEED", random.SystemRandom().randrange(2**32)))
    print(f"FRESHET_SEED={seed}")
    return seed


@pytest.fixture
def client(server: Server, seed: int) -> Load:
    return Load(lambda: [server.url], seed, pause_s=0.02)


@pytest.fixture
def check() -> Callable[..., dict[str, Any]]:
    """The oracle, in this process."""
    return oracle


@pytest.fixture
def check_by_command() -> Callable[..., dict[str, Any]]:
    """The oracle, asking `freshet state` and `freshet rebuild`."""
    return lambda folder, acknowledged: oracle(folder, acknowledged, freshet)
