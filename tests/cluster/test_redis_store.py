"""Rows and embeddings in a real Redis: guarded, found out when lost, and bounded in time."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from config.cli.store import app
from deploy.local.redis import Redis
from stream.errors import StoreUnavailable
from stream.manifest import Manifest
from stream.ports import Changed
from stream.profiles import Profiles, UserRow
from stream.records import LogRecord
from stream.redis.check import StoreCheck
from stream.redis.link import Link
from stream.redis.reader import RedisReader
from stream.redis.rows import encode_row, rows_of
from stream.redis.stage_store import StageStore
from stream.redis.writer import Outcome, RedisRows, RowBatch

PARTITIONS = 4
#: Far above what a request may wait, far below the 40 s that redis-py's own retries take.
PATIENCE_S = 10.0
#: What an API process allows Redis; here only where it is to be exceeded.
QUICK_S = 0.05


def partition_of(user_id: str) -> int:
    return len(user_id) % PARTITIONS


async def wrote(
    writer: RedisRows, partition: int, position: int, rows: list[tuple[str, bytes]]
) -> Outcome:
    [outcome] = await writer.write_rows([RowBatch(partition, position, rows)])
    return outcome


class Store:
    """Both ends of a namespace in one Redis."""

    def __init__(self, url: str, namespace: str = "t", read_s: float = 30.0) -> None:
        self.link = Link(url, timeout_s=30.0)
        self.reading = Link(url, timeout_s=read_s)
        self.writer = RedisRows(self.link, namespace, partition_of)
        self.reader = RedisReader(self.reading, namespace, partition_of)
        self.check = StoreCheck(self.link, namespace, partition_of)

    async def fill(self, partition: int = 1, position: int = 0) -> None:
        assert await self.writer.refill(partition, [], position)


def run(
    url: str,
    test: Callable[[Store], Awaitable[None]],
    namespace: str = "t",
    read_s: float = 30.0,
) -> None:
    async def within() -> None:
        store = Store(url, namespace, read_s)
        try:
            await test(store)
        finally:
            await store.link.close()
            await store.reading.close()

    asyncio.run(within())


def learned(*items: str, user: str = "u", **more: Any) -> Profiles:
    profiles = Profiles(Manifest(dedup_window=1 << 15))
    bodies = [{"type": "view", "user_id": user, "item_id": item, **more} for item in items]
    profiles.step(
        [LogRecord(n, 1.7e9 + n, True, msgspec.json.encode(b)) for n, b in enumerate(bodies)]
    )
    return profiles


def row_of(*items: str) -> UserRow:
    row = learned(*items).row("u")
    assert row is not None
    return row


def test_what_is_written_is_read(redis_url: str, namespace: str) -> None:
    async def test(store: Store) -> None:
        await store.fill()
        row = row_of("a", "b")
        raw = encode_row(2, row, {"age": 7})
        assert await wrote(store.writer, 1, 2, [("u", raw)]) is Outcome.WRITTEN
        await store.writer.write_embeddings(9, [("u", np.arange(4, dtype=np.float32))])
        user = await store.reader.user("u")
        assert user.stored is not None and user.stored.row is not None
        assert (user.stored.position, user.mark) == (2, 2)
        assert user.stored.attributes == {"age": 7}
        assert user.stored.row.counts == {"view": 2}
        assert [c.tobytes() for c in user.stored.row.past] == [c.tobytes() for c in row.past]
        assert user.embedding is not None and user.embedding[0] == 9
        assert user.embedding[1].tolist() == [0, 1, 2, 3]
        assert await store.reader.row("v") is None
        assert await store.reader.embedding("v") is None

    run(redis_url, test, namespace)


def test_an_old_or_equal_position_changes_nothing(redis_url: str, namespace: str) -> None:
    async def test(store: Store) -> None:
        await store.fill()
        new, old = encode_row(20, row_of("a", "b")), encode_row(10, row_of("a"))
        assert await wrote(store.writer, 1, 20, [("u", new)]) is Outcome.WRITTEN
        zombie = Store(redis_url, namespace)
        assert await zombie.writer.begin(1, 5)
        for position in (10, 20):
            assert await wrote(zombie.writer, 1, position, [("u", old)]) is Outcome.STALE
        await zombie.link.close()
        assert await store.reader.mark(1) == 20
        row = await store.reader.row("u")
        assert row is not None and row.counts == {"view": 2}
        one, two = np.ones(2, np.float32), np.full(2, 2, np.float32)
        assert await store.writer.write_embeddings(7, [("u", two)]) == {1: Outcome.WRITTEN}
        written = await store.writer.write_embeddings(6, [("u", one), ("uu", one)])
        assert written == {1: Outcome.STALE, 2: Outcome.WRITTEN}
        held = await store.reader.embedding("u")
        assert held is not None and held[0] == 7 and held[1].tolist() == [2, 2]
        for user_id in ("u", "v", "w"):  # of one partition and one position, in calls of their own
            written = await store.writer.write_embeddings(8, [(user_id, one)])
            assert list(written.values()) == [Outcome.WRITTEN]
            held = await store.reader.embedding(user_id)
            assert held is not None and held[0] == 8

    run(redis_url, test, namespace)


def test_an_emptied_redis_is_noticed_and_refilled(new_redis: Callable[..., Redis]) -> None:
    async def test(store: Store) -> None:
        profiles = learned("a", "b", "c")
        assert not await store.writer.begin(1, 0)
        assert await store.writer.refill(1, rows_of(profiles, 3), 3)
        epoch = await store.reader.epoch()
        assert await store.writer.lost() == []
        await store.link.client.flushall()
        assert await store.writer.lost() == [1]
        late = encode_row(4, row_of("z"))
        assert await wrote(store.writer, 1, 4, [("u", late)]) is Outcome.LOST
        with pytest.raises(StoreUnavailable, match="filled"):
            await store.reader.row("u")
        assert await store.writer.refill(1, rows_of(profiles, 3), 3)
        assert await store.writer.lost() == []
        row = await store.reader.row("u")
        assert row is not None and row.counts == {"view": 3}
        assert epoch not in (None, await store.reader.epoch())
        assert await wrote(store.writer, 1, 4, [("u", late)]) is Outcome.WRITTEN

    run(new_redis().url, test)


def test_a_refill_of_an_emptied_redis_sets_no_mark(new_redis: Callable[..., Redis]) -> None:
    async def test(store: Store) -> None:
        raw = encode_row(9, row_of("a"))

        def rows(wipe_at: int) -> Any:
            for number in range(1_200):
                if number == wipe_at:
                    # Between two batches, as anybody's FLUSHALL may fall.
                    import redis

                    with redis.Redis.from_url(server.url) as other:
                        assert other.hlen("{t:1}:fill") == 1 and not other.exists("{t:1}:mark")
                        other.flushall()
                yield f"{number:05}", raw

        assert not await store.writer.refill(1, rows(600), 9)
        assert await store.reader.mark(1) is None
        assert await store.writer.refill(1, rows(-1), 9)
        assert await store.reader.mark(1) == 9
        [_, report, *_] = await store.check.look(PARTITIONS, 10)
        assert (report.users, report.refilling, report.problems) == (1_200, 0, [])

    server = new_redis()
    run(server.url, test)


def test_two_refill_at_once_and_the_newer_rows_stay(redis_url: str, namespace: str) -> None:
    async def test(store: Store) -> None:
        old, new = encode_row(90, row_of("a")), encode_row(100, row_of("a", "b"))
        users = [f"{n:05}" for n in range(1_500)]
        zombie = RedisRows(store.link, namespace, partition_of)
        done = await asyncio.gather(
            store.writer.refill(1, [(u, new) for u in users], 100),
            zombie.refill(1, [(u, old) for u in users], 90),
        )
        assert all(done)
        assert await store.reader.mark(1) == 100
        for user in users[::100]:
            row = await store.reader.row(user)
            assert row is not None and row.counts == {"view": 2}
        # Who is behind is told so, and takes nothing away.
        assert await zombie.refill(1, [(u, old) for u in users], 90)
        assert await store.reader.mark(1) == 100

    run(redis_url, test, namespace)


def test_a_killed_redis_comes_back_with_rows_and_marks(new_redis: Callable[..., Redis]) -> None:
    async def test(store: Store) -> None:
        await store.fill()
        assert await wrote(store.writer, 1, 2, [("u", encode_row(2, row_of("a")))])
        server.kill()
        with pytest.raises(StoreUnavailable) as raised:
            await store.reader.row("u")
        assert raised.value.kind == "connection"
        server.start()
        server.await_ready()
        assert await eventually(store.reader.mark, 1) == 2
        assert await store.writer.lost() == []
        assert await store.reader.row("u") is not None
        # The server has forgotten the scripts.
        again = await wrote(store.writer, 1, 3, [("u", encode_row(3, row_of("a", "b")))])
        assert again is Outcome.WRITTEN

    server = new_redis()
    run(server.url, test)


async def eventually(ask: Callable[[int], Awaitable[int | None]], partition: int) -> int | None:
    """Its answer once it gives one: a server that starts says for a moment that it loads."""
    for _ in range(100):
        try:
            return await ask(partition)
        except StoreUnavailable:
            await asyncio.sleep(0.05)
    return None


def test_a_stalled_redis_costs_a_time_limit_and_recovers(new_redis: Callable[..., Redis]) -> None:
    async def test(store: Store) -> None:
        await store.fill()
        assert await eventually(store.reader.mark, 1) == 0
        server.send(signal.SIGSTOP)
        try:
            for _ in range(3):
                begun = time.monotonic()
                with pytest.raises(StoreUnavailable) as raised:
                    await store.reader.row("u")
                assert raised.value.kind == "timeout"
                assert time.monotonic() - begun < PATIENCE_S
            begun = time.monotonic()
            many = (store.reader.row("u") for _ in range(200))
            answers = await asyncio.gather(*many, return_exceptions=True)
            assert all(isinstance(answer, StoreUnavailable) for answer in answers)
            assert time.monotonic() - begun < PATIENCE_S
            with pytest.raises(StoreUnavailable):
                await store.reader.wait(1, 5, 5.0)
        finally:
            server.send(signal.SIGCONT)
        assert await eventually(store.reader.mark, 1) == 0
        assert store.reading.failures["timeout"] >= 3

    server = new_redis()
    run(server.url, test, read_s=QUICK_S)


def test_a_full_redis_refuses_writes_whole_and_serves_reads(
    new_redis: Callable[..., Redis],
) -> None:
    async def test(store: Store) -> None:
        await store.fill()
        row = encode_row(1, row_of("a"))
        assert await wrote(store.writer, 1, 1, [("u", row)]) is Outcome.WRITTEN
        await store.link.client.config_set("maxmemory", "1")
        for _ in range(2):
            with pytest.raises(StoreUnavailable) as raised:
                await wrote(store.writer, 1, 2, [("u", encode_row(2, row_of("a", "b")))])
            assert raised.value.kind == "memory"
        assert store.link.failures == {"memory": 2}
        user = await store.reader.user("u")
        assert user.mark == 1 and user.stored is not None and user.stored.position == 1
        await store.link.client.config_set("maxmemory", "0")
        again = await wrote(store.writer, 1, 2, [("u", encode_row(2, row_of("a", "b")))])
        assert again is Outcome.WRITTEN

    run(new_redis("--maxmemory-policy", "noeviction").url, test)


def test_waiting_ends_with_the_mark_or_the_time(redis_url: str, namespace: str) -> None:
    async def test(store: Store) -> None:
        await store.fill()
        assert not await store.reader.wait(1, 5, 0.02)
        assert not await store.reader.wait(1, 5, 0.0)
        waiting = [asyncio.create_task(store.reader.wait(1, p, 20.0)) for p in (3, 5, 5)]
        never = asyncio.create_task(store.reader.wait(2, 1, 0.5))
        await asyncio.sleep(0.02)
        assert not any(task.done() for task in waiting)
        await wrote(store.writer, 1, 3, [])
        assert await waiting[0]
        assert not waiting[1].done()
        await wrote(store.writer, 1, 5, [])
        assert await asyncio.gather(*waiting) == [True, True, True]
        assert not await never
        assert await store.reader.wait(1, 5, 0.0)

    run(redis_url, test, namespace)


def test_stages_write_and_refill_through_their_port(new_redis: Callable[..., Redis]) -> None:
    async def test(store: Store) -> None:
        stage, profiles = StageStore(store.writer), Profiles(Manifest(), 1)
        profiles.step(_views("u", ["a", "b"]))
        assert await stage.lost(1, 0)
        await stage.refill(profiles, 2)
        assert not await stage.lost(1, 2)
        await stage.write_embeddings(3, {"u": np.ones(2, np.float32)})
        await store.link.client.flushall()
        profiles.step(_views("u", ["c"], 2))
        changed = Changed(profiles, 3, ["u"])
        assert await stage.write([changed]) == [changed]
        await stage.refill(profiles, 3)
        assert await stage.write([changed]) == []
        user = await store.reader.user("u")
        assert user.stored is not None and user.stored.row is not None
        assert user.stored.row.counts == {"view": 3}
        assert user.mark == user.stored.position == 3

    run(new_redis().url, test)


def _views(user_id: str, items: list[str], start: int = 0) -> list[LogRecord]:
    bodies = [{"type": "view", "user_id": user_id, "item_id": item} for item in items]
    return [
        LogRecord(start + n, 1e9 + n, False, msgspec.json.encode(body))
        for n, body in enumerate(bodies)
    ]


def test_check_finds_what_is_wrong_and_rebuild_asks_for_all_rows(
    redis_url: str, namespace: str
) -> None:
    async def test(store: Store) -> None:
        for partition in range(PARTITIONS):
            await store.fill(partition)
        row = encode_row(5, row_of("a"))
        await wrote(store.writer, 1, 5, [("u", row), ("w:x:y", row)])
        await store.writer.write_embeddings(5, [("u", np.ones(2, np.float32))])
        reports = await store.check.look(PARTITIONS, 100)
        assert [r.problems for r in reports] == [[]] * PARTITIONS
        assert (reports[1].users, reports[1].embeddings, reports[1].mark) == (2, 1, 5)
        client, tag = store.link.client, f"{{{namespace}:2}}"
        await client.set(f"{tag}:u:uu", b"rubbish that is no row")
        await client.set(f"{tag}:u:u", row)
        await client.set(f"{tag}:e:uu", np.array([1, 2, np.nan], np.float32).tobytes())
        problems = (await store.check.look(PARTITIONS, 100))[2].problems
        assert len(problems) == 4, problems
        assert await store.check.rebuild(range(PARTITIONS)) == PARTITIONS
        assert await store.writer.lost() == list(range(PARTITIONS))
        assert all(r.problems for r in await store.check.look(PARTITIONS, 0))

    run(redis_url, test, namespace)


def test_the_command_line_checks_and_asks_for_a_rebuild(redis_url: str, namespace: str) -> None:
    async def fill(store: Store) -> None:
        for partition in range(PARTITIONS):
            await store.fill(partition)

    def freshet(verb: str, *flags: str) -> Result:
        place = ["--redis", redis_url, "--namespace", namespace]
        return CliRunner().invoke(app, [verb, *place, *flags], env=environ)

    environ = {"FRESHET_KAFKA__PARTITIONS": str(PARTITIONS)}
    run(redis_url, fill, namespace)
    checked = freshet("check", "--json")
    assert checked.exit_code == 0, checked.output
    reports = [msgspec.json.decode(line) for line in checked.stdout.splitlines()]
    assert [r["mark"] for r in reports] == [0] * PARTITIONS
    assert freshet("rebuild", "--partition", "2").exit_code == 0
    checked = freshet("check", "--json")
    assert checked.exit_code == 1
    reports = [msgspec.json.decode(line) for line in checked.stdout.splitlines()]
    assert [bool(r["problems"]) for r in reports] == [False, False, True, False]
