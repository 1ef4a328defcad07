"""Faust's consumer, made exact: positions come from the handler, never from the broker.

Overridden are the methods through which Faust seeks, fetches, commits and hears of rebalances.
All seeking and fetching happens in one coroutine, `_wait_next_records`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, cast

from aiokafka.errors import ConsumerStoppedError, KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from stream.errors import PositionLost
from stream.faust.feed import Feed
from stream.faust.library import (
    AIOKafkaConsumerThread,
    Consumer,
    ConsumerMessage,
    ConsumerNotStarted,
    Transport,
)
from stream.faust.parcels import Fetched, Parcel, cut
from stream.source import TP

logger = logging.getLogger(__name__)

#: A fetch waits this long for records. A rebalance or a stop waits for a fetch.
FETCH_S = 0.25
#: The broker holds an empty fetch this long. While it does, no other is sent to it: a seek and a
#: new assignment wait. Faust's own 1.5 s made an idle group read again after 1.5 to 3 s.
HELD_MS = 200
#: Pause before asking again a broker that did not answer, and while nothing is owned.
PAUSE_S = 0.05
#: A commit is for dashboards: the stage does not wait longer for it.
COMMIT_S = 2.0
#: The end of the log must stay below a position this often before the position counts as lost:
#: a new leader may for a moment not know how far it was read.
LOST_TRIES = 20

AWAY = (KafkaError, ConsumerStoppedError, TimeoutError)

Fetch = tuple[dict[TP, list[Parcel]], set[TP]]


class ParcelMessage(ConsumerMessage):
    """Faust's message with a parcel inside."""

    __slots__ = ("parcel",)
    parcel: Parcel


class PromptThread(AIOKafkaConsumerThread):
    """Faust's thread around aiokafka's consumer, with `HELD_MS`."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        driver = super()._create_worker_consumer(transport)
        driver._fetch_max_wait_ms = HELD_MS  # Faust has no setting for it
        return driver


class ExactConsumer(Consumer):
    """Hands over parcels that begin exactly at the next offset."""

    feed: Feed

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._sought = -1  # the feed's epoch at the last seek
        self._misplaced = False  # a fetch was thrown away: seek before the next one
        self._fresh: set[TP] = set()  # sought, and nothing taken since

    def _new_consumer_thread(self) -> PromptThread:
        return PromptThread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_revoked(self, revoked: set[Any]) -> None:
        self.feed.release()
        await super().on_partitions_revoked(revoked)
        await self.feed.revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[Any], generation_id: int = 0) -> None:
        self.feed.assign(assigned)
        await super().on_partitions_assigned(assigned, generation_id)

    def assignment(self) -> set[Any]:
        """Nothing before the thread has begun; timers of Faust's ask earlier and would break."""
        try:
            return super().assignment()
        except ConsumerNotStarted:
            return set()

    async def seek_to_committed(self) -> Mapping[Any, int]:
        """Do not. Seek to the handler's offsets, before the next fetch."""
        self._misplaced = True
        return {}

    async def _commit(self, offsets: Mapping[Any, int]) -> bool:
        """Let Faust believe that its own commits succeed."""
        return True

    def verify_event_path(self, now: float, tp: Any) -> None:
        """Faust's alarm judges by its own commits, and there are none."""

    async def commit_positions(self, offsets: Mapping[TP, int]) -> None:
        """Commit what is assigned. Not through Faust, which would end over a failure."""
        owned: set[Any] = self.assignment()
        wanted = {
            TopicPartition(*tp): OffsetAndMetadata(offset, "")
            for tp, offset in offsets.items()
            if tp in owned
        }
        if not wanted:
            return
        driver = self._thread._ensure_consumer()
        future = asyncio.run_coroutine_threadsafe(driver.commit(wanted), self._thread.thread_loop)
        try:
            await asyncio.wait_for(asyncio.wrap_future(future), COMMIT_S)
        except AWAY as error:
            logger.warning("the broker was not told of %s: %r", wanted, error)

    async def _wait_next_records(self, timeout: float) -> Any:
        """Fetch from the next offsets, and refuse what is not there.

        The order: all parcels of the last fetch handled → seek, if anything was out of place →
        fetch → thrown away if the assignment or the position changed meanwhile → judged.
        """
        if not self.flow_active:
            await self.wait(cast(Any, self.can_resume_flow))
        await self.feed.idle()
        if not self.feed.next:
            await self.sleep(PAUSE_S)
            return {}, set()
        try:
            if self._misplaced or self._sought != self.feed.epoch:
                await self._seek_to_next()
            return await self._fetch(timeout)
        except AWAY as error:
            if self.should_stop or isinstance(error, ConsumerStoppedError):
                raise
            logger.warning("the broker does not answer: %r", error)
            self._misplaced = True
            await self.sleep(PAUSE_S)
            return {}, set()
        except PositionLost as error:
            self.feed.fail("read", error)
            raise

    async def _fetch(self, timeout: float) -> Fetch:
        epoch, owned = self.feed.epoch, set(self.feed.next)
        records = await self._getmany(cast(Any, owned), min(timeout, FETCH_S))
        if epoch != self.feed.epoch or self._misplaced:
            self.feed.counts.discarded += 1
            self._misplaced = True
            return {}, set()
        parcels: dict[TP, list[Parcel]] = {}
        for tp, fetched in records.items():
            accepted = await self._judge(TP(*tp), fetched)
            if accepted and epoch == self.feed.epoch:
                parcels[TP(*tp)] = accepted
        if epoch != self.feed.epoch:
            return {}, set()
        self.feed.sent(sum(map(len, parcels.values())))
        return parcels, owned

    async def _judge(self, tp: TP, fetched: Sequence[Fetched]) -> list[Parcel]:
        """Cut what was fetched to what comes next; nothing of it when there is a gap before."""
        want = self.feed.next.get(tp)
        if want is None or not fetched:
            return []
        if fetched[0].offset < want:
            kept = [record for record in fetched if record.offset >= want]
            self.feed.counts.skipped += len(fetched) - len(kept)
            self._misplaced = True  # how it got there is to be looked into: see _seek_to_next
            fetched = kept
        elif fetched[0].offset > want and not await self._is_hole(tp, want):
            self.feed.counts.refused += len(fetched)
            self._misplaced = True
            return []
        self._fresh.discard(tp)
        parcels = cut(tp, self.feed.epoch, want, fetched)
        self.feed.counts.holes += sum(parcel.records[0].offset - parcel.start for parcel in parcels)
        return parcels

    async def _is_hole(self, tp: TP, want: int) -> bool:
        """True if the fetch came straight from a seek to `want`, which the log still covers."""
        if tp not in self._fresh:
            return False
        begin, end = await self._bounds([tp])
        if begin[tp] <= want:
            return True
        raise PositionLost(*tp, want, begin[tp], end[tp])

    async def _seek_to_next(self) -> None:
        """Seek every owned partition to its next offset. Raises PositionLost."""
        epoch, wanted = self.feed.epoch, dict(self.feed.next)
        await self._require_covered(wanted)
        if epoch != self.feed.epoch:
            return
        await self.seek_wait(cast(Any, {TopicPartition(*tp): at for tp, at in wanted.items()}))
        self._fresh = set(wanted)
        self._sought, self._misplaced = epoch, False

    async def _require_covered(self, wanted: Mapping[TP, int]) -> None:
        """Return once the log's bounds enclose every wanted offset. Raises PositionLost."""
        for left in reversed(range(LOST_TRIES)):
            begins, ends = await self._bounds(list(wanted))
            lost = {tp: at for tp, at in wanted.items() if not begins[tp] <= at <= ends[tp]}
            if not lost:
                return
            for tp, at in lost.items():
                if at < begins[tp] or not left:
                    raise PositionLost(*tp, at, begins[tp], ends[tp])
            await self.sleep(PAUSE_S)

    async def _bounds(self, partitions: Sequence[TP]) -> tuple[dict[TP, int], dict[TP, int]]:
        asked = cast(Any, [TopicPartition(*tp) for tp in partitions])
        begins, ends = await asyncio.gather(self.earliest_offsets(*asked), self.highwaters(*asked))
        return (
            {TP(*tp): offset for tp, offset in begins.items()},
            {TP(*tp): offset for tp, offset in ends.items()},
        )

    def _to_message(self, tp: Any, record: Any) -> ConsumerMessage:
        """Wrap a parcel, of which Faust sees the place alone."""
        parcel = cast(Parcel, record)
        message = ParcelMessage(
            parcel.tp.topic, parcel.tp.partition, parcel.start, 0.0, 0, [], None, b"", None,
            tp=tp, generation_id=self.app.consumer_generation_id,
        )  # fmt: skip
        message.parcel = parcel
        return message


class ExactTransport(Transport):
    """Makes consumers that share one feed."""

    Consumer = ExactConsumer
    feed: Feed

    def create_consumer(self, callback: Any, **options: Any) -> Any:
        consumer = super().create_consumer(callback, **options)
        cast(ExactConsumer, consumer).feed = self.feed
        return consumer
