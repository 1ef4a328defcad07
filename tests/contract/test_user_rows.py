"""Users' rows, in process and over Redis: a row is whole and of one moment."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec
import pytest

from deploy.local.processes import ServerMissing
from deploy.local.redis import Redis
from stream.manifest import Manifest
from stream.profiles import Profiles, UserRow
from stream.records import LogRecord
from stream.redis.link import Link
from stream.redis.reader import RedisReader
from stream.redis.rows import encode_row, rows_of
from stream.redis.writer import Outcome, RedisRows, RowBatch
from tests.conftest import missing

T = TypeVar("T")


class UserRows(Protocol):
    def row(self, user_id: str) -> UserRow | None: ...


#: An adapter's rows, and what makes it learn records.
Rows = tuple[UserRows, Callable[[list[LogRecord]], object]]


class OverRedis:
    """Rows as a worker writes them and an API process reads them, each over its connection."""

    def __init__(self, url: str, profiles: Profiles) -> None:
        self._profiles = profiles
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._links = Link(url, timeout_s=5.0), Link(url, timeout_s=5.0)
        self._writer = RedisRows(self._links[0], "contract", lambda _: 0)
        self._reader = RedisReader(self._links[1], "contract", lambda _: 0)
        assert self._run(self._writer.refill(0, rows_of(profiles, 0), 0))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def row(self, user_id: str) -> UserRow | None:
        return self._run(self._reader.row(user_id))

    def learn(self, records: list[LogRecord]) -> None:
        self._profiles.step(records)
        position = records[-1].offset + 1
        users = {record.json()["user_id"] for record in records}
        rows = [(user, encode_row(position, self._profiles.row(user))) for user in users]
        assert self._run(self._writer.write_rows([RowBatch(0, position, rows)])) == [
            Outcome.WRITTEN
        ]

    def close(self) -> None:
        for link in self._links:
            self._run(link.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def over_redis(folder: Path, profiles: Profiles) -> Iterator[Rows]:
    try:
        server = Redis(folder)
    except ServerMissing as error:
        missing(str(error))
        raise
    server.start()
    try:
        server.await_ready()
        store = OverRedis(server.url, profiles)
        yield store, store.learn
        store.close()
    finally:
        server.kill()


@pytest.fixture(params=["in-process", "redis"])
def rows(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rows]:
    profiles = Profiles(Manifest(dedup_window=1 << 15))
    if request.param == "redis":
        yield from over_redis(tmp_path, profiles)
    else:
        yield profiles, profiles.step


def event(offset: int, user: str, item: str, kind: str = "view") -> LogRecord:
    body = {"type": kind, "user_id": user, "item_id": item}
    return LogRecord(offset, 1.7e9 + offset, True, msgspec.json.encode(body))


def test_nobody_has_no_row(rows: Rows) -> None:
    read, learn = rows
    assert read.row("u") is None
    learn([event(0, "u", "a")])
    assert read.row("u") is not None and read.row("U") is None and read.row("") is None


def test_a_row_tells_history_newest_first_counts_and_time(rows: Rows) -> None:
    read, learn = rows
    learn([event(0, "u", "a"), event(1, "u", "b", "like"), event(2, "v", "c")])
    row = read.row("u")
    assert row is not None
    assert row.counts == {"view": 1, "like": 1}
    assert row.last_time == 1.7e9 + 1
    assert row.past.history_time.tolist() == [1.7e9 + 1, 1.7e9]
    assert [row.types[number] for number in row.past.history_type] == ["like", "view"]
    assert row.past.history_start.tolist() == row.past.seen_start.tolist() == [0, 2]


def test_a_row_does_not_change_once_it_was_read(rows: Rows) -> None:
    read, learn = rows
    learn([event(0, "u", "a")])
    row = read.row("u")
    assert row is not None
    kept = [column.tobytes() for column in row.past]
    learn([event(n, "u", f"i{n}") for n in range(1, 50)])
    assert [column.tobytes() for column in row.past] == kept


def test_a_row_read_while_events_are_learned_is_of_one_moment(rows: Rows) -> None:
    read, learn = rows
    stop, torn = threading.Event(), []

    def look() -> None:
        while not stop.is_set():
            row = read.row("u")
            if row is None:
                continue
            times = row.past.history_time.tolist()
            counted = sum(row.counts.values())
            if (
                times != sorted(times, reverse=True)
                or times[0] != row.last_time
                or counted != int(times[0] - 1.7e9) + 1
                or len(times) != min(counted, 100)
                or len(row.past.seen_key) != min(counted, 1_000)
            ):
                torn.append(row)

    looking = threading.Thread(target=look)
    looking.start()
    for at in range(0, 4_000, 20):
        learn([event(n, "u", f"i{n}") for n in range(at, at + 20)])
    stop.set()
    looking.join()
    assert not torn
