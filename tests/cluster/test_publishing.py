"""Items and trending for other readers, in a real Redis: all of them, again when they are lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest
import redis

from deploy.local.redis import Redis
from models.model import Model
from models.settings import LearningSettings
from stream.cluster import publishing
from stream.cluster.publishing import Lot, Publishing
from stream.errors import StoreUnavailable
from stream.redis.link import Link
from stream.redis.published import Published

ITEMS = 25


class Shop:
    """A model, how far it has learned, and what Redis tells others of it."""

    def __init__(self, url: str) -> None:
        self.link = Link(url, timeout_s=30.0)
        self.model = Model(LearningSettings())
        self.next: int | None = None
        self.publishing = self.other()

    def other(self) -> Publishing:
        """Another worker of the same model."""
        made = Publishing(
            self.model, Published(self.link, "t"), lambda: self.next, self._in_place
        )  # fmt: skip
        made.begin()
        return made

    async def _in_place(self, work: Callable[[], Lot]) -> Lot:
        return work()

    def put(self, number: int, **fields: object) -> None:
        self.model.put_item({"item_id": f"i{number}", **fields})
        self.publishing.note(f"i{number}")
        self.next = (self.next or 0) + 1

    async def held(self, key: str) -> bytes:
        [value] = await self.link.get(f"{{t:items}}:{key}")
        return value or b""


def run(new_redis: Callable[..., Redis], test: Callable[[Shop, Redis], Awaitable[None]]) -> None:
    async def within() -> None:
        server = new_redis()
        shop = Shop(server.url)
        try:
            await test(shop, server)
        finally:
            await shop.link.close()

    asyncio.run(within())


@pytest.fixture(autouse=True)
def small_lots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "_LOT", 10)
    monkeypatch.setattr(publishing, "_PAUSE_S", 0.0)


def test_what_changed_is_written_and_all_when_it_is_lost(new_redis: Callable[..., Redis]) -> None:
    async def test(shop: Shop, server: Redis) -> None:
        assert await shop.publishing.publish() == 0
        for number in range(ITEMS):
            shop.put(number, title=f"T{number}")
        assert await shop.publishing.publish() == ITEMS
        assert await shop.publishing.publish() == 0
        shop.put(3, title="new")
        shop.put(3, title="newer")
        assert await shop.publishing.publish() == 1
        key = f"{shop.model.key_of('i3'):016x}"
        told = msgspec.json.decode(await shop.held("i:i3"))
        assert told == {"item_id": "i3", "key": key, "title": "newer"}
        assert await shop.held(f"k:{key}") == b"i3"
        assert msgspec.json.decode(await shop.held("trending"))["position"] == ITEMS + 2
        await shop.link.client.flushall()
        assert await shop.publishing.publish() == ITEMS
        assert await shop.held("mark") == b"27"

    run(new_redis, test)


def test_lost_in_the_middle_all_is_written_again(new_redis: Callable[..., Redis]) -> None:
    async def test(shop: Shop, server: Redis) -> None:
        for number in range(ITEMS):
            shop.put(number)
        taken = shop.publishing._take

        def wiped() -> Lot:
            lot = taken()
            if len(lot.items) < 10:  # the last lot
                with redis.Redis.from_url(server.url) as client:
                    client.flushall()
            return lot

        shop.publishing._take = wiped  # type: ignore[method-assign]
        await shop.publishing.publish()
        assert await shop.held("mark") == b""
        shop.publishing._take = taken  # type: ignore[method-assign]
        assert await shop.publishing.publish() == ITEMS
        assert await shop.held("i:i0")

    run(new_redis, test)


def test_nothing_is_forgotten_while_the_store_is_away(new_redis: Callable[..., Redis]) -> None:
    async def test(shop: Shop, server: Redis) -> None:
        shop.put(1, title="old")
        await shop.publishing.publish()
        server.stop()
        shop.put(1, title="new")
        with pytest.raises(StoreUnavailable):
            await shop.publishing.publish()
        server.start()
        server.await_ready()
        assert await shop.publishing.publish() == 1
        assert b"new" in await shop.held("i:i1")

    run(new_redis, test)


def test_whoever_takes_over_writes_what_the_one_before_did_not(
    new_redis: Callable[..., Redis],
) -> None:
    async def test(shop: Shop, server: Redis) -> None:
        shop.put(1)
        await shop.publishing.publish()
        assert await shop.other().publish() == 0
        shop.put(2)  # and the one who knows of it dies
        assert await shop.other().publish() == 2

    run(new_redis, test)


def test_items_that_leave_the_model_leave_the_store(new_redis: Callable[..., Redis]) -> None:
    async def test(shop: Shop, server: Redis) -> None:
        shop.model.apply_settings(LearningSettings(max_items=16))
        shop.model.told_left = shop.publishing.left
        known = shop.model.row_of

        async def agrees(highest: int) -> None:
            for number in range(highest):
                key = shop.model.key_of(f"i{number}")
                there = known(key) >= 0
                assert bool(await shop.held(f"i:i{number}")) == there, number
                assert bool(await shop.held(f"k:{key:016x}")) == there, number

        for number in range(16):
            shop.put(number)
        await shop.publishing.publish()
        for number in range(16, 20):  # four leave, and one of them comes back
            shop.put(number)
        shop.put(0)
        assert known(shop.model.key_of("i1")) < 0 <= known(shop.model.key_of("i0"))
        await shop.publishing.publish()
        await agrees(20)
        shop.put(2, title="back")
        write = shop.publishing._writer.write

        async def away(lot: Lot, reached: int) -> bool:
            for number in range(20, 24):  # more leave while the store is away
                shop.put(number)
            raise StoreUnavailable("away")

        shop.publishing._writer.write = away  # type: ignore[method-assign]
        with pytest.raises(StoreUnavailable):
            await shop.publishing.publish()
        shop.publishing._writer.write = write  # type: ignore[method-assign]
        await shop.publishing.publish()
        await agrees(24)
        assert b"back" in await shop.held("i:i2")

    run(new_redis, test)
