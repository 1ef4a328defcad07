"""Stage one with a store that is away: learning does not wait for it, and no row is forgotten."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stream.cluster import profiles_worker
from stream.cluster.profiles_worker import ProfilesWorker
from stream.errors import StoreUnavailable
from stream.files.snapshots import FolderSnapshots
from stream.kafka.names import Topics
from stream.manifest import Manifest
from stream.ports import Changed
from stream.profiles import Profiles
from stream.saving import SavePolicy
from stream.source import TP, SourceRecord

AT = TP("events", 0)


class Rows:
    """A store that can be away; remembers whose rows it was brought."""

    def __init__(self) -> None:
        self.away = False
        self.tries = self.refills = 0
        self.held: set[str] = set()
        self.mark = -1

    def _ask(self) -> None:
        self.tries += 1
        if self.away:
            raise StoreUnavailable("away", "timeout")

    async def lost(self, partition: int, position: int) -> bool:
        self._ask()
        return self.mark < position

    async def write(self, changed: Sequence[Changed]) -> list[Changed]:
        if changed:
            self._ask()
        for _, position, user_ids in changed:
            self.held |= set(user_ids)
            self.mark = position
        return []

    async def refill(self, profiles: Profiles, position: int) -> None:
        self._ask()
        self.refills += 1
        self.held |= set(profiles.all_user_ids())
        self.mark = position

    async def answers(self) -> bool:
        return not self.away

    def release(self, partition: int) -> None:
        pass


class Emitter:
    """Acknowledges everything."""

    async def send(self, *_: Any) -> None:
        pass

    async def settle(self) -> None:
        pass


def record(offset: int) -> SourceRecord:
    event = {"type": "view", "user_id": f"u{offset}", "item_id": "i", "event_id": str(offset)}
    return SourceRecord(AT, offset, 1_700_000_000_000, None, json.dumps(event).encode(), ())


@pytest.mark.parametrize("most", [5_000, 3], ids=["few", "many"])
def test_an_outage_is_met_once_and_made_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(profiles_worker, "_LOOK_S", 0.01)
    monkeypatch.setattr(profiles_worker, "_ROWS", most)
    rows = Rows()
    worker = ProfilesWorker(
        Manifest(partitions=1), Topics("default"), Emitter(), rows,  # type: ignore[arg-type]
        FolderSnapshots(tmp_path), SavePolicy(every_s=1e9),
    )  # fmt: skip

    async def outage() -> None:
        await worker.assigned({AT})
        await worker.handle([record(0)])
        assert rows.held == {"u0"}
        rows.away, before = True, rows.tries
        for offset in range(1, 10):
            await worker.handle([record(offset)])
        assert rows.tries == before + 1, "every batch waited for a store that does not answer"
        minding = asyncio.create_task(worker.mind_the_store())
        await asyncio.sleep(0.05)
        assert rows.held == {"u0"}
        rows.away = False
        while len(rows.held) < 10:
            await asyncio.sleep(0.01)
        minding.cancel()

    asyncio.run(outage())
    assert rows.mark == 10 * 1024
    assert rows.refills == (2 if most == 3 else 1)


def test_a_look_that_fails_is_told_and_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(profiles_worker, "_LOOK_S", 0.01)
    rows = Rows()
    worker = ProfilesWorker(
        Manifest(partitions=1), Topics("default"), Emitter(), rows,  # type: ignore[arg-type]
        FolderSnapshots(tmp_path), SavePolicy(every_s=1e9),
    )  # fmt: skip

    async def broken(partition: int, position: int) -> bool:
        raise ZeroDivisionError

    async def look() -> None:
        await worker.assigned({AT})
        await worker.handle([record(0)])
        lost, rows.lost = rows.lost, broken  # type: ignore[method-assign]
        minding = asyncio.create_task(worker.mind_the_store())
        while "looking after the store failed" not in caplog.text:
            await asyncio.sleep(0.01)
        rows.lost, rows.mark, before = lost, -1, rows.refills  # type: ignore[method-assign]
        while rows.refills == before:
            await asyncio.sleep(0.01)
        minding.cancel()

    asyncio.run(look())
