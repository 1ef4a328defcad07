"""Stage one's voice: one idempotent producer, one order, and fail-stop.

A send that failed may be overtaken by a later one, which would be silent loss. So any failed
send ends the process before the next; what was not acknowledged is emitted again, identical,
from the last snapshot, and dropped by the model where it had arrived.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from stream.errors import EmitFailed
from stream.kafka.security import Link

# Half a megabyte of examples a request: as many as a busy partition gives between two acks.
_BATCH_BYTES: Final = 262_144
_LARGEST_RECORD: Final = 4 * 2**20
_TIMEOUT_MS: Final = 10_000

Headers = Sequence[tuple[str, bytes]]


class Emitter:
    """Sends in the order of its calls; used by one coroutine."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._producer: AIOKafkaProducer | None = None
        self._unacknowledged: list[asyncio.Future[Any]] = []

    async def start(self) -> None:
        self._producer = AIOKafkaProducer(
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=_BATCH_BYTES,
            max_request_size=_LARGEST_RECORD,
            request_timeout_ms=_TIMEOUT_MS,
            **self._link.options(),
        )
        await self._producer.start()

    async def send(
        self, topic: str, partition: int | None, value: bytes, headers: Headers = ()
    ) -> None:
        """Queue one record; `settle` tells whether it arrived. Raises EmitFailed."""
        if self._producer is None:
            raise EmitFailed("the producer is not connected")
        try:
            sent = await self._producer.send(
                topic, value, partition=partition, headers=list(headers)
            )
        except Exception as error:
            raise EmitFailed(f"{topic}: {type(error).__name__}: {error}") from error
        self._unacknowledged.append(sent)

    async def settle(self) -> None:
        """Wait until everything sent so far is acknowledged. Raises EmitFailed."""
        waiting, self._unacknowledged = self._unacknowledged, []
        try:
            await asyncio.gather(*waiting)
        except Exception as error:
            raise EmitFailed(f"{type(error).__name__}: {error}") from error

    async def stop(self) -> None:
        if self._producer is not None:
            await self._producer.stop()
