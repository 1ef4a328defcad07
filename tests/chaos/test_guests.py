"""`kill -9` with models of River's named in the configuration."""

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
            server.kill()
            server.start()
        client.wait_for(100)
    assert not client.errors, client.errors[:3]
    server.kill()
    assert list((folder / "snapshots").glob("model-v*.snap"))
    check(folder, client.acknowledged)
