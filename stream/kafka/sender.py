"""The API tier's one producer: durable, idempotent, replaced when its sequence is broken."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from stream.errors import LogUnavailable
from stream.kafka.errors import BrokerUnreachable, TopicsDiffer
from stream.kafka.security import Link

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

logger = logging.getLogger(__name__)

Record = tuple[bytes, list[tuple[str, bytes]]]

# After this a silent connection is dropped and what was on it is sent again, with the same
# sequence numbers. Longer, and a stalled broker's return is noticed later.
_REQUEST_MS: Final = 5_000
# A batch of the library: as much as a turn of a lane may carry.
_BATCH_BYTES: Final = 1_048_576
_LARGEST_RECORD: Final = 2 * 1024 * 1024
_CLOSE_S: Final = 5.0


class Sender:
    """Sends records of one partition in order; several partitions at a time.

    A record the broker does not acknowledge is sent again for ever by the library, in order and
    without repeats. An error is final: the producer's sequence then has a hole that the broker
    refuses to pass, so the next call begins with a new producer.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._producer: AIOKafkaProducer | None = None
        self._beginning = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    async def start(self, topic: str) -> int:
        """Connect; return the topic's number of partitions.

        Raises BrokerUnreachable, and TopicsDiffer where there is no such topic.
        """
        try:
            async with asyncio.timeout(_REQUEST_MS / 1000):
                producer = await self._current()
        except Exception as error:
            raise BrokerUnreachable(self._link.bootstrap, _said(error)) from error
        try:
            async with asyncio.timeout(_REQUEST_MS / 1000):
                return len(await producer.partitions_for(topic))
        except Exception as error:
            remedy = f"{topic} does not exist: `freshet topics create` makes it"
            raise TopicsDiffer([remedy]) from error

    async def send(self, topic: str, partition: int, records: Sequence[Record]) -> list[int]:
        """Offsets of the records, once every in-sync replica has them. Raises LogUnavailable.

        When it raises, some of them may have been appended.
        """
        sent: list[asyncio.Future[Any]] = []
        producer = None
        try:
            producer = await self._current()
            for value, headers in records:
                sent.append(await producer.send(topic, value, partition=partition, headers=headers))
            return [_offset(kept) for kept in await asyncio.gather(*sent)]
        except Exception as error:
            await asyncio.gather(*sent, return_exceptions=True)
            if producer is not None:
                self._retire(producer)
            logger.error("Kafka did not take records of %s: %s", topic, _said(error))
            raise LogUnavailable(f"Kafka: {_said(error)}") from error

    async def stop(self) -> None:
        if self._producer is not None:
            self._retire(self._producer)
        if self._closing:
            await asyncio.wait(self._closing)

    async def _current(self) -> AIOKafkaProducer:
        async with self._beginning:
            if self._producer is None:
                self._producer = await _begun(self._link)
            return self._producer

    def _retire(self, producer: AIOKafkaProducer) -> None:
        if self._producer is producer:
            self._producer = None
            task = asyncio.create_task(_close(producer))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


async def _begun(link: Link) -> AIOKafkaProducer:
    from aiokafka import AIOKafkaProducer

    producer = AIOKafkaProducer(
        acks="all",
        enable_idempotence=True,
        linger_ms=0,  # a lane has lingered already
        max_batch_size=_BATCH_BYTES,
        max_request_size=_LARGEST_RECORD,
        request_timeout_ms=_REQUEST_MS,
        compression_type="lz4",
        **link.options(),
    )
    try:
        await producer.start()
    except BaseException:
        await _close(producer)
        raise
    return producer


async def _close(producer: AIOKafkaProducer) -> None:
    """Stop; without a broker the library would wait for acknowledgements for ever."""
    try:
        async with asyncio.timeout(_CLOSE_S):
            await producer.stop()
    except TimeoutError:
        task = producer._sender.sender_task
        if task is not None:
            task.cancel()
        await producer.client.close()
    except Exception as error:  # noqa: BLE001
        logger.warning("closing a Kafka producer: %s", _said(error))


def _offset(kept: Any) -> int:
    # -1: a batch sent again so late that the broker only remembers having had it.
    if kept.offset < 0:
        raise LogUnavailable("the broker no longer knows where it put the records")
    return int(kept.offset)


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__
