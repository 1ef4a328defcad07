"""Item rows and the trending list, for other readers: the newest of each, about once a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import msgspec

from stream.errors import StoreUnavailable
from stream.redis import keys, scripts
from stream.redis.link import Call, Link

#: Items a script writes, two keys each.
_BATCH: Final = 500
EVERY_S: Final = 1.0


@dataclass(frozen=True)
class PublishedItem:
    """An item as others read it; `key` is what stands for it in histories."""

    key: int
    item_id: str
    fields: dict[str, Any]


class Published:
    """What the model stage publishes. Ranking never reads it.

    `everything` gives all items there are: asked when Redis is found to hold none.
    """

    def __init__(
        self, link: Link, namespace: str, everything: Callable[[], Iterable[PublishedItem]]
    ) -> None:
        self._link = link
        self._namespace = namespace
        self._everything = everything
        self._items: dict[str, PublishedItem] = {}
        self._trending: bytes | None = None
        self._reached = 0

    def put(self, item: PublishedItem) -> None:
        """Note an item that is new or has changed; the last one before a flush is written."""
        self._items[item.item_id] = item

    def trending(self, position: int, items: Sequence[tuple[str, float]]) -> None:
        """Note the list, best first, as of `position` of the examples."""
        listed = [{"item_id": item_id, "score": score} for item_id, score in items]
        self._trending = msgspec.json.encode({"position": position, "items": listed})

    async def flush(self, position: int) -> int:
        """Write what was noted, as of `position`; answers how many items. Nothing noted: no call.

        What a StoreUnavailable kept from being written stays noted.
        """
        if not self._items and self._trending is None:
            return 0
        mark = keys.items_mark_key(self._namespace)
        [held] = await self._link.get(mark)
        if held is None or int(held) < self._reached:
            self._items = {item.item_id: item for item in self._everything()} | self._items
        taken, trending = self._items, self._trending
        self._items, self._trending = {}, None
        try:
            for call in self._calls(mark, position, list(taken.values()), trending):
                await self._link.run(call)
        except StoreUnavailable:
            self._items = taken | self._items
            self._trending = self._trending or trending
            raise
        self._reached = max(self._reached, position)
        return len(taken)

    def _calls(
        self, mark: str, position: int, items: list[PublishedItem], trending: bytes | None
    ) -> Iterable[Call]:
        left = iter(items)
        while batch := list(islice(left, _BATCH)):
            named, values = [], []
            for item in batch:
                fields = {"item_id": item.item_id, "key": f"{item.key:016x}", **item.fields}
                named += [
                    keys.item_key(self._namespace, item.item_id),
                    keys.item_id_key(self._namespace, item.key),
                ]
                values += [msgspec.json.encode(fields), item.item_id.encode()]
            yield scripts.WRITE, [mark, *named], [position, -1, 0, *values]
        named = [] if trending is None else [keys.trending_key(self._namespace)]
        values = [] if trending is None else [trending]
        yield scripts.WRITE, [mark, *named], [position, -1, 1, *values]

    async def run(self, position: Callable[[], int], every_s: float = EVERY_S) -> None:
        """Flush again and again until cancelled; while Redis is away, what changes is kept."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await self.flush(position())
            except StoreUnavailable:
                continue  # counted by the link
