"""Whose embedding waits, and what the model worker writes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from models.model import Model
from models.settings import LearningSettings
from stream.cluster import model_worker, standby, touched
from stream.cluster.model_worker import Learning, ModelWorker
from stream.cluster.standby import Beside, StandbyModelWorker
from stream.cluster.touched import Touched, history_after
from stream.errors import StoreUnavailable
from stream.example_bytes import encode
from stream.examples import ExampleBatch
from stream.manifest import Manifest
from stream.model_stage import Watcher
from stream.ports import Pace, Snapshot, unhindered
from stream.profiles import Profiles
from stream.records import LogRecord
from stream.saving import SavePolicy
from stream.source import TP, SourceRecord

SEED = 3


class Store:
    """Keeps what is written; away for the first `failures` calls."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.vectors: dict[str, Any] = {}
        self.calls: list[int] = []
        self.failed: list[asyncio.Task[Any] | None] = []  # who asked while it was away

    async def write_embeddings(self, position: int, vectors: dict[str, Any]) -> None:
        if self.failures:
            self.failures -= 1
            self.failed.append(asyncio.current_task())
            raise StoreUnavailable("away", "connection")
        self.calls.append(len(vectors))
        self.vectors.update(vectors)


class Snapshots:
    def __init__(self) -> None:
        self.written: list[Snapshot] = []

    def names(self, stage: str) -> list[str]:
        return []

    def read(self, name: str) -> Snapshot:
        raise KeyError(name)

    def write(self, snapshot: Snapshot, pace: Pace = unhindered) -> str:
        self.written.append(snapshot)
        return "it"

    def prune(self, stage: str, keep: int) -> None:
        pass


def batches(events: list[tuple[str, str]]) -> list[ExampleBatch]:
    """A batch an event, of one partition."""
    profiles, found = Profiles(Manifest(seed=SEED, scoring="all")), []
    for at, (user, item) in enumerate(events):
        body = msgspec.json.encode({"type": "view", "user_id": user, "item_id": item})
        pieces = profiles.step([LogRecord(at, 1e9 + at, False, body)]).pieces
        found += [piece for piece in pieces if isinstance(piece, ExampleBatch)]
    return found


def records(found: list[ExampleBatch]) -> list[SourceRecord]:
    return [
        SourceRecord(TP("examples", 0), at, 1_000, None, encode(0, [batch]), ())
        for at, batch in enumerate(found)
    ]


def worker(store: Store, snapshots: Snapshots, every: int = 10**6) -> ModelWorker:
    model = Model(LearningSettings(), SEED)
    return ModelWorker(model, store, snapshots, SavePolicy(every, 1e6))  # type: ignore[arg-type]


EVENTS = [(f"u{n % 5}", f"i{n % 7}") for n in range(40)]


def test_a_user_touched_again_keeps_the_place_and_the_newest_past() -> None:
    found, waiting = batches([("a", "i1"), ("b", "i1"), ("a", "i2")]), Touched()
    for batch in found:
        waiting.note(batch)
    taken = waiting.take(1)
    assert list(taken) == ["a"] and len(waiting) == 1
    assert taken["a"].tolist() == history_after(found[2], 0).tolist()
    assert len(taken["a"]) == 2


def test_what_is_put_back_goes_first_and_gives_way_to_newer() -> None:
    found, waiting = batches([("a", "i1"), ("b", "i1"), ("b", "i2")]), Touched()
    waiting.note(found[0])
    waiting.note(found[1])
    taken = waiting.take(2)
    waiting.note(found[2])
    waiting.put_back(taken)
    again = waiting.take(5)
    assert list(again) == ["a", "b"]
    assert len(again["b"]) == 2


def test_too_many_waiting_users_are_given_up_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(touched, "MOST", 2)
    waiting = Touched()
    for batch in batches([("a", "i1"), ("b", "i1"), ("c", "i2")]):
        waiting.note(batch)
    waiting.put_back({})
    assert list(waiting.take(5)) == ["b", "c"]


def run(job: Callable[[], Any]) -> None:
    asyncio.run(job())


@pytest.mark.parametrize("failures", [0, 3])
def test_every_embedding_is_written_in_the_end(
    failures: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_worker, "_LOT", 2)
    monkeypatch.setattr(model_worker, "_RETRY_S", 0.01)
    store, found = Store(failures), batches(EVENTS)
    made = worker(store, Snapshots())

    async def job() -> None:
        await made.assigned({TP("examples", 0)})
        await made.handle(records(found))
        while len(store.vectors) < 5 or made.status()["embeddings_waiting"]["0"]:
            await asyncio.sleep(0.01)

    run(job)
    assert max(store.calls) <= 2
    last = {batch.user_ids[0]: batch for batch in found}
    assert sorted(store.vectors) == sorted(last)
    for user_id, batch in last.items():
        wanted = made.learning.stage.model.embeddings([history_after(batch, 0)])[0]
        assert np.array_equal(store.vectors[user_id], wanted)


def test_a_standby_that_takes_over_writes_what_waited_though_no_record_follows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(standby, "_SETTLED_S", -1.0)
    monkeypatch.setattr(standby, "_LOOK_S", 0.01)
    store, found = Store(), batches(EVENTS)

    def follow(learning: Learning, watch: Watcher) -> Any:
        for record in records(found):
            learning.apply(record, watch)
        return SimpleNamespace(start=lambda: None, stop=lambda: None, alive=False, caught_up=True)

    snapshots: Any = Snapshots()
    model, policy = Model(LearningSettings(), SEED), SavePolicy(10**6, 1e6)
    board: Any = None  # asked for hashes now and then, and away
    beside = Beside(follow, board, "t", 10**6)
    made = StandbyModelWorker(model, store, snapshots, policy, beside)

    async def job() -> None:
        standing_by = asyncio.create_task(made.stand_by())
        while not made.status()["embeddings_waiting"]["0"]:
            await asyncio.sleep(0.01)
        standing_by.cancel()
        await made.assigned({TP("examples", 0)})
        while len(store.vectors) < 5:
            await asyncio.sleep(0.01)

    run(job)
    assert sorted(store.vectors) == sorted({batch.user_ids[0] for batch in found})


def test_an_outage_is_told_once_and_learning_does_not_wait_for_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(model_worker, "_RETRY_S", 0.1)
    store, found = Store(failures=5), batches(EVENTS)
    made = worker(store, Snapshots())

    async def job() -> None:
        await made.assigned({TP("examples", 0)})
        for record in records(found):
            await made.handle([record])
        learning = store.failed.count(asyncio.current_task())
        assert learning <= 1, "every record waited for a store that is away"
        while len(store.vectors) < 5:
            await asyncio.sleep(0.01)

    run(job)
    told = [entry.getMessage() for entry in caplog.records if "embeddings" in entry.getMessage()]
    assert len(told) == 2 and "5 tries" in told[1]


def test_nothing_waits_when_a_snapshot_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_worker, "_LOT", 1)
    store, snapshots = Store(), Snapshots()
    made = worker(store, snapshots, every=1)

    async def job() -> None:
        await made.assigned({TP("examples", 0)})
        await made.handle(records(batches(EVENTS)))
        assert len(snapshots.written) == 1 and len(store.vectors) == 5
        await made.stopping()

    run(job)
    assert made.ages.cumulative()[-1] == ("+Inf", len(EVENTS))
