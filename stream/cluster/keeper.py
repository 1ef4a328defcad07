"""Keeps what an API process serves: the namespace switched to, by a replica that can go on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from models.model import LEARNING_VERSION
from stream.cluster.replica import Replica
from stream.cluster.service import ClusterService, Serving
from stream.errors import StoreUnavailable
from stream.redis.notices import Notice

logger = logging.getLogger(__name__)

# How soon a switch is noticed; each look is one question to Redis.
_LOOK_S: Final = 0.5
# Pause after another replica could not be had.
_RETRY_S: Final = 2.0


class Board(Protocol):
    """Where notices hang. Raises StoreUnavailable."""

    async def read(self, namespace: str) -> Notice: ...

    async def serve(self, namespace: str, only_if_lost: bool = False) -> None: ...


@dataclass
class Keeper:
    """Changes over to another replica whole: the old one answers until the new one is there.

    `follows` tells whether this process serves what is switched to; else it stays at `home`.
    `opened` builds what serves a namespace, not started; it may block, and raise anything.
    """

    service: ClusterService
    board: Board
    opened: Callable[[str], Serving]
    home: str
    follows: bool

    def __post_init__(self) -> None:
        self._served: str | None = None  # the pointer as last seen

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                await self._look()
            except StoreUnavailable:
                continue  # counted by the link; what is served stays
            except Exception:
                logger.exception("another replica could not be had; tried again")
                await asyncio.sleep(_RETRY_S)

    async def _look(self) -> None:
        serving = self.service.serving
        notice = await self.board.read(serving.namespace)
        wanted = await self._wanted(notice) if self.follows else self.home
        differs = self._differs(notice, serving.replica)
        if differs:
            self.service.replica_mismatches += 1
            logger.error("%s: the model is not the owner's; it is loaded again", serving.namespace)
        if wanted != serving.namespace or differs or serving.replica.fault is not None:
            await self._change_to(wanted)

    async def _wanted(self, notice: Notice) -> str:
        if notice.served is None and self._served is not None:
            await self.board.serve(self._served, only_if_lost=True)
        self._served = notice.served or self._served
        return self._served or self.home

    def _differs(self, notice: Notice, replica: Replica) -> bool:
        told = notice.model
        return (
            told is not None
            and told.learning_version == LEARNING_VERSION
            and replica.learning.hashes.differs(told.position, told.state_hash)
        )

    async def _change_to(self, namespace: str) -> None:
        """The order: the other one is loaded and has caught up → served → the old one stops."""
        before, after = self.service.serving, await asyncio.to_thread(self.opened, namespace)
        after.replica.start()
        try:
            while not after.replica.caught_up:
                if after.replica.fault is not None:
                    await asyncio.sleep(_RETRY_S)  # said by the replica
                    return
                await asyncio.sleep(0.02)
            self.service.use(after)
        finally:
            over = before if self.service.serving is after else after
            await asyncio.to_thread(over.replica.stop)
        logger.info("serving %s", namespace)
