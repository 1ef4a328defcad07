"""Which partitions are owned, the next offset of each, and the calls to the handler in order.

Knows nothing of Faust: the consumer tells it of assignments and asks it for positions, the agent
brings it parcels.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from stream.faust.parcels import Parcel, Slice, lots
from stream.source import TP, Handler

#: How long a parcel may be on its way inside Faust before it counts as dropped there.
LOST_AFTER_S = 1.0


@dataclass(slots=True)
class Counts:
    """What the source had to put right, since the start of the process."""

    records: int = 0
    skipped: int = 0  # below the next offset: handled before
    refused: int = 0  # above the next offset: fetched again
    discarded: int = 0  # fetches begun under an older assignment or position
    holes: int = 0  # offsets that the log does not have
    dropped: int = 0  # parcels that Faust lost on their way to the agent


class Feed:
    """The handler's positions and its calls, one at a time."""

    def __init__(
        self,
        handler: Handler,
        batch: int,
        fail: Callable[[str, BaseException], None],
        counts: Counts,
    ) -> None:
        self.next: dict[TP, int] = {}
        self.epoch = 0
        self.counts = counts
        self.stopped = False
        self._handler = handler
        self._batch = batch
        self.fail = fail
        self._calls = asyncio.Lock()
        self._pending = 0  # parcels of the fetch on its way
        self._here: list[Parcel] = []  # those of them that have arrived
        self._idle = asyncio.Event()
        self._idle.set()
        self._loading: asyncio.Task[None] | None = None

    def release(self) -> None:
        """Own nothing: what was fetched so far will not be handed over any more."""
        self.next = {}
        self._new_epoch()

    def assign(self, partitions: Collection[TP]) -> None:
        """Begin to load; the partitions are owned all at once when the last one is loaded.

        Not awaited by the group's coordinator, which sends no heartbeat until it gets control
        back: state that loads longer than the session lasts would be taken away for ever.
        """
        self.release()
        if partitions and not self.stopped:
            owned = {TP(topic, partition) for topic, partition in partitions}
            self._loading = asyncio.create_task(self._load(owned, self.epoch))

    async def revoked(self, partitions: Collection[TP]) -> None:
        """Tell the handler, after the call it is in."""
        lost = {TP(topic, partition) for topic, partition in partitions}
        if not lost or self.stopped:
            return
        with self._no_way_out("revoked"):
            async with self._calls:
                await self._handler.revoked(lost)

    async def take(self, parcel: Parcel) -> None:
        """Keep a parcel; with the last of its fetch hand all of them over, lot by lot."""
        epoch = self.epoch
        if parcel.epoch != epoch:
            return
        self._here.append(parcel)
        if len(self._here) < self._pending:
            return
        here, self._here = self._here, []
        with self._no_way_out("handle"):
            for lot in lots(here, self._batch):
                async with self._calls:
                    if epoch != self.epoch:
                        return
                    await self._hand_over(lot)
                await asyncio.sleep(0)  # a rebalance or a stop gets its turn between lots
        if epoch == self.epoch:
            self.sent(0)
            self._idle.set()

    async def stop(self, patience_s: float) -> None:
        """Let the call in progress end, then the handler save; give up after `patience_s`."""
        self.stopped = True
        self.release()
        with self._no_way_out("stopping"):
            async with asyncio.timeout(patience_s), self._calls:
                await self._handler.stopping()

    def sent(self, parcels: int) -> None:
        """Note how many parcels are on their way through Faust."""
        self._pending, self._here = parcels, []
        if parcels:
            self._idle.clear()

    async def idle(self) -> None:
        """Wait until every parcel sent was handled or has become void.

        At most one fetch is on its way: the next offset is exact when the following one is
        judged, and memory is bounded.
        """
        while not self._idle.is_set():
            before = self.counts.records
            try:
                await asyncio.wait_for(self._idle.wait(), LOST_AFTER_S)
            except TimeoutError:
                if before == self.counts.records and not self._calls.locked():
                    self.counts.dropped += self._pending - len(self._here)
                    self._new_epoch()

    async def _hand_over(self, lot: list[Slice]) -> None:
        """Hand over a lot whose every slice is its partition's next; else nothing of it."""
        epoch, strange = self.epoch, [part for part in lot if not self._is_next(part)]
        if strange:
            self.counts.refused += sum(len(part.parcel.records) for part in strange)
            self._new_epoch()
            return
        records = [record for part in lot for record in part.records()]
        await self._handler.handle(records)
        self.counts.records += len(records)
        if epoch == self.epoch:
            self.next.update({record.tp: record.offset + 1 for record in records})

    def _is_next(self, part: Slice) -> bool:
        return part.begin > 0 or self.next[part.parcel.tp] == part.parcel.start

    async def _load(self, partitions: set[TP], epoch: int) -> None:
        with self._no_way_out("assigned"):
            async with self._calls:
                if epoch != self.epoch:
                    return
                loaded = await self._handler.assigned(partitions)
            if epoch == self.epoch:
                self.next = {tp: loaded[tp] or 0 for tp in sorted(partitions)}

    @contextmanager
    def _no_way_out(self, call: str) -> Iterator[None]:
        """An exception of the handler ends the process; Faust would lose the event and go on."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is
            self.fail(call, error)

    def _new_epoch(self) -> None:
        self.epoch += 1
        self._pending = 0
        self._here = []
        self._idle.set()
