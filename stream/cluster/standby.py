"""A warm standby of stage two: follows `examples` while another worker owns them.

It writes nothing, and compares its state with the hashes the owner publishes. When the partition
comes to it, it goes on from where it has followed to.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from models.learned import Learned
from models.model import LEARNING_VERSION, Model
from stream.cluster.model_worker import EmbeddingWriter, Learning, ModelWorker
from stream.cluster.publishing import ItemWriter
from stream.cluster.replica import Replica
from stream.cluster.touched import MOST
from stream.errors import StoreUnavailable
from stream.examples import ExampleBatch
from stream.model_stage import Watcher
from stream.ports import SnapshotStore
from stream.redis.notices import Hash, Notice
from stream.saving import SavePolicy
from stream.source import TP

logger = logging.getLogger(__name__)

# How long the partition must have been somebody else's: within a rebalance it is nobody's, and
# following would begin only to end at once.
_SETTLED_S: Final = 2.0
_LOOK_S: Final = 0.5
# Pause before following again after retention has overrun what was followed.
_FAULT_S: Final = 5.0

Follow = Callable[[Learning, Watcher], Replica]


class Board(Protocol):
    """Where the model's hash hangs. Raises StoreUnavailable."""

    async def read(self, namespace: str) -> Notice: ...

    async def publish(self, namespace: str, model: Hash) -> None: ...


@dataclass(frozen=True)
class Beside:
    """What a model worker has to do with others: following them, and hashes to compare by."""

    follow: Follow
    board: Board
    namespace: str
    hash_every: int


class StandbyModelWorker(ModelWorker):
    """`Handler` of stage two that is warm when it is needed."""

    def __init__(
        self,
        model: Model,
        store: EmbeddingWriter,
        snapshots: SnapshotStore,
        policy: SavePolicy,
        beside: Beside,
        items: ItemWriter | None = None,
    ) -> None:
        super().__init__(model, store, snapshots, policy, items, beside.hash_every)
        self._beside = beside
        self._mismatches = 0
        self._published_to: int | None = None
        self._following: Replica | None = None
        self._owns = False
        self._changed_at = time.monotonic()

    async def stand_by(self) -> None:
        """Follow whenever the partition is somebody else's, until cancelled."""
        told = False
        while True:
            await asyncio.sleep(_LOOK_S)
            settled = time.monotonic() - self._changed_at > _SETTLED_S
            if self._following is not None and self._following.fault is not None:
                # A newer snapshot may help by now; where none does, the replica says so again.
                await self._stop_following()
                await asyncio.sleep(_FAULT_S)
                continue
            if settled and not self._owns and self._following is None:
                self._following = self._beside.follow(self.learning, self._note_bounded)
                self._following.start()
                told = False
            await self._mind_hashes()
            if self._following is not None and self._following.caught_up and not told:
                told = True
                logger.info("standing by: followed to record %s of examples", self.learning.next)

    async def assigned(self, partitions: set[TP]) -> dict[TP, int | None]:
        """The order: following has ended → a newer snapshot, if there is one → owned.

        Where the examples begin above what both could bring, the source ends the process.
        """
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

    def status(self) -> dict[str, dict[str, float]]:
        return {**super().status(), "replica_mismatches": {"0": float(self._mismatches)}}

    async def _mind_hashes(self) -> None:
        """The owner tells its newest hash, a follower compares; without a store, later."""
        try:
            if self._owns:
                await self._tell_hash()
            elif self._following is not None and self._following.caught_up:
                await self._compare_hash()
        except StoreUnavailable:
            return

    async def _tell_hash(self) -> None:
        newest = self.learning.hashes.newest
        if newest is not None and newest[0] != self._published_to:
            told = Hash(*newest, LEARNING_VERSION)
            await self._beside.board.publish(self._beside.namespace, told)
            self._published_to = newest[0]

    async def _compare_hash(self) -> None:
        told = (await self._beside.board.read(self._beside.namespace)).model
        if told is None or told.learning_version != LEARNING_VERSION:
            return
        if self._following is not None and self.learning.hashes.differs(
            told.position, told.state_hash
        ):
            self._mismatches += 1
            logger.error("the model followed is not the owner's; it is loaded again")
            followed = await self._stop_following()
            if followed is not None and not followed.alive:
                self.learning.reset()  # the next one to follow begins at the newest snapshot

    async def _stop_following(self) -> Replica | None:
        following, self._following = self._following, None
        if following is not None:
            await asyncio.to_thread(following.stop)
        return following

    def _note_bounded(self, batch: ExampleBatch, learned: Learned) -> None:
        """Whose embeddings the owner may not have come to write when it went."""
        self._note(batch, learned)
        self._touched.take(max(len(self._touched) - MOST, 0))
