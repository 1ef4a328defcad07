"""The feed without a broker: calls never overlap, and void parcels are not handed over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import cast

from stream.faust.app import Security, Timeouts, make_app
from stream.faust.consumer import ExactConsumer
from stream.faust.feed import Counts, Feed
from stream.faust.parcels import Fetched, Parcel, cut
from stream.source import TP, SourceRecord

A, B = TP("events", 0), TP("events", 1)


class Slow:
    """A handler that notes its calls, and whether one began inside another."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.offsets: list[int] = []
        self.inside = 0
        self.fails = False

    async def _call(self, name: str) -> None:
        self.inside += 1
        assert self.inside == 1, "calls overlap"
        self.calls.append(name)
        await asyncio.sleep(0.01)
        self.inside -= 1

    async def assigned(self, partitions: set[TP]) -> dict[TP, int | None]:
        await self._call("assigned")
        return dict.fromkeys(partitions, 5)

    async def revoked(self, partitions: set[TP]) -> None:
        await self._call("revoked")

    async def handle(self, records: list[SourceRecord]) -> None:
        await self._call("handle")
        if self.fails:
            raise ValueError("no")
        self.offsets += [record.offset for record in records]

    async def stopping(self) -> None:
        await self._call("stopping")


def fetched(*offsets: int) -> list[Fetched]:
    fields = {"timestamp": 0, "key": None, "value": b"", "headers": ()}
    return [cast(Fetched, SimpleNamespace(offset=offset, **fields)) for offset in offsets]


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not reached():
            await asyncio.sleep(0)


def fed(test: Callable[[Feed, Slow, list[str]], Awaitable[None]], batch: int = 2) -> None:
    async def run() -> None:
        handler, failures = Slow(), list[str]()
        feed = Feed(handler, batch, lambda call, _: failures.append(call), Counts())
        feed.assign({A, B})
        await until(lambda: feed.next == {A: 5, B: 5})
        await test(feed, handler, failures)

    asyncio.run(run())


def parcel(feed: Feed, *offsets: int) -> Parcel:
    (made,) = cut(A, feed.epoch, offsets[0], fetched(*offsets))
    feed.sent(1)
    return made


def test_a_parcel_comes_in_batches_and_moves_the_position() -> None:
    async def test(feed: Feed, handler: Slow, _: list[str]) -> None:
        await feed.take(parcel(feed, 5, 6, 7))
        assert handler.calls == ["assigned", "handle", "handle"]
        assert feed.next == {A: 8, B: 5}
        await asyncio.wait_for(feed.idle(), 60)

    fed(test)


def test_partitions_of_a_fetch_come_in_one_call_and_share_it() -> None:
    async def test(feed: Feed, handler: Slow, _: list[str]) -> None:
        some, others = (
            cut(tp, feed.epoch, 5, fetched(*range(5, 5 + many))) for tp, many in ((A, 3), (B, 1))
        )
        feed.sent(2)
        await feed.take(some[0])
        assert handler.calls == ["assigned"], "the other partition is still on its way"
        await feed.take(others[0])
        assert handler.offsets == [5, 6, 5, 7]
        assert handler.calls == ["assigned", "handle", "handle"]
        assert feed.next == {A: 8, B: 6}

    fed(test, batch=4)


def test_nothing_is_owned_before_everything_is_loaded() -> None:
    async def test(feed: Feed, handler: Slow, _: list[str]) -> None:
        feed.assign({A})
        assert feed.next == {}
        await until(lambda: feed.next == {A: 5})

    fed(test)


def test_a_rebalance_waits_for_the_call_and_voids_the_rest() -> None:
    async def test(feed: Feed, handler: Slow, _: list[str]) -> None:
        taking = asyncio.create_task(feed.take(parcel(feed, 5, 6, 7, 8)))
        await until(lambda: handler.calls[-1] == "handle")
        feed.release()
        await feed.revoked({A, B})
        feed.assign({A})
        await taking
        await until(lambda: feed.next == {A: 5})  # what the handler said, not what was under way
        assert handler.calls == ["assigned", "handle", "revoked", "assigned"]
        assert handler.offsets == [5, 6]

    fed(test)


def test_a_parcel_that_is_not_the_next_is_refused() -> None:
    async def test(feed: Feed, handler: Slow, _: list[str]) -> None:
        epoch = feed.epoch
        await feed.take(parcel(feed, 6, 7))
        assert handler.offsets == []
        assert feed.counts.refused == 2
        assert feed.epoch > epoch  # the consumer seeks to the next offsets again

    fed(test)


def test_a_parcel_lost_on_its_way_does_not_stop_the_partition() -> None:
    async def test(feed: Feed, handler: Slow, _: list[str]) -> None:
        lost = parcel(feed, 5, 6)
        await asyncio.wait_for(feed.idle(), 60)
        assert feed.counts.dropped == 1
        await feed.take(lost)
        assert handler.offsets == []

    fed(test)


def test_an_error_ends_the_process() -> None:
    async def test(feed: Feed, handler: Slow, failures: list[str]) -> None:
        handler.fails = True
        await feed.take(parcel(feed, 5))
        assert failures == ["handle"]
        assert feed.next[A] == 5

    fed(test)


def test_after_stopping_nothing_is_called() -> None:
    async def test(feed: Feed, handler: Slow, _: list[str]) -> None:
        waiting = parcel(feed, 5, 6)
        await feed.stop(1)
        await feed.take(waiting)
        await feed.revoked({A, B})
        feed.assign({A, B})
        await asyncio.sleep(0.05)
        assert handler.calls == ["assigned", "stopping"]

    fed(test)


def test_nothing_is_assigned_before_the_consumers_thread_has_begun() -> None:
    async def assigned() -> set[object]:
        feed = Feed(Slow(), 10, lambda *_: None, Counts())
        app = make_app("127.0.0.1:1", "group", ["events"], feed, Security(), Timeouts(), None)
        consumer = cast(ExactConsumer, app.consumer)
        consumer._thread.thread_loop.close()  # nobody will run it
        return set(consumer.assignment())

    assert asyncio.run(assigned()) == set()
