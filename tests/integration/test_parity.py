"""The list that `evaluate` ranks is the list that HTTP answers after the same prefix of the log."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from config import bootstrap
from config.load import load
from models.settings import LearningSettings
from producers.direct import Direct
from producers.evaluate import Evaluation, Foretold
from producers.readers import Dataset, read
from stream.manifest import Manifest

EVENTS = 1_500
ASKED_EVERY = 97
# Nothing is drawn into a list that must not be tried out on anybody.
ASKED = {"k": "20", "consent": "false"}


def _first(films: Path) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    dataset = read(films, "recbole")
    events = sorted(dataset.events, key=lambda event: float(str(event["timestamp"])))
    return list(dataset.items), events[:EVENTS]


def _openings(events: list[dict[str, object]]) -> set[int]:
    """Where a user's first event stands: who is unknown must see the evaluated list too."""
    first: dict[object, int] = {}
    for number, event in enumerate(events):
        first.setdefault(event["user_id"], number)
    return set(first.values())


@pytest.mark.parametrize("settings", [{}, {"learning.repeats": "true"}])
def test_http_answers_what_evaluate_ranks(
    films: Path, tmp_path: Path, settings: dict[str, str]
) -> None:
    items, events = _first(films)
    ranked: dict[int, Foretold] = {}
    wanted = set(range(0, EVENTS, ASKED_EVERY)) | _openings(events)

    def note(told: Foretold) -> None:
        if told.number in wanted:
            ranked[told.number] = told

    learning = LearningSettings(repeats=bool(settings))
    evaluation = Evaluation(learning, Manifest(), watch=note)
    evaluation.run(Dataset("films", events=iter(events), items=iter(items)))
    assert len(ranked) == len(wanted)

    flags = {"core.data_dir": str(tmp_path), "manifest.scoring": "all", **settings}
    running = bootstrap.embedded(load(flags, environ={}))
    try:
        sink = Direct(running.service, imported=True)
        sink.put_items(items)
        transport = httpx.ASGITransport(create_app(running.service))
        done = 0
        for number, told in sorted(ranked.items()):
            if events[done:number]:
                for start in range(done, number, 1_000):
                    sink.send(events[start : min(start + 1_000, number)])
            done = number
            running.service.catch_up()
            assert _asked(transport, told.user_id) == [
                evaluation.model.id_of(row) for row in told.rows
            ], f"before event {number}"
    finally:
        running.close()


def _asked(transport: httpx.ASGITransport, user_id: str) -> list[str]:
    async def ask() -> list[str]:
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answer = await client.get(f"/v1/users/{user_id}/recommendations", params=ASKED)
            assert answer.status_code == 200
            return [item["item_id"] for item in answer.json()["items"]]

    return asyncio.run(ask())
