"""Stage two in the cluster: learns from `examples`, writes embeddings and model snapshots.

An example that does not follow its partition's mark is refused, not applied: the mark stays
until stage one has emitted again what is missing. `standing_gaps` tells how many were refused.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.answers import Asked
from models.errors import ModelError
from models.examples import HISTORY, Past
from models.model import LEARNING_VERSION, Learned, Model
from stream.cluster.partition import witness_of
from stream.cluster.saving import SavePolicy
from stream.errors import InvalidEvent, SequenceGap, SnapshotCorrupt, StoreUnavailable
from stream.example_bytes import decode
from stream.examples import ExampleBatch
from stream.model_stage import ModelStage
from stream.ports import Snapshot, SnapshotStore
from stream.source import TP, Source, SourceRecord

logger = logging.getLogger(__name__)

MODEL = "model"


class EmbeddingWriter(Protocol):
    """Where users' embeddings go, guarded by position. Raises StoreUnavailable."""

    async def write_embeddings(
        self, position: int, vectors: dict[str, NDArray[np.float32]]
    ) -> None: ...


class Learning:
    """A model at an offset of `examples`: what worker, standby and API replica share."""

    def __init__(self, model: Model) -> None:
        self.stage = ModelStage(model)
        self.next: int | None = None
        self.witness = ""
        self.identity = ""
        self.standing_gaps = 0
        self.dropped = 0

    def apply(self, record: SourceRecord, watch: Any = None) -> None:
        """Apply one record of `examples`; one that cannot be is passed over and counted."""
        try:
            partition, pieces = decode(record.value or b"")
            for piece in pieces:
                self.stage.apply(partition, piece, watch)
        except SequenceGap as error:
            self.standing_gaps += 1
            logger.error("refused: %s", error)
        except InvalidEvent as error:
            self.dropped += 1
            logger.error("record %d of examples: %s", record.offset, error)
        self.next = record.offset + 1
        self.witness = witness_of(record)
        if record.offset == 0:
            self.identity = self.witness

    def capture(self) -> Snapshot:
        tables, objects = self.stage.model.dump()
        marks = {str(partition): mark for partition, mark in self.stage.marks.items()}
        objects = {**objects, "marks": msgspec.json.encode(marks)}
        return Snapshot(
            MODEL, self.next or 0, self.identity, self.witness, LEARNING_VERSION, tables, objects
        )

    def restore(self, snapshots: SnapshotStore) -> None:
        """Take the newest valid snapshot; with none, begin at the log's beginning."""
        for name in snapshots.names(MODEL):
            try:
                snapshot = snapshots.read(name)
                if snapshot.learning_version != LEARNING_VERSION:
                    continue
                self.stage.model.load(snapshot.tables, snapshot.objects)
                marks = msgspec.json.decode(snapshot.objects["marks"], type=dict[str, int])
            except (SnapshotCorrupt, ModelError, KeyError) as error:
                logger.warning("snapshot passed over: %s", error)
                self.stage.model.reset()
                continue
            self.stage.marks = {int(partition): mark for partition, mark in marks.items()}
            self.next = snapshot.position
            self.identity, self.witness = snapshot.identity, snapshot.witness
            return

    def state_hash(self) -> str:
        """Hex digest over the model and its marks."""
        marks = sorted(self.stage.marks.items())
        digest = hashlib.blake2b(self.stage.model.digest(), digest_size=16)
        digest.update(repr(marks).encode())
        return digest.hexdigest()


class ModelWorker:
    """`Handler` of stage two."""

    def __init__(
        self, model: Model, store: EmbeddingWriter, snapshots: SnapshotStore, policy: SavePolicy
    ) -> None:
        self.learning = Learning(model)
        self._store = store
        self._snapshots = snapshots
        self._policy = policy
        self._saved: int | None = None
        self._saved_at = time.monotonic()
        self._touched: dict[str, Asked] = {}
        self.source: Source | None = None

    async def assigned(self, partitions: set[TP]) -> dict[TP, int | None]:
        if partitions:
            await asyncio.to_thread(self.learning.restore, self._snapshots)
            self._saved = self.learning.next
        return dict.fromkeys(partitions, self.learning.next)

    async def revoked(self, partitions: set[TP]) -> None:
        self._touched.clear()

    async def handle(self, records: list[SourceRecord]) -> None:
        for record in records:
            self.learning.apply(record, self._note)
        await self._write_embeddings()
        await self._save_if_due(records[0].tp)

    async def stopping(self) -> None:
        if self.learning.next is not None and self.learning.next != self._saved:
            await asyncio.to_thread(self._save, self.learning.capture())

    def _note(self, batch: ExampleBatch, learned: Learned) -> None:
        """Remember whose embedding the batch has moved, with the past that now is theirs."""
        for at, user_id in enumerate(batch.user_ids):
            self._touched[user_id] = asked_after(batch, at)

    async def _write_embeddings(self) -> None:
        model = self.learning.stage.model
        vectors = {user_id: model.embedding(asked) for user_id, asked in self._touched.items()}
        self._touched.clear()
        try:
            await self._store.write_embeddings(self.learning.next or 0, vectors)
        except StoreUnavailable as error:
            logger.warning("embeddings left out, the store is away: %s", error)

    async def _save_if_due(self, tp: TP) -> None:
        moved = (self.learning.next or 0) - (self._saved or 0)
        waited = time.monotonic() - self._saved_at
        if not self._policy.is_due(moved, waited):
            return
        snapshot = self.learning.capture()
        self._saved, self._saved_at = self.learning.next, time.monotonic()
        await asyncio.to_thread(self._save, snapshot)
        if self.source is not None:
            await self.source.commit({tp: snapshot.position})

    def _save(self, snapshot: Snapshot) -> None:
        self._snapshots.write(snapshot)
        self._snapshots.prune(MODEL, self._policy.keep)


def asked_after(batch: ExampleBatch, at: int) -> Asked:
    """The past of example `at`, with its own event as the newest entry."""
    e, past = batch.examples, batch.examples.past
    entries = slice(int(past.history_start[at]), int(past.history_start[at + 1]))
    older = past.history_key[entries] != e.item_key[at]
    keys = _with_newest(past.history_key[entries][older], e.item_key[at])
    none = np.zeros(2, np.int64)
    return Asked(
        Past(
            np.array([0, len(keys)], np.int64),
            keys,
            _with_newest(past.history_time[entries][older], e.time[at]),
            _with_newest(past.history_type[entries][older], e.type[at]),
            _with_newest(past.history_value[entries][older], e.value[at]),
            none,
            np.empty(0, np.uint64),
            np.empty(0, np.uint16),
        ),
        batch.types,
    )


def _with_newest(column: NDArray[Any], newest: Any) -> NDArray[Any]:
    return np.concatenate([np.array([newest], column.dtype), column])[:HISTORY]
