"""The corpus of hostile bodies in tests/fuzz: each is refused, by name, and nothing is echoed.

A body that once did harm belongs there, as `<call>/<what it is>.body`; it must be one to refuse,
with the mark `Qz7Xw` where text of the sender's stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from config import bootstrap
from config.load import load
from tests.http_threads import await_ready, in_a_thread

CORPUS = Path(__file__).parents[1] / "fuzz"
CALLS = {
    "events": ("POST", "/v1/events"),
    "items": ("PUT", "/v1/items"),
    "users": ("PUT", "/v1/users"),
    "sessions": ("POST", "/v1/sessions/recommendations"),
    "settings": ("POST", "/v1/settings"),
}
BODIES = sorted(CORPUS.glob("*/*.body"))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("hostile")
    running = bootstrap.embedded(load({"core.data_dir": str(folder)}, environ={}))
    running.service.catch_up()
    running.service.start()
    try:
        await_ready(running.service)
        with (
            in_a_thread(create_app(running.service)) as url,
            httpx.Client(base_url=url, timeout=60) as made,
        ):
            before = running.service._log.end()
            yield made
            assert running.service._log.end() == before, "something of it was taken"
    finally:
        running.close()


@pytest.mark.parametrize("path", BODIES, ids=[f"{p.parent.name}/{p.stem}" for p in BODIES])
def test_a_hostile_body_is_refused_by_name(client: httpx.Client, path: Path) -> None:
    method, target = CALLS[path.parent.name]
    headers = {"content-type": "application/json"}
    answer = client.request(method, target, content=path.read_bytes(), headers=headers)
    assert 400 <= answer.status_code < 500, answer.text
    error = answer.json()["error"]
    assert error["message"]
    assert "Qz7Xw" not in answer.text
    if answer.status_code == 422:
        # Unknown fields cannot be named without repeating them.
        assert (
            error["field"] or "not known here" in error["message"] or "object" in error["message"]
        )
    assert client.get("/readyz").status_code == 200
