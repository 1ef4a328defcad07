"""What others may read of the model, about once a second: items that changed, and trending.

Ranking never reads it. It lies beside the way of an event: a turn takes a few hundred items
from the model at a time, and a store that is away costs nothing but their freshness.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from models.model import Model
from stream.cluster.outage import Outage
from stream.errors import StoreUnavailable

logger = logging.getLogger(__name__)

EVERY_S: Final = 1.0
#: Items taken at a time, some 2 ms of the model's thread and of the event loop each. With more
#: an event waits longer behind them, with fewer a catalogue takes longer to appear.
_LOT: Final = 200
# Between two lots: the rest of the process gets its turn.
_PAUSE_S: Final = 0.02
_TRENDING: Final = 100


@dataclass(frozen=True, slots=True)
class PublishedItem:
    """An item as others read it; `key` is what stands for it in histories."""

    key: int
    item_id: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Lot:
    """Items as of `position`; with the `last` lot comes the trending list, best first.

    `gone` are keys and ids of items that have left the model.
    """

    position: int
    items: Sequence[PublishedItem]
    gone: Sequence[tuple[int, str]]
    trending: Sequence[tuple[str, float]]
    last: bool


class ItemWriter(Protocol):
    """Where published items go; every write is guarded by position. Raises StoreUnavailable."""

    async def reached(self) -> int | None:
        """The position items are written up to; None: the store holds none."""
        ...

    async def begin(self) -> None:
        """All items follow; whatever is lost before the last of them shows in `write`."""
        ...

    async def write(self, lot: Lot, reached: int) -> bool:
        """Write a lot, after the last one also the mark; False: what was written is lost."""
        ...


class Publishing:
    """Keeps the store's items up to date. All but `run` and `publish` is for the model's thread."""

    def __init__(
        self,
        model: Model,
        writer: ItemWriter,
        position: Callable[[], int | None],
        on_thread: Callable[[Callable[[], Lot]], Awaitable[Lot]],
    ) -> None:
        self._model = model
        self._writer = writer
        self._position = position
        self._on_thread = on_thread
        self._noted: deque[str] = deque()
        self._changed: dict[str, None] = {}
        self._gone: dict[str, None] = {}
        self._moves = 0
        self._known = 0  # rows below are written, or among those that changed
        self._reached = 0
        self._outage = Outage("published items")

    def note(self, item_id: str) -> None:
        """The catalogue's record of an item has changed."""
        self._noted.append(item_id)

    def left(self, item_ids: Sequence[str], rows: NDArray[np.int64]) -> None:
        """The items of these rows have left the model; the rows behind them have moved up."""
        self._known -= int(np.count_nonzero(rows < self._known))
        self._gone.update(dict.fromkeys(item_ids))
        self._moves += 1

    def begin(self) -> None:
        """The model was taken over at its position: what was written below counts as known."""
        self._noted.clear()
        self._changed.clear()
        self._gone.clear()
        self._known = self._model.items
        self._reached = self._position() or 0

    async def run(self, every_s: float = EVERY_S) -> None:
        """Publish again and again until cancelled. Learning goes on whatever happens here."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await self.publish()
                self._outage.over()
            except StoreUnavailable as error:
                self._outage.met(error)
            except Exception as error:
                if self._outage.met(error):
                    logger.exception("items could not be published; tried again")

    async def publish(self) -> int:
        """Write what has changed, or all where the store lost it; answers how many items.

        Raises StoreUnavailable; what was not written is written by the next call.
        """
        position = self._position()
        if position is None:
            return 0
        held = await self._writer.reached()
        if held is None or held < self._reached:
            self._forget(held or 0)
            await self._writer.begin()
        elif held == position and not self._noted and not self._changed:
            return 0
        return await self._write_all()

    def _forget(self, reached: int) -> None:
        """All items are yet to come."""
        self._known, self._reached = 0, reached
        self._changed.clear()

    async def _write_all(self) -> int:
        count = 0
        while True:
            known, moves = self._known, self._moves
            lot = await self._on_thread(self._take)
            try:
                whole = await self._writer.write(lot, self._reached)
            except BaseException:
                if (
                    self._moves == moves
                ):  # else rows have other numbers; they are noted all the same
                    self._known = known
                self._gone.update((item_id, None) for _, item_id in lot.gone)
                self._noted.extend(item.item_id for item in lot.items)
                raise
            count += len(lot.items)
            if not whole:
                self._forget(0)
                return count
            if lot.last:
                self._reached = max(self._reached, lot.position)
                return count
            await asyncio.sleep(_PAUSE_S)

    def _take(self) -> Lot:
        model, position = self._model, self._position() or 0
        for _ in range(len(self._noted)):
            item_id = self._noted.popleft()
            if 0 <= self._row(item_id) < self._known:  # all others are yet to come
                self._changed[item_id] = None
        until = min(self._known + _LOT, model.items)
        changed = list(islice(self._changed, _LOT - (until - self._known)))
        for item_id in changed:
            del self._changed[item_id]
        rows = [*range(self._known, until), *map(self._row, changed)]
        self._known = until
        gone = list(islice(self._gone, _LOT))
        for item_id in gone:
            del self._gone[item_id]
        last = until == model.items and not self._changed and not self._gone
        best = model.trending(_TRENDING) if last else []
        trending = [(model.id_of(listed.row), listed.score) for listed in best]
        items = [self._item(row) for row in rows if row >= 0]
        # What has come back since is published as the new item it is.
        left = [(model.key_of(name), name) for name in gone if self._row(name) < 0]
        return Lot(position, items, left, trending, last)

    def _row(self, item_id: str) -> int:
        return self._model.row_of(self._model.key_of(item_id))

    def _item(self, row: int) -> PublishedItem:
        item_id = self._model.id_of(row)
        fields = self._model.document(row) or {}
        return PublishedItem(self._model.key_of(item_id), item_id, fields)
