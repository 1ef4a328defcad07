"""A warm standby of stage two: follows `examples` while another worker owns them.

It writes nothing. When the partition comes to it, it goes on from where it has followed to.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from models.model import Learned, Model
from stream.cluster.model_worker import EmbeddingWriter, Learning, ModelWorker
from stream.cluster.publishing import ItemWriter
from stream.cluster.replica import Replica
from stream.cluster.saving import SavePolicy
from stream.cluster.touched import MOST
from stream.examples import ExampleBatch
from stream.model_stage import Watcher
from stream.ports import SnapshotStore
from stream.source import TP

logger = logging.getLogger(__name__)

# How long the partition must have been somebody else's: within a rebalance it is nobody's, and
# following would begin only to end at once.
_SETTLED_S: Final = 2.0
_LOOK_S: Final = 0.5

Follow = Callable[[Learning, Watcher], Replica]


class StandbyModelWorker(ModelWorker):
    """`Handler` of stage two that is warm when it is needed."""

    def __init__(
        self,
        model: Model,
        store: EmbeddingWriter,
        snapshots: SnapshotStore,
        policy: SavePolicy,
        follow: Follow,
        items: ItemWriter | None = None,
    ) -> None:
        super().__init__(model, store, snapshots, policy, items)
        self._follow = follow
        self._following: Replica | None = None
        self._owns = False
        self._changed_at = time.monotonic()

    async def stand_by(self) -> None:
        """Follow whenever the partition is somebody else's, until cancelled."""
        told = False
        while True:
            await asyncio.sleep(_LOOK_S)
            settled = time.monotonic() - self._changed_at > _SETTLED_S
            if settled and not self._owns and self._following is None:
                self._following = self._follow(self.learning, self._note_bounded)
                self._following.start()
                told = False
            if self._following is not None and self._following.caught_up and not told:
                told = True
                logger.info("standing by: followed to record %s of examples", self.learning.next)

    async def assigned(self, partitions: set[TP]) -> dict[TP, int | None]:
        """The order: following has ended → a newer snapshot, if there is one → owned."""
        self._owns = bool(partitions)
        followed = await self._stop_following()
        if followed is not None and followed.alive:
            raise RuntimeError("following the examples did not end; two would learn at once")
        loaded = await super().assigned(partitions)
        if followed is not None:
            logger.info("taking over from record %s of examples", self.learning.next)
        return loaded

    async def revoked(self, partitions: set[TP]) -> None:
        await super().revoked(partitions)
        self._owns, self._changed_at = False, time.monotonic()

    async def stopping(self) -> None:
        """Save what is owned; what was only followed is somebody else's to save."""
        self._changed_at = float("inf")  # nothing is followed from here on
        await self._stop_following()
        if self._owns:
            await super().stopping()

    async def _stop_following(self) -> Replica | None:
        following, self._following = self._following, None
        if following is not None:
            await asyncio.to_thread(following.stop)
        return following

    def _note_bounded(self, batch: ExampleBatch, learned: Learned) -> None:
        """Whose embeddings the owner may not have come to write when it went."""
        self._note(batch, learned)
        self._touched.take(max(len(self._touched) - MOST, 0))
