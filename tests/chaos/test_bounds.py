"""Clocks that jump, numbers that are none, a click-bot, ten times the ids: in process."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from config import bootstrap
from config.load import load
from stream.service import accept
from tests.chaos.conftest import Server


class House:
    """An embedded system on a folder that learns when it is told to."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.settings = load({"core.data_dir": str(folder), **settings}, environ={})
        self.folder = folder
        self.running = bootstrap.embedded(self.settings)
        self.service = self.running.service
        self.service.catch_up()

    def send(self, *events: dict[str, Any]) -> None:
        """As the HTTP tier does it: checked at the time of now, appended, learned."""
        manifest = self.service.manifest
        for at in range(0, len(events), 500):
            checked = [
                accept(json.dumps(event).encode(), time.time(), manifest, False)
                for event in events[at : at + 500]
            ]
            self._wait(self.service.append_feedback([c for c in checked if c], False))
        self.service.catch_up()

    def _wait(self, coroutine: Any) -> None:
        import asyncio

        asyncio.run(coroutine)

    def state(self) -> dict[str, Any]:
        return {**self.service.status(), "hash": self.service._learner.state_hash()}

    def rebuilt(self) -> str:
        learner = bootstrap.reader(self.settings, snapshots=False)
        while learner.learn(300):
            pass
        return learner.state_hash()


@pytest.fixture
def house(tmp_path: Path) -> Any:
    made = House(tmp_path / "data")
    yield made
    made.running.close()


def view(user: str, item: str, number: int, **more: Any) -> dict[str, Any]:
    return {"type": "view", "user_id": user, "item_id": item, "event_id": f"e{number}", **more}


def test_a_clock_that_jumps_an_hour_either_way_changes_nothing_learned(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    for number, jump in enumerate((0, 3_600, -3_600, 0, 3_600, -7_200, 0)):
        monkeypatch.setattr(time, "time", lambda jump=jump: real() + jump)
        house.send(*(view(f"u{n % 5}", f"i{n % 9}", 100 * number + n) for n in range(40)))
    told = house.state()
    assert (told["applied"], told["dead_letters"]) == (280, 0)
    assert told["hash"] == house.rebuilt()
    monkeypatch.setattr(time, "time", lambda: real() + 1_000_000)
    assert house.rebuilt() == told["hash"], "a rebuild looked at the clock"


RAW = [
    b'{"type":"rating","user_id":"u1","item_id":"i1","event_id":"a","value":NaN}',
    b'{"type":"rating","user_id":"u1","item_id":"i1","event_id":"b","value":Infinity}',
    b'{"type":"rating","user_id":"u1","item_id":"i1","event_id":"c","value":-1e999}',
    b'{"type":"rating","user_id":"u1","item_id":"i1","event_id":"d","value":1e300}',
    b'{"type":"rating","user_id":"u1","item_id":"i1","event_id":"e","value":7}',
    b'{"type":"view","user_id":"u1","item_id":"i1","event_id":"f","value":1e39}',
    b'{"type":"view","user_id":"u1","item_id":"i1","event_id":"g","timestamp":1e308}',
    b'{"type":"item","item_id":"i1","price":1e308,"attributes":{"a":1e308}}',
    b'{"type":"item","item_id":"i1","price":NaN}',
    b'{"type":"user","user_id":"u1","attributes":{"a":-1e308}}',
    b'{"type":"setting","learning":{"river":{"a":{"class":"os.system","role":"rating"}}}}',
    b'{"type":"setting","learning":{"ratings":{"l2":NaN}}}',
]


def test_numbers_that_are_none_are_refused_at_the_learner_too(house: House) -> None:
    house.send(*(view(f"u{n % 7}", f"i{n % 11}", n) for n in range(200)))
    log = sqlite3.connect(house.folder / "log.sqlite")
    [(end,)] = log.execute("select max(position) + 1 from records")
    for at, body in enumerate(RAW):
        row = (end + at, time.time(), 0, body)
        log.execute("insert into records values (?, ?, ?, ?)", row)
    log.commit()
    log.close()
    house.running.close()
    again = House(house.folder)
    try:
        again.send(*(view(f"u{n % 7}", f"i{n % 13}", 1_000 + n) for n in range(200)))
        tables = again.service.model.dump()[0]
        bad = [
            name
            for name, table in tables.items()
            if table.dtype.kind == "f" and not np.isfinite(table).all()
        ]
        assert not bad
        told = again.state()
        assert told["dead_letters"] >= 6
        assert told["hash"] == again.rebuilt()
    finally:
        again.running.close()


def test_a_click_bot_moves_an_item_one_place_at_most(house: House) -> None:
    real = time.time()
    for person in range(60):
        house.send(
            *(
                view(f"u{person}", f"i{item}", 1_000 * person + item, timestamp=real - 40 * item)
                for item in range(20)
                if (person * 7 + item * item) % 20 >= item
            )
        )
    model = house.service.model

    def places() -> list[str]:
        return [model.id_of(place.row) for place in model.trending(20)]

    before = places()
    promoted = before[10]
    house.send(*(view("bot", promoted, 10**6 + n) for n in range(10_000)))
    after = places()
    moved = before.index(promoted) - after.index(promoted)
    assert moved <= 1, f"{moved} places"
    assert house.state()["capped"] > 9_000


def memory(house: House) -> int:
    """Bytes of the model's tables."""
    return sum(table.nbytes for table in house.service.model.dump()[0].values())


def test_ten_times_the_ids_stay_under_the_configured_bounds(tmp_path: Path) -> None:
    bounds = {
        "learning.max_items": 200, "learning.ratings.max_items": 200,
        "learning.ratings.max_users": 100,
    }  # fmt: skip
    house = House(tmp_path / "data", **bounds)
    try:

        def live(first: int, last: int) -> None:
            house.send(
                *(
                    {**view(f"u{n // 2}", f"i{n}", n), "type": "rating", "value": 1 + n % 5}
                    for n in range(first, last)
                )
            )

        live(0, 400)
        assert 175 <= house.service.model.items <= 200
        held = memory(house)
        live(400, 2_000)
        assert 175 <= house.service.model.items <= 200
        assert memory(house) <= 1.1 * held
        told = house.state()
        assert (told["applied"], told["dead_letters"]) == (2_000, 0)
        assert told["hash"] == house.rebuilt()
    finally:
        house.running.close()


def test_items_that_left_stay_away_over_a_restart(tmp_path: Path) -> None:
    """From a snapshot between two leavings, and from the log alone, the same is learned."""
    bound = {"learning.max_items": 40}
    house = House(tmp_path / "data", **bound)
    try:
        house.send(*(view(f"u{n // 4}", f"i{n // 2}", n) for n in range(170)))
        left = house.service.status()["items_left"]
        house.running.close()
        house = House(tmp_path / "data", **bound)
        assert house.service.status()["items_left"] == left > 0
        assert not house.service.model.is_listed(house.service.model.key_of("i3"))
        house.send(*(view(f"u{n // 4}", f"i{n // 2}", n) for n in range(170, 300)))
        assert house.service.status()["items_left"] > left
        assert house.service.model.is_listed(house.service.model.key_of("i149"))
        assert house.state()["hash"] == house.rebuilt()
    finally:
        house.running.close()


def resident(server: Server) -> int:
    """Bytes of memory that a server holds just now."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    return 1024 * int(status.partition("VmRSS:")[2].split()[0])


@pytest.mark.full
def test_ten_times_the_ids_do_not_grow_the_process(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    server.start(
        FRESHET_LEARNING__MAX_ITEMS="500", FRESHET_LEARNING__RATINGS__MAX_ITEMS="500",
        FRESHET_LEARNING__RATINGS__MAX_USERS="500", FRESHET_MANIFEST__MAX_USERS="500",
        FRESHET_MANIFEST__DEDUP_WINDOW="4096",
    )  # fmt: skip
    try:
        with httpx.Client(base_url=server.url, timeout=60) as http:

            def live(first: int, last: int) -> None:
                for at in range(first, last, 500):
                    events = [view(f"u{n // 4}", f"i{n // 2}", n) for n in range(at, at + 500)]
                    sent = http.post("/v1/events", json={"events": events}).raise_for_status()
                query = {"after": sent.json()["position"], "wait_ms": 5000}
                while http.get("/v1/users/u0/recommendations", params=query).json()["degraded"]:
                    pass

            live(0, 10_000)
            held = resident(server)
            live(10_000, 100_000)
            print(f"{held / 2**20:.0f} MB, then {resident(server) / 2**20:.0f} MB")
            assert resident(server) <= 1.1 * held
    finally:
        server.kill()


def test_without_consent_nothing_is_kept(house: House) -> None:
    house.send(view("ann", "tea", 1))
    before = house.state()
    house.send(view("bob", "secret", 2, consent=False), view("ann", "secret", 3, consent=False))
    assert house.state()["hash"] == before["hash"]
    assert house.state()["position"] == before["position"]
    log = (house.folder / "log.sqlite").read_bytes()
    beside = house.folder / "log.sqlite-wal"
    assert b"secret" not in log + (beside.read_bytes() if beside.exists() else b"")
