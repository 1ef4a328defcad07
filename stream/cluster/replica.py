"""A replica of the model by its log: boots from the newest snapshot and replays `examples`."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream import trace
from stream.activity import Activity
from stream.cluster.freshness import Ages, Lags
from stream.cluster.model_worker import Learning
from stream.errors import PositionLost
from stream.kafka.security import Link
from stream.model_stage import Watcher
from stream.ports import SnapshotStore
from stream.source import TP, SourceRecord

logger = logging.getLogger(__name__)

_POLL_MS: Final = 200
# Records a turn: each is an envelope; readers see the model move after every one of them.
_TURN: Final = 50
_RETRY_S: Final = 1.0
# A broker with nothing to tell answers twice a second; on a busy machine a little later.
_SILENT_S: Final = 2.0


class Replica:
    """A thread that keeps a model at the end of `examples`.

    `fault` says why it has ended by itself: retention has overrun it, and only another replica,
    from a newer snapshot, can go on.
    """

    def __init__(
        self,
        learning: Learning,
        link: Link,
        topic: str,
        snapshots: SnapshotStore,
        watch: Watcher | None = None,
    ) -> None:
        self.learning = learning
        self.activity = Activity()
        self._watch = watch or self.activity.note
        self.ages = Ages()
        self.published_at = time.monotonic()
        self.caught_up = False
        self.behind = 0
        self._heard_at = time.time()  # when the broker last told where the log ends
        self._lags = Lags()
        self.fault: str | None = None
        self._link = link
        self._tp = TP(topic, 0)
        self._snapshots = snapshots
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="replica", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(5.0)

    def lag_s(self) -> float:
        """How many seconds the model may be behind, 0 at the end of the log.

        A broker that tells nothing counts too: nobody knows where its log ends by now.
        """
        now, at = time.time(), self.learning.next or 0
        lag = self._lags.seconds({self._tp: at}, {self._tp: at + self.behind}, self.ages, now)
        silent = now - self._heard_at
        return max(lag.get(self._tp, 0.0), silent if silent > _SILENT_S else 0.0)

    @property
    def alive(self) -> bool:
        """Whether the thread runs, and so may move the model."""
        return self._thread.is_alive()

    def _run(self) -> None:
        restored = False
        while not self._stopping.is_set():
            try:
                if not restored:
                    self.learning.restore(self._snapshots)
                    restored = True
                asyncio.run(self._follow())
            except PositionLost as error:
                self.fault = str(error)
                logger.error("the replica cannot go on: %s", error)
                return
            except Exception:
                # Answers go on from the last state; readiness and lag tell of it.
                logger.exception("the replica lost its log and tries again")
                self._stopping.wait(_RETRY_S)

    async def _follow(self) -> None:
        consumer = AIOKafkaConsumer(
            enable_auto_commit=False,
            auto_offset_reset="none",  # what was trimmed away is not to be passed over
            **self._link.options(),
        )
        await consumer.start()
        try:
            partition = TopicPartition(self._tp.topic, self._tp.partition)
            consumer.assign([partition])
            consumer.seek(partition, await self._next(consumer, partition))
            while not self._stopping.is_set():
                await self._turn(consumer, partition)
        finally:
            await consumer.stop()

    async def _next(self, consumer: Any, partition: TopicPartition) -> int:
        """The next offset. Raises PositionLost where the log begins above it."""
        wanted = self.learning.next or 0
        begin = (await consumer.beginning_offsets([partition]))[partition]
        if begin > wanted:
            end = (await consumer.end_offsets([partition]))[partition]
            raise PositionLost(self._tp.topic, self._tp.partition, wanted, begin, end)
        return wanted

    async def _turn(self, consumer: Any, partition: TopicPartition) -> None:
        fetched = await consumer.getmany(partition, timeout_ms=_POLL_MS, max_records=_TURN)
        for records in fetched.values():
            for record in records:
                self._apply(record)
        end = consumer.highwater(partition)
        self._heard_at = max((consumer.last_poll_timestamp(partition) or 0) / 1e3, self._heard_at)
        if end is not None:
            self.behind = max(end - (self.learning.next or 0), 0)
            self.caught_up = self.caught_up or self.behind == 0
        elif not fetched:
            self.caught_up = True

    def _apply(self, record: Any) -> None:
        source = SourceRecord(
            self._tp, record.offset, record.timestamp, record.key, record.value,
            tuple(record.headers or ()),
        )  # fmt: skip
        began = trace.began()
        self.learning.apply(source, self._watch)
        trace.tell("replica", [trace.of_record(source.headers)], began)
        self.published_at = time.monotonic()
        self.ages.observe_all([source])
