"""Item rows and the trending list in Redis, for other readers."""

from __future__ import annotations

from typing import Final

import msgspec

from stream.cluster.publishing import Lot
from stream.redis import keys, scripts
from stream.redis.link import Link

_LOST: Final = -1


class Published:
    """`ItemWriter` over Redis: a lot is one script, and its mark is the items' mark."""

    def __init__(self, link: Link, namespace: str) -> None:
        self._link = link
        self._namespace = namespace
        self._mark = keys.items_mark_key(namespace)

    async def reached(self) -> int | None:
        """The mark; None where there is none. Raises StoreUnavailable."""
        [held] = await self._link.get(self._mark)
        return None if held is None else int(held)

    async def begin(self) -> None:
        """Set a mark of 0 where there is none: if it is lost again, all of it was."""
        await self._link.run((scripts.WRITE, [self._mark], [0, -1, 1]))

    async def write(self, lot: Lot, reached: int) -> bool:
        """Write a lot; False where Redis no longer holds what was `reached`.

        A position that was written before, by whomever, changes nothing. Raises StoreUnavailable.
        """
        named, values = [], []
        for item in lot.items:
            fields = {"item_id": item.item_id, "key": f"{item.key:016x}", **item.fields}
            named += [
                keys.item_key(self._namespace, item.item_id),
                keys.item_id_key(self._namespace, item.key),
            ]
            values += [msgspec.json.encode(fields), item.item_id.encode()]
        for key, item_id in lot.gone:
            named += [
                keys.item_key(self._namespace, item_id),
                keys.item_id_key(self._namespace, key),
            ]
            values += [b"", b""]  # removes them
        if lot.last:
            listed = [{"item_id": item_id, "score": score} for item_id, score in lot.trending]
            named.append(keys.trending_key(self._namespace))
            values.append(msgspec.json.encode({"position": lot.position, "items": listed}))
        arguments = [lot.position, reached, int(lot.last), *values]
        [(outcome, _)] = await self._link.run((scripts.WRITE, [self._mark, *named], arguments))
        return outcome != _LOST
