"""The learner: both stages over one log, and the one place that orders side effects."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from models.answers import Asked
from models.errors import ModelError
from models.model import LEARNING_VERSION, Model
from stream.errors import LogMismatch, SnapshotCorrupt, StreamError
from stream.examples import Emitted
from stream.manifest import Manifest
from stream.model_stage import ModelStage, Watcher
from stream.ports import DeadLetters, EventLog, Pace, Snapshot, SnapshotStore, unhindered
from stream.profiles import Profiles
from stream.records import LogRecord

logger = logging.getLogger(__name__)

PROFILES = "profiles"
MODEL = "model"


@dataclass(frozen=True)
class Pair:
    """Snapshots of both stages at one position, ready to be written."""

    model: Snapshot
    profiles: Snapshot


class Learner:
    """Owns the two stages of the embedded mode; one thread drives it."""

    def __init__(
        self, manifest: Manifest, log: EventLog, model: Model, dead: DeadLetters | None = None
    ) -> None:
        self._log = log
        self._dead = dead
        self.manifest = manifest
        self.profiles = Profiles(manifest)
        self.stage = ModelStage(model)
        self.next_offset = 0
        self.last: LogRecord | None = None
        self.turn: Sequence[LogRecord] = ()  # what the newest turn has learned
        # What stage one has emitted and the model not yet learned; None between turns.
        self._pending: tuple[Emitted, Sequence[LogRecord]] | None = None

    def learn(self, limit: int, watch: Watcher | None = None) -> int:
        """Read and apply up to `limit` records; return how many.

        The order: dead letters are durable → rows change → the model learns → `next_offset`
        moves. A crash in between repeats from the last snapshot, and every step drops what
        it has already done. Raises LogUnavailable when dead letters cannot be kept now; the
        next call goes on from there.
        """
        if self._pending is None:
            records = self._log.read(self.next_offset, limit)
            if not records:
                return 0
            self._pending = self.profiles.step(records), records
        emitted, turn = self._pending
        if self._dead is not None and emitted.dead:
            self._dead.put(emitted.dead)
        for piece in emitted.pieces:
            self.stage.apply(self.profiles.partition, piece, watch)
        learned = emitted.next_offset - self.next_offset
        self.turn, self.last = turn, turn[-1]
        self.next_offset, self._pending = emitted.next_offset, None
        return learned

    def rehearse(self) -> None:
        """Learn an event and make a list in a system that is thrown away.

        The machine code of both is loaded then: the first event of a process would wait for it.
        """
        profiles = Profiles(self.manifest)
        stage = ModelStage(Model(self.stage.model.settings, self.manifest.seed))
        view = msgspec.json.encode({"type": "view", "user_id": "u", "item_id": "i"})
        for piece in profiles.step([LogRecord(0, 0.0, True, view)]).pieces:
            stage.apply(profiles.partition, piece)
        row = profiles.row("u")
        if row is not None:
            stage.model.recommend(Asked(row.past, row.types, 1))

    def state_hash(self) -> str:
        """Hex digest over all that can change an answer, both stages."""
        both = self.profiles.digest() + self.stage.model.digest()
        return hashlib.blake2b(both, digest_size=16).hexdigest()

    # Snapshots.

    def capture(self, *, lent: bool = False) -> Pair | None:
        """Copy both stages' state; None before the first record and within a turn.

        With `lent` the next such capture writes over it.
        """
        if self.last is None or self._pending is not None:
            return None
        model_tables, model_objects = self.stage.model.dump(lent=lent)
        marks = {str(p): mark for p, mark in self.stage.marks.items()}
        model_objects = {**model_objects, "marks": msgspec.json.encode(marks)}
        tables, objects = self.profiles.dump(lent=lent)
        position, witness, identity = self.next_offset, witness_of(self.last), self.identity()
        return Pair(
            Snapshot(
                MODEL, position, identity, witness, LEARNING_VERSION, model_tables, model_objects
            ),
            Snapshot(PROFILES, position, identity, witness, LEARNING_VERSION, tables, objects),
        )

    def prepare_lending(self, pace: Pace) -> None:
        """Get the memory of lent captures, on any thread."""
        model = self.stage.model
        for arena in (self.profiles.arena, model.arena, model.ratings.arena):
            arena.prepare_lending(pace)

    def identity(self) -> str:
        """What tells this log from any other: a digest of its first record."""
        first = self._log.read(0, 1)
        return witness_of(first[0]) if first else ""

    def restore(self, store: SnapshotStore) -> None:
        """Take the newest valid snapshot of each stage, the profiles' not above the model's.

        With none, learning begins at the start of the log. A snapshot that is corrupt or of
        another learning version is passed over; one of another log raises LogMismatch.
        """
        model = self._newest(store, MODEL, None, self._load_model)
        if model is None:
            return
        profiles = self._newest(store, PROFILES, model.position, self._load_profiles)
        if profiles is not None:
            self.next_offset = profiles.position
            self.last = self._log.read(profiles.position - 1, 1)[0]

    def _load_model(self, snapshot: Snapshot) -> None:
        self.stage.model.load(snapshot.tables, snapshot.objects)
        marks = msgspec.json.decode(snapshot.objects["marks"], type=dict[str, int])
        self.stage.marks = {int(partition): mark for partition, mark in marks.items()}

    def _load_profiles(self, snapshot: Snapshot) -> None:
        self.profiles.load(snapshot.tables, snapshot.objects)

    def _newest(
        self,
        store: SnapshotStore,
        stage: str,
        highest: int | None,
        load: Callable[[Snapshot], None],
    ) -> Snapshot | None:
        """Load the newest that can be; a failed load leaves nothing behind."""
        for name in store.names(stage):
            if highest is not None and name.position > highest:
                continue
            try:
                snapshot = store.read(name)
                if snapshot.learning_version != LEARNING_VERSION:
                    continue
                self._require_same_log(snapshot)
                load(snapshot)
                return snapshot
            except (SnapshotCorrupt, ModelError, KeyError) as error:
                logger.warning("snapshot passed over: %s", error)
                self._forget(stage)
        return None

    def _forget(self, stage: str) -> None:
        if stage == MODEL:
            self.stage.model.reset()
            self.stage.marks = {}
        else:
            self.profiles = Profiles(self.manifest)

    def _require_same_log(self, snapshot: Snapshot) -> None:
        last = self._log.read(snapshot.position - 1, 1)
        if snapshot.identity != self.identity() or not last:
            raise LogMismatch(
                f"the {snapshot.stage} snapshot at {snapshot.position} belongs to another log, or "
                "the log has lost records; restore the log, or remove the snapshots to rebuild"
            )
        if witness_of(last[0]) != snapshot.witness:
            raise LogMismatch(
                f"record {snapshot.position - 1} of the log is not the one the {snapshot.stage} "
                "snapshot has seen; restore the log, or remove the snapshots to rebuild"
            )


def write(store: SnapshotStore, pair: Pair, keep: int, pace: Pace = unhindered) -> None:
    """Write the model first: profiles behind it repeat examples, profiles ahead would lose them."""
    store.write(pair.model, pace)
    store.write(pair.profiles, pace)
    store.prune(MODEL, keep)
    store.prune(PROFILES, keep)


def witness_of(record: LogRecord) -> str:
    digest = hashlib.blake2b(record.body, digest_size=16)
    digest.update(repr((record.offset, record.received_at, record.imported)).encode())
    return digest.hexdigest()


def read_manifest(log: EventLog) -> Manifest | None:
    """The manifest of a log, None for an empty one. Raises StreamError if there is none."""
    first = log.read(0, 1)
    if not first:
        return None
    try:
        return msgspec.convert(first[0].json()["manifest"], Manifest)
    except (KeyError, msgspec.MsgspecError) as error:
        raise StreamError(
            f"the log does not begin with a manifest of this version: {error}"
        ) from error
