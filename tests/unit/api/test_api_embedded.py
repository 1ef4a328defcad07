"""The API over the real embedded system, through a real server and real sockets."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import msgspec
import pytest
import uvicorn

from api.app import create_app
from api.routes.recommendations import Serving
from config import bootstrap
from config.settings import Core, Settings


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    running = bootstrap.embedded(Settings(core=Core(data_dir=str(tmp_path / "data"))))
    running.service.start()
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        create_app(running.service, serving=Serving(impressions=1.0)),
        log_config=None, lifespan="off",
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    try:
        with httpx.Client(base_url=address, timeout=60.0) as made:
            deadline = time.monotonic() + 60
            while made.get("/readyz").status_code != 200:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield made
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
        running.close()


def test_the_way_of_an_event(client: httpx.Client) -> None:
    items = [{"item_id": f"i{n}", "title": f"Item {n}"} for n in range(8)]
    assert client.put("/v1/items", json={"items": items}).status_code == 202
    assert client.get("/v1/items/i7").json()["title"] == "Item 7"

    events = [
        {"type": "view", "user_id": f"u{n % 4}", "item_id": f"i{n % 5}", "event_id": str(n)}
        for n in range(30)
    ]
    receipt = client.post("/v1/events", json={"events": events}).json()
    again = client.post("/v1/events", json={"events": events}).json()
    assert (receipt["accepted"], again["accepted"], again["duplicates"]) == (30, 0, 30)
    asked = {"after": receipt["position"], "wait_ms": 5000, "k": "3"}
    answer = client.get("/v1/users/u1/recommendations", params=asked).json()
    assert (answer["served_by"], answer["degraded"]) == ("personal", False)

    seen = answer["items"][0]["item_id"]
    click = {"type": "view", "user_id": "u1", "item_id": seen}
    position = client.post("/v1/events", json=click).json()["position"]
    asked = {"after": position, "wait_ms": 5000}
    fresh = client.get("/v1/users/u1/recommendations", params=asked).json()
    assert seen not in [item["item_id"] for item in fresh["items"]]
    assert client.get("/v1/users/u1").json()["history"][0]["item_id"] == seen

    client.put("/v1/items", json={"items": [{"item_id": "i0", "available": False}]})
    assert '"i0"' not in client.get("/v1/trending?k=100").text
    assert client.delete("/v1/items/i7").status_code == 202
    assert client.get("/v1/items/i7").status_code == 404
    assert "freshet_applied_total" in client.get("/metrics").text
    assert client.get("/page/activity?after=0").json()["activity"]


def test_ids_survive_a_real_server(client: httpx.Client) -> None:
    for name in ("a/b,ü?", "100%", "%2F", "日本 #1"):
        client.put("/v1/items", json={"items": [{"item_id": name}]})
        assert client.get(f"/v1/items/{quote(name, safe='')}").json()["item_id"] == name
    assert client.get("/v1/items/%ED%A0%80").status_code == 422


def test_a_body_of_10_mb_is_refused_and_the_connection_lives(client: httpx.Client) -> None:
    large = b'{"events":["' + b"x" * 10_000_000 + b'"]}'
    json_type = {"Content-Type": "application/json"}
    parts = [large[at : at + 50_000] for at in range(0, len(large), 50_000)]
    for content in (large, iter(parts)):
        response = client.post("/v1/events", content=content, headers=json_type)
        assert response.status_code == 413
        assert msgspec.json.decode(response.content)["error"]["code"] == "too_large"
        assert client.get("/livez").status_code == 200


def counted(client: httpx.Client, name: str) -> float:
    lines = client.get("/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def test_lists_that_were_shown_enter_the_log(client: httpx.Client) -> None:
    items = [{"item_id": f"i{n}"} for n in range(5)]
    position = client.put("/v1/items", json={"items": items}).json()["position"]
    asked = {"after": position, "wait_ms": 5000, "consent": "false"}
    assert len(client.get("/v1/users/u1/recommendations", params=asked).json()["items"]) == 5
    before = counted(client, "freshet_other_total")
    for _ in range(3):
        assert client.get("/v1/users/u1/recommendations").status_code == 200
    deadline = time.monotonic() + 60
    while counted(client, "freshet_other_total") < before + 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert counted(client, "freshet_impressions_dropped_total") == 0


def test_a_click_is_told_by_the_rung_that_served_its_list(client: httpx.Client) -> None:
    items = [{"item_id": f"i{n}", "title": f"Item {n}"} for n in range(8)]
    client.put("/v1/items", json={"items": items})
    seen = [{"type": "view", "user_id": f"u{n % 3}", "item_id": f"i{n % 4}"} for n in range(9)]
    position = client.post("/v1/events", json={"events": seen}).json()["position"]
    asked = {"after": position, "wait_ms": 5000}
    # This one is not remembered, so that the next is what is counted.
    client.get("/v1/users/u1/recommendations", params={**asked, "consent": "false"})
    before = counted(client, "freshet_other_total")
    listed = client.get("/v1/users/u1/recommendations").json()
    assert listed["served_by"] == "personal"
    deadline = time.monotonic() + 60
    while counted(client, "freshet_other_total") < before + 1:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    click = {
        "type": "click", "user_id": "u1", "item_id": listed["items"][0]["item_id"],
        "recommendation_id": listed["recommendation_id"],
    }  # fmt: skip
    position = client.post("/v1/events", json=click).json()["position"]
    asked = {"after": position, "wait_ms": 5000}
    client.get("/v1/users/u1/recommendations", params=asked).raise_for_status()
    served = client.get("/v1/quality").json()["windows"]["all"]["served_by"]
    assert [served[rung]["scored"] for rung in ("personal", "trending")] == [1, 0]
    told = 'freshet_quality{metric="scored",slice="served_by:personal",window="all"} 1.0'
    assert told in client.get("/metrics").text
