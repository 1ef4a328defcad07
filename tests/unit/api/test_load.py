"""Falling behind: lists from what is kept, then 503 with Retry-After; probes always answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from api.app import create_app
from api.guard import Front
from api.load import PLACE, Bounds, Load
from tests.unit.api.conftest import Caller, FakeService

LIST = "/v1/users/u1/recommendations"


@pytest.fixture
def clock() -> list[float]:
    return [50.0]


def turns(load: Load, clock: list[float], took_s: float, crowd: int) -> None:
    """One turn of a loop that is busy for so long while so many wait."""

    async def turn() -> None:
        for place in range(crowd):
            load.enter(place)
        clock[0] += took_s
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for _ in range(crowd):
            load.leave()

    asyncio.run(turn())


def test_a_late_turn_with_a_crowd_is_heavy_for_a_second(clock: list[float]) -> None:
    load = Load(Bounds(heavy_s=0.1), CollectorRegistry(), lambda: clock[0])
    assert not load.heavy()
    turns(load, clock, 0.2, 20)
    assert load.heavy()
    clock[0] += 1.5
    assert not load.heavy(), "an old turn says nothing of now"
    turns(load, clock, 0.05, 20)
    assert not load.heavy()
    turns(load, clock, 5.0, 2)
    assert not load.heavy(), "a pause of the machine with nobody waiting is no load"


@pytest.fixture
def small(shop: FakeService) -> Iterator[Caller]:
    made = Caller(create_app(shop, front=Front(bounds=Bounds(queue=3))))
    yield made
    made.close()


def with_place(call: Caller, place: int) -> Caller:
    """The same, as if so many requests were in hand."""
    app = call._app

    async def crowded(scope: Any, receive: Any, send: Any) -> None:
        await app({PLACE: place, **scope}, receive, send)

    call._app = crowded  # type: ignore[assignment]
    return call


@pytest.mark.parametrize("target", [LIST, "/v1/trending", "/nope", "/"])
def test_beyond_the_queue_requests_are_refused_at_once(small: Caller, target: str) -> None:
    assert with_place(small, 2)("GET", LIST).status_code == 200
    error = with_place(small, 3).refused(503, None, "GET", target)
    assert error["code"] == "unavailable"
    answer = small("GET", target)
    assert int(answer.headers["retry-after"]) >= 1
    for probe in ("/livez", "/readyz", "/metrics"):
        assert small("GET", probe).status_code == 200
    text = small("GET", "/metrics").text
    assert 'freshet_shed_total{how="refused"} 2.0' in text
    assert "freshet_in_flight 0.0" in text


def test_a_refused_event_is_not_learned(small: Caller, shop: FakeService) -> None:
    before = len(shop.log)
    event = {"type": "view", "user_id": "u", "item_id": "i1"}
    with_place(small, 3).refused(503, None, "POST", "/v1/events", event)
    assert len(shop.log) == before


def test_while_heavy_lists_come_from_what_is_kept(
    shop: FakeService, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("GET", LIST).json()["served_by"] == "personal"
    monkeypatch.setattr(Load, "heavy", lambda self: True)
    monkeypatch.setattr(shop, "read", None)
    monkeypatch.setattr(shop.model.reader, "recommend", None)
    answer = call("GET", f"{LIST}?k=5&exclude=i3&category=odd").json()
    assert (answer["served_by"], answer["degraded"]) == ("trending", True)
    shown = [item["item_id"] for item in answer["items"]]
    assert 0 < len(shown) <= 5
    assert "i3" not in shown
    assert all(int(name[1:]) % 2 for name in shown)
    gone = {"items": [{"item_id": shown[0], "categories": ["odd"], "available": False}]}
    assert call("PUT", "/v1/items", gone).status_code == 202
    again = call("GET", f"{LIST}?k=5&category=odd").json()["items"]
    assert shown[0] not in [item["item_id"] for item in again]
    session = {"events": [{"type": "view", "item_id": "i1"}]}
    assert call("POST", "/v1/sessions/recommendations", session).json()["degraded"] is True
    assert call("GET", "/v1/items/i1/similar").json()["served_by"] == "trending"
    text = call("GET", "/metrics").text
    assert 'freshet_shed_total{how="rung"} 4.0' in text


def test_what_is_kept_has_nothing_for_it_so_the_ladder_goes_on(
    shop: FakeService, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Load, "heavy", lambda self: True)
    assert call("GET", "/v1/users/u1/recommendations").json()["items"]
    answer = call("GET", f"{LIST}?category=nothing").json()
    assert answer["items"] == []


def test_one_question_to_the_loop_is_open_at_a_time() -> None:
    load = Load(Bounds(), CollectorRegistry(), time.monotonic)

    async def crowd() -> int:
        asked = 0
        loop = asyncio.get_running_loop()
        original = loop.call_soon

        def counted(*a: Any, **k: Any) -> Any:
            nonlocal asked
            asked += 1
            return original(*a, **k)

        loop.call_soon = counted  # type: ignore[method-assign, assignment]
        for place in range(100):
            load.enter(place)
        loop.call_soon = original  # type: ignore[method-assign]
        return asked

    assert asyncio.run(crowd()) == 1
