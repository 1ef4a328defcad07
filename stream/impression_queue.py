"""Lists that were shown, on their way to the log: off the path of requests, and bounded."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

from stream.errors import StreamError
from stream.impressions import Impression, impression_record

logger = logging.getLogger(__name__)

#: Lists that may wait; beyond, new ones are dropped. Some 10 MB, seconds of a busy server.
WAITING: Final = 10_000
# Lists of one append: a turn of the learner over as many takes milliseconds, for which a click
# behind them waits.
_LOT: Final = 256
# How long lists wait for others: alone, each would cost a commit and a turn of the learner. Nobody
# waits for them; a click that overtakes its list finds it all the same.
_LINGER_S: Final = 0.1

#: Appends lists as (user id, record). Raises LogUnavailable.
Append = Callable[[Sequence[tuple[str, bytes]]], Awaitable[None]]


class ImpressionQueue:
    """Appends in the background, in order, on the event loop it is used on."""

    def __init__(self, append: Append, waiting: int = WAITING) -> None:
        self._append = append
        self._most = waiting
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self.dropped = 0

    def put(self, impressions: Sequence[Impression]) -> None:
        """Queue lists; those there is no room for are dropped and counted."""
        for shown in impressions:
            if len(self._waiting) < self._most:
                self._waiting.append((shown.user_id, impression_record(shown)))
            else:
                self.dropped += 1
        if self._waiting and (self._sending is None or self._sending.done()):
            self._sending = asyncio.get_running_loop().create_task(self._send())

    async def drain(self) -> None:
        """Wait until what was queued is durable or dropped."""
        self._hurry.set()
        if self._sending is not None:
            await self._sending
        self._hurry.clear()

    async def _send(self) -> None:
        while self._waiting:
            await self._gather()
            lot = [self._waiting.popleft() for _ in range(min(_LOT, len(self._waiting)))]
            try:
                await self._append(lot)
            except StreamError as error:
                self.dropped += len(lot)
                logger.warning("%d lists that were shown are not kept: %s", len(lot), error)

    async def _gather(self) -> None:
        """Let others come, but where there are enough or somebody waits for these."""
        if len(self._waiting) < _LOT:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LINGER_S):
                    await self._hurry.wait()
