"""Waiting for marks: one poll serves everybody in the process who waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from stream.errors import StoreUnavailable

#: Between two looks. What a request waits longer than it must, against a question to Redis
#: that takes about 0.2 ms, one at a time however many wait.
_EVERY_S: Final = 0.003


class Waiting:
    """Requests that wait until a partition's mark has reached a position."""

    def __init__(self, marks: Callable[[list[int]], Awaitable[list[int | None]]]) -> None:
        self._marks = marks
        self._waiters: dict[asyncio.Future[bool], tuple[int, int]] = {}
        self._polling: asyncio.Task[None] | None = None

    async def wait(self, partition: int, position: int, timeout_s: float) -> bool:
        """False when the time was up. Raises StoreUnavailable at once: waiting would not help."""
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = (partition, position)
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll())
        try:
            async with asyncio.timeout(timeout_s):
                return await waiter
        except TimeoutError:
            return False
        finally:
            self._waiters.pop(waiter, None)

    async def _poll(self) -> None:
        while self._waiters:
            partitions = sorted({partition for partition, _ in self._waiters.values()})
            try:
                marks = await self._marks(partitions)
            except StoreUnavailable as error:
                self._fail(error)
                return
            reached = dict(zip(partitions, marks, strict=True))
            for waiter, (partition, position) in self._waiters.items():
                mark = reached.get(partition)
                if mark is not None and mark >= position and not waiter.done():
                    waiter.set_result(True)
            await asyncio.sleep(_EVERY_S)

    def _fail(self, error: StoreUnavailable) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(StoreUnavailable(str(error), error.kind))
        self._waiters.clear()
