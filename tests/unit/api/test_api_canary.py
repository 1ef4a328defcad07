"""The canary measures freshness from end to end, and leaves no trace in what clients see."""

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI

from api.app import create_app
from api.canary import Flight
from stream.canary import CANARY


@pytest.fixture
def app(service: Any) -> FastAPI:
    return create_app(service, flight=Flight([CANARY, f"{CANARY}-1"]))


def click(app: FastAPI) -> Any:
    return asyncio.run(app.state.canary.click())


def test_clicks_are_timed_and_told(app: FastAPI, call: Any, shop: Any) -> None:
    assert call("GET", "/page/freshness").json() == {"p50_s": None, "p99_s": None}
    seconds = [click(app) for _ in range(4)]
    assert all(spent > 0 for spent in seconds)
    text = call("GET", "/metrics").text
    assert "freshet_canary_seconds_count 4.0" in text
    assert 'freshet_canary_recent_seconds{quantile="0.99"}' in text
    told = call("GET", "/page/freshness").json()
    assert 0 < told["p50_s"] <= told["p99_s"] == max(seconds)


def test_clients_see_nothing_of_it(app: FastAPI, call: Any, shop: Any) -> None:
    before = call("GET", "/page/shoppers").json()
    for _ in range(4):
        click(app)
    assert call("GET", "/page/shoppers").json() == before
    assert call("GET", "/page/info").json()["users"] == 5
    assert "freshet_responses_total{" not in call("GET", "/metrics").text
    assert shop.profiles.counts()["applied"] == 40
    assert call("GET", f"/v1/users/{CANARY}").json()["counts"] == {"click": 2}


def test_a_click_that_does_not_show_is_beyond_every_bound(
    app: FastAPI, call: Any, shop: Any
) -> None:
    click(app)
    shop.paused = True
    assert click(app) >= 10.0
    shop.unavailable = True
    assert click(app) >= 10.0
    text = call("GET", "/metrics").text
    assert 'freshet_canary_seconds_bucket{le="5.0"} 1.0' in text
    assert "freshet_canary_seconds_count 3.0" in text


def test_without_items_there_is_nothing_to_click_on(app: FastAPI, service: Any) -> None:
    assert click(app) is None
    assert not service.log


@pytest.mark.parametrize("user_id", [CANARY, f"{CANARY}-7"])
def test_its_id_is_refused_from_clients(call: Any, user_id: str) -> None:
    event = {"type": "view", "user_id": user_id, "item_id": "i"}
    refused = call("POST", "/v1/events", event)
    assert (refused.status_code, refused.json()["error"]["field"]) == (422, "user_id")
    refused = call("POST", "/v1/events", {"events": [{**event, "user_id": "ada"}, event]})
    assert (refused.status_code, refused.json()["error"]["field"]) == (422, "events.1.user_id")
    refused = call("PUT", "/v1/users", {"users": [{"user_id": user_id}]})
    assert (refused.status_code, refused.json()["error"]["field"]) == (422, "users.0.user_id")
