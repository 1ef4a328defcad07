"""The embedded service: appends, waiting, saving and closing, also when things go wrong."""

import asyncio
import errno
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from models.model import Model
from models.settings import LearningSettings
from stream.append_window import AppendWindow
from stream.embedded import Embedded, prime
from stream.errors import LogUnavailable
from stream.files.snapshots import FolderSnapshots
from stream.learner import MODEL, Learner
from stream.manifest import Manifest
from stream.ports import Pace, unhindered
from stream.records import NewRecord
from stream.saving import SavePolicy
from stream.service import Checked
from stream.sqlite.dead_letters import SqliteDeadLetters
from stream.sqlite.log import SqliteLog

MANIFEST = Manifest(dedup_window=1024)
Build = Callable[..., Embedded]


class Store(FolderSnapshots):
    """Snapshots on a disk that may be full, or slow."""

    full = False
    slow: threading.Event | None = None
    attempts = 0

    def write(self, snapshot: Any, pace: Pace = unhindered) -> Any:
        self.attempts += 1
        if self.slow is not None:
            self.slow.wait(200.0)
        if self.full:
            raise OSError(errno.ENOSPC, "no space left")
        return super().write(snapshot, pace)


class Letters(SqliteDeadLetters):
    full = False

    def put(self, letters: Any) -> None:
        if self.full:
            raise LogUnavailable("dead letters: full", retry_after_s=0.01)
        super().put(letters)


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    built: list[Embedded] = []

    def build(every_records: int = 1_000_000, every_s: float = 1e9) -> Embedded:
        window = AppendWindow(MANIFEST.dedup_window)
        log = SqliteLog(tmp_path / "log.sqlite", window)
        dead, store = Letters(tmp_path / "dead.sqlite"), Store(tmp_path / "snapshots")
        learner = Learner(MANIFEST, log, Model(LearningSettings()), dead)
        learner.restore(store)
        prime(window, learner, log)
        policy = SavePolicy(every_records, every_s, 3)
        service = Embedded(learner, log, window, store, dead, policy, "default")
        service.begin(LearningSettings())
        service.catch_up()
        built.append(service)
        return service

    yield build
    for service in built:
        service.close()


def event(n: int, user: str = "u") -> Checked:
    event_id = f"{user}-{n}"
    body = {"type": "view", "user_id": user, "item_id": f"i{n}", "event_id": event_id}
    return Checked(json.dumps(body).encode(), user, event_id)


def send(service: Embedded, *events: Checked) -> Any:
    return asyncio.run(service.append_feedback(events, imported=False))


def until(reached: Callable[[], object]) -> None:
    deadline = time.monotonic() + 200.0
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def saved(service: Embedded) -> list[int]:
    return [name.position for name in service._saver._store.names(MODEL)]


def test_a_receipt_tells_what_became_of_an_append(build: Build) -> None:
    service = build()
    receipt = send(service, event(1), event(2), event(1))
    assert (receipt.accepted, receipt.duplicates, receipt.positions) == (2, 1, {0: 5})
    receipt = send(service)
    assert (receipt.accepted, receipt.duplicates, receipt.positions) == (0, 0, {0: 5})


def test_waiting_ends_when_the_row_is_there(build: Build) -> None:
    service = build()
    service.start()

    async def click() -> bool:
        receipt = await service.append_feedback([event(1)], imported=False)
        return await service.wait("u", receipt.positions, 200.0)

    assert asyncio.run(click())
    reading = asyncio.run(service.read("u"))
    assert reading.row is not None and reading.row.counts == {"view": 1}
    assert reading.positions == service.position("u") == {0: 3}
    until(lambda: service.ready() is None)


def test_waiting_for_what_never_comes_ends_and_leaves_nothing(build: Build) -> None:
    service = build()

    async def wait() -> list[bool]:
        return await asyncio.gather(*(service.wait("u", {0: 10**17}, 0.01) for _ in range(50)))

    assert asyncio.run(wait()) == [False] * 50
    assert not service._waiters
    assert asyncio.run(service.wait("u", {7: 5}, 0.0)), "another partition is not waited for"


def test_a_caller_that_goes_away_harms_neither_log_nor_learner(build: Build) -> None:
    service = build()
    service.start()

    async def leave() -> None:
        for n in range(50):
            task = asyncio.ensure_future(service.append_feedback([event(n)], imported=False))
            waiting = asyncio.ensure_future(service.wait("u", {0: 10**6}, 200.0))
            await asyncio.sleep(0)
            task.cancel()
            waiting.cancel()

    asyncio.run(leave())
    assert send(service, event(1_000)).accepted == 1
    until(lambda: service.status()["lag_records"] == 0)
    assert service.ready() is None and not service._waiters


def test_a_loop_that_closed_does_not_stop_learning(build: Build) -> None:
    service = build()
    loop = asyncio.new_event_loop()
    service._waiters.append((3, loop, loop.create_future()))
    loop.close()
    service.start()
    send(service, event(1))
    until(lambda: service.status()["lag_records"] == 0)
    until(lambda: service.ready() is None)


def test_a_snapshot_is_written_after_so_many_records(build: Build) -> None:
    service = build(every_records=10)
    service.start()
    for n in range(25):
        send(service, event(n))
    until(lambda: saved(service))
    service.close()
    assert saved(service)[0] == 27


def test_closing_drains_and_saves_so_that_nothing_is_to_replay(build: Build) -> None:
    service = build()
    service.start()
    send(service, *(event(n) for n in range(500)))
    service.close()
    assert saved(service) == [502]
    again = build()
    assert again.status()["position"] == 502 and again.status()["lag_records"] == 0


def test_a_full_disk_leaves_the_older_snapshot_and_closing_tries_again(build: Build) -> None:
    service = build(every_records=10)
    store: Any = service._saver._store
    service.start()
    store.full = True
    for n in range(40):
        send(service, event(n))
    until(lambda: store.attempts and service.status()["lag_records"] == 0)
    assert saved(service) == [] and service.ready() is None
    assert store.attempts < 20, "not once a record"
    store.full = False
    service.close()
    assert saved(service) == [42]


def test_on_a_slow_disk_snapshots_do_not_pile_up(build: Build) -> None:
    service = build(every_records=5)
    store: Any = service._saver._store
    store.slow = threading.Event()
    service.start()
    for n in range(60):
        send(service, event(n))
    until(lambda: service.status()["lag_records"] == 0)
    assert store.attempts <= 1, "one is under way, no copy waits behind it"
    store.slow.set()
    service.close()
    assert saved(service)[0] == 62


def test_when_dead_letters_cannot_be_kept_learning_waits_for_the_disk(build: Build) -> None:
    service = build()
    dead: Any = service._dead
    dead.full = True
    service._log.append([NewRecord(b"poison")])
    service.start()
    send(service, event(1))
    time.sleep(0.05)
    assert service.status()["lag_records"] > 0
    dead.full = False
    until(lambda: service.status()["lag_records"] == 0)
    until(lambda: service.ready() is None)
    assert service.status()["dead_letters"] == len(list(dead.letters())) == 1


def test_closing_while_learning_waits_keeps_the_log_as_the_truth(build: Build) -> None:
    service = build()
    dead: Any = service._dead
    dead.full = True
    service._log.append([NewRecord(b"poison")])
    service.start()
    send(service, event(1))
    time.sleep(0.05)
    service.close()
    assert saved(service) == [], "half a turn is not saved"
    again = build()
    assert again.status()["applied"] == again.status()["dead_letters"] == 1


def test_activity_is_told_in_order_and_once(build: Build) -> None:
    service = build()
    service.start()
    send(service, *(event(n) for n in range(5)))
    until(lambda: service.status()["lag_records"] == 0)
    entries, last = service.activity(0)
    assert [entry["item_id"] for entry in entries] == [f"i{n}" for n in range(5)]
    assert service.activity(last) == ([], last)
    assert [entry["seq"] for entry in service.activity(last - 2)[0]] == [last - 1, last]


def test_closing_twice_is_closing(build: Build) -> None:
    service = build()
    service.close()
    service.close()
