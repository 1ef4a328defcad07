"""`kill -9` with models of River's named in the configuration."""

import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(600)

GUESTS = """
[learning.river.factors]
class = "reco.BiasedMF"
role = "rating"

[learning.river.judge]
class = "linear_model.LogisticRegression"
role = "ranker"
"""


def test_guests_survive_a_kill(server: Any, client: Any, check: Any, full: bool) -> None:
    folder: Path = server.folder
    folder.mkdir()
    (folder / "freshet.toml").write_text(GUESTS)
    server.start()
    with client:
        for _ in range(5 if full else 1):
            client.wait_for(600)
            _await_snapshot(folder / "snapshots")
            server.kill()
            server.start()
        client.wait_for(100)
    assert not client.errors, client.errors[:3]
    server.kill()
    check(folder, client.acknowledged)


def _await_snapshot(folder: Path) -> None:
    deadline = time.monotonic() + 120.0
    while not list(folder.glob("model-v*.snap")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
