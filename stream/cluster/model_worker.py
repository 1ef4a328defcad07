"""Stage two in the cluster: learns from `examples`, writes embeddings and model snapshots.

An example that does not follow its partition's mark is refused, not applied: the mark stays
until stage one has emitted again what is missing. `standing_gaps` tells how many were refused.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.learned import Learned
from models.model import LEARNING_VERSION, Model
from stream import drift_log, trace
from stream.cluster.freshness import Ages
from stream.cluster.hashes import Hashes
from stream.cluster.outage import Outage
from stream.cluster.partition import witness_of
from stream.cluster.publishing import ItemWriter, Publishing
from stream.cluster.touched import MOST, History, Touched
from stream.errors import InvalidEvent, SequenceGap, SnapshotCorrupt, StoreUnavailable
from stream.example_bytes import decode
from stream.examples import Control, ExampleBatch
from stream.manifest import manifest_in
from stream.model_stage import ModelStage
from stream.ports import Snapshot, SnapshotStore
from stream.saving import SavePolicy
from stream.source import TP, Source, SourceRecord

logger = logging.getLogger(__name__)

MODEL = "model"

# Embeddings a turn writes: some 4 ms. With more a backlog is worked off more slowly, near zero
# the store falls behind at any load.
_LOT: Final = 100
_PAUSE_S: Final = 0.02
# Between two tries while the store is away: a try may take as long as the store's time limit.
_RETRY_S: Final = 1.0

Result = TypeVar("Result")


class EmbeddingWriter(Protocol):
    """Where users' embeddings go, guarded by position. Raises StoreUnavailable."""

    async def write_embeddings(
        self, position: int, vectors: dict[str, NDArray[np.float32]]
    ) -> None: ...


class Learning:
    """A model at an offset of `examples`: what worker, standby and API replica share."""

    def __init__(self, model: Model, hash_every: int = 0) -> None:
        self.stage = ModelStage(model)
        self.hashes = Hashes(hash_every)
        self.next: int | None = None
        self.witness = ""
        self.identity = ""
        self.manifest = b""  # the first record, where the examples begin with one
        self.standing_gaps = 0
        self.dropped = 0
        #: Called with the id of an item whose catalogue record was learned.
        self.described: Callable[[str], None] | None = None

    def apply(self, record: SourceRecord, watch: Any = None) -> None:
        """Apply one record of `examples`; one that cannot be is passed over and counted."""
        try:
            self._learn(record, watch)
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
        if self.hashes.due(self.next):
            self.hashes.take(self.next, self._frozen_hash())

    def _learn(self, record: SourceRecord, watch: Any) -> None:
        if record.offset == 0 and manifest_in(record.value) is not None:
            self.manifest = record.value or b""
            return
        partition, pieces = decode(record.value or b"")
        for piece in pieces:
            self.stage.apply(partition, piece, watch)
            if self.described and isinstance(piece, Control) and piece.kind == "item":
                self.described(piece.body["item_id"])

    def capture(self) -> Snapshot:
        tables, objects = self.stage.model.dump()
        marks = {str(partition): mark for partition, mark in self.stage.marks.items()}
        objects = {**objects, "marks": msgspec.json.encode(marks), "manifest": self.manifest}
        return Snapshot(
            MODEL, self.next or 0, self.identity, self.witness, LEARNING_VERSION, tables, objects
        )

    def restore(self, snapshots: SnapshotStore) -> None:
        """Take the newest valid snapshot ahead of here; with none at all, begin with the log."""
        for name in snapshots.names(MODEL):
            if self.next is not None and name.position <= self.next:
                return
            try:
                snapshot = snapshots.read(name)
                if snapshot.learning_version != LEARNING_VERSION:
                    continue
                self.stage.model.load(snapshot.tables, snapshot.objects)
                marks = msgspec.json.decode(snapshot.objects["marks"], type=dict[str, int])
            except (SnapshotCorrupt, ModelError, KeyError) as error:
                logger.warning("snapshot passed over: %s", error)
                self.stage.model.reset()
                self.stage.marks, self.next = {}, None
                continue
            self.stage.marks = {int(partition): mark for partition, mark in marks.items()}
            self.next = snapshot.position
            self.manifest = bytes(snapshot.objects.get("manifest", b""))
            self.identity, self.witness = snapshot.identity, snapshot.witness
            return

    def reset(self) -> None:
        """Forget all; `restore` is next."""
        self.stage.model.reset()
        self.stage.marks, self.next = {}, None
        self.hashes.forget()

    def state_hash(self) -> str:
        """Hex digest over the model and its marks."""
        return _hex(self.stage.model.digest(), sorted(self.stage.marks.items()))

    def _frozen_hash(self) -> Callable[[], str]:
        digest, marks = self.stage.model.frozen_digest(), sorted(self.stage.marks.items())
        return lambda: _hex(digest(), marks)


def _hex(model: bytes, marks: list[tuple[int, int]]) -> str:
    digest = hashlib.blake2b(model, digest_size=16)
    digest.update(repr(marks).encode())
    return digest.hexdigest()


class ModelWorker:
    """`Handler` of stage two. Learns on a thread of its own, so that stage one goes on beside it.

    An embedding is a function of model and history: of several events of a user only the last
    one's is worth writing. A turn writes a lot of the longest waiting, quiet moments the rest,
    and all are written before a snapshot, from where a successor would not touch them again.
    """

    def __init__(
        self,
        model: Model,
        store: EmbeddingWriter,
        snapshots: SnapshotStore,
        policy: SavePolicy,
        items: ItemWriter | None = None,
        hash_every: int = 0,
    ) -> None:
        self.learning = Learning(model, hash_every)
        self.ages = Ages()
        self.source: Source | None = None
        self._store = store
        self._snapshots = snapshots
        self._policy = policy
        self._saved: int | None = None
        self._saved_at = time.monotonic()
        self._touched = Touched()
        self._thread = ThreadPoolExecutor(1, "model")
        self._busy = asyncio.Lock()
        self._writing = asyncio.Lock()
        self._tenure = 0  # changes when the partition is given up, and what waited with it
        self._rest: asyncio.Task[None] | None = None
        self._outage = Outage("embeddings")
        self._publishing = (
            Publishing(model, items, lambda: self.learning.next, self._on_thread) if items else None
        )
        self._published: asyncio.Task[None] | None = None

    def status(self) -> dict[str, dict[str, float]]:
        """Numbers by name and partition, for metrics."""
        learning = self.learning
        due = learning.next is not None and learning.next != self._saved
        numbers = {
            "gaps": learning.standing_gaps,
            "dropped": learning.dropped,
            "updates_rejected": sum(learning.stage.model.updates_rejected().values()),
            "items_left": learning.stage.model.items_left,
            "embeddings_waiting": len(self._touched),
            "snapshot_age_seconds": time.monotonic() - self._saved_at if due else 0.0,
        }
        return {name: {"0": float(number)} for name, number in numbers.items()}

    async def assigned(self, partitions: set[TP]) -> dict[TP, int | None]:
        if partitions:
            await self._on_thread(self.learning.restore, self._snapshots)
            self._saved = self.learning.next
            self._publish()
            self._write_rest_soon()  # a standby that followed knows who waits; no record may come
        return dict.fromkeys(partitions, self.learning.next)

    async def revoked(self, partitions: set[TP]) -> None:
        self._publish_no_more()
        async with self._busy:
            self._touched.clear()
            self._tenure += 1

    async def handle(self, records: list[SourceRecord]) -> None:
        async with self._busy:
            await self._on_thread(self._learn, records)
            self.ages.observe_all(records)
            if not self._outage.lasts:
                await self._write(_LOT)
            await self._save_if_due(records[0].tp)
        self._write_rest_soon()

    async def stopping(self) -> None:
        self._publish_no_more()
        if self._rest is not None:
            self._rest.cancel()
        async with self._busy:
            await self._write_all()
            if self.learning.next is not None and self.learning.next != self._saved:
                await asyncio.to_thread(self._save, self.learning.capture())

    def _publish(self) -> None:
        """What others read is written by the owner alone, on a task beside the turns."""
        if self._publishing is not None:
            self._publish_no_more()
            self._publishing.begin()
            self.learning.described = self._publishing.note
            self.learning.stage.model.told_left = self._publishing.left
            self._published = asyncio.create_task(self._publishing.run())

    def _publish_no_more(self) -> None:
        self.learning.described = self.learning.stage.model.told_left = None
        if self._published is not None:
            self._published.cancel()
            self._published = None

    def _learn(self, records: list[SourceRecord]) -> None:
        for record in records:
            began = trace.began()
            self.learning.apply(record, self._note)
            trace.tell("learn", [trace.of_record(record.headers)], began)

    def _note(self, batch: ExampleBatch, learned: Learned) -> None:
        self._touched.note(batch)
        drift_log.note(batch, learned)

    def _write_rest_soon(self) -> None:
        if self._touched and (self._rest is None or self._rest.done()):
            self._rest = asyncio.create_task(self._write_rest())

    async def _write_rest(self) -> None:
        """In quiet moments; and while the store is away, the only one who tries."""
        while self._touched:
            await asyncio.sleep(_RETRY_S if self._outage.lasts else _PAUSE_S)
            await self._write(_LOT)

    async def _write_all(self) -> None:
        if not self._outage.lasts:
            await self._write(len(self._touched))

    async def _write(self, count: int) -> None:
        """Write the embeddings of users who have waited longest, more where too many wait.

        One write at a time: a later position that arrives first would shut out an earlier one.
        """
        async with self._writing:
            tenure = self._tenure
            taken = self._touched.take(max(count, len(self._touched) - MOST))
            if not taken:
                return
            position, vectors = await self._on_thread(self._embeddings, taken)
            try:
                await self._store.write_embeddings(position, vectors)
            except StoreUnavailable as error:
                self._outage.met(error)
                if tenure == self._tenure:
                    self._touched.put_back(taken)
            else:
                self._outage.over()

    def _embeddings(
        self, taken: Mapping[str, History]
    ) -> tuple[int, dict[str, NDArray[np.float32]]]:
        model = self.learning.stage.model
        vectors = dict(zip(taken, model.embeddings(list(taken.values())), strict=True))
        return self.learning.next or 0, vectors

    async def _save_if_due(self, tp: TP) -> None:
        moved = (self.learning.next or 0) - (self._saved or 0)
        waited = time.monotonic() - self._saved_at
        if not self._policy.is_due(moved, waited):
            return
        await self._write_all()
        snapshot = self.learning.capture()
        self._saved, self._saved_at = self.learning.next, time.monotonic()
        await asyncio.to_thread(self._save, snapshot)
        if self.source is not None:
            await self.source.commit({tp: snapshot.position})

    def _save(self, snapshot: Snapshot) -> None:
        self._snapshots.write(snapshot)
        self._snapshots.prune(MODEL, self._policy.keep)

    async def _on_thread(self, work: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
