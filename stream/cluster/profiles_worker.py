"""Stage one in the cluster: owns partitions of `events` and `control`, emits `examples`.

The order of side effects: examples, re-routes and dead letters acknowledged → user rows, then
the partition's mark → snapshot → the broker told.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from models.errors import ModelError
from models.model import LEARNING_VERSION
from stream import trace
from stream.cluster.emitter import Emitter
from stream.cluster.freshness import RECEIVED_HEADER, Ages
from stream.cluster.outage import Outage
from stream.cluster.partition import (
    Partition,
    Rerouted,
    fresh,
    log_records,
    route,
)
from stream.errors import SnapshotCorrupt, StoreUnavailable
from stream.example_bytes import encode
from stream.examples import DeadLetter, ExampleBatch
from stream.kafka.dead_letters import to_record
from stream.kafka.envelopes import IMPORT, REROUTED
from stream.kafka.names import Topics
from stream.kafka.positions import position_of
from stream.manifest import Manifest
from stream.ports import Changed, Snapshot, SnapshotStore
from stream.profiles import Profiles
from stream.saving import SavePolicy
from stream.source import TP, Source, SourceRecord

logger = logging.getLogger(__name__)

# How often a worker asks whether the store still holds what it wrote.
_LOOK_S: Final = 1.0
_LOOK_AT_MOST_S: Final = 60.0
# Rows that one write may bring; where an outage left more, all rows go, in batches.
_ROWS: Final = 5_000


class RowWriter(Protocol):
    """Where rows of users go; every write is guarded by position. Raises StoreUnavailable."""

    async def lost(self, partition: int, position: int) -> bool:
        """True when the store does not know of what was written up to `position`."""
        ...

    async def write(self, changed: Sequence[Changed]) -> list[Changed]:
        """Write each partition's rows, then its mark; return those that need all rows anew."""
        ...

    async def refill(self, profiles: Profiles, position: int) -> None:
        """Write all rows of a partition, then the mark."""
        ...

    async def answers(self) -> bool:
        """True when the store can be reached; changes nothing, never raises."""
        ...

    def release(self, partition: int) -> None:
        """Own the partition no longer."""
        ...


class ProfilesWorker:
    """`Handler` of stage one."""

    def __init__(
        self,
        manifest: Manifest,
        topics: Topics,
        emitter: Emitter,
        rows: RowWriter,
        snapshots: SnapshotStore,
        policy: SavePolicy,
    ) -> None:
        self._manifest = manifest
        self._topics = topics
        self._emitter = emitter
        self._rows = rows
        self._snapshots = snapshots
        self._policy = policy
        self._owned: dict[TP, Partition] = {}
        self._busy = asyncio.Lock()  # a refill must see rows of one position
        self._away = False  # the store did not answer: learning does not wait for it again
        self._outage = Outage("rows")
        self.source: Source | None = None
        self.ages = Ages()

    def status(self) -> dict[str, dict[str, float]]:
        """Numbers by name and partition, for metrics."""
        found: dict[str, dict[str, float]] = {}
        for partition in list(self._owned.values()):
            counts = partition.profiles.counts()
            due = partition.next is not None and partition.next != partition.saved
            numbers = {
                "applied": counts["applied"],
                "duplicates": counts["duplicates"],
                "dead_letters": counts["dead_letters"],
                "rows_waiting": len(partition.unwritten),
                "snapshot_age_seconds": time.monotonic() - partition.saved_at if due else 0.0,
            }
            for name, number in numbers.items():
                found.setdefault(name, {})[str(partition.profiles.partition)] = float(number)
        return found

    async def assigned(self, partitions: set[TP]) -> dict[TP, int | None]:
        """Load each partition's newest valid snapshot; the log is read again from there."""
        loaded = [await asyncio.to_thread(self._load, tp) for tp in sorted(partitions)]
        self._owned.update({partition.tp: partition for partition in loaded})
        for partition in loaded:
            await self._refill_if_lost(partition)
        return {partition.tp: partition.next for partition in loaded}

    async def revoked(self, partitions: set[TP]) -> None:
        for tp in partitions:
            partition = self._owned.pop(tp, None)
            if partition is not None:
                self._rows.release(partition.profiles.partition)

    async def handle(self, records: list[SourceRecord]) -> None:
        """Apply records; when it returns, all of it is safe.

        Partitions share one wait for acknowledgements and one write of rows.
        """
        partitions = {record.tp: self._owned[record.tp] for record in records}
        async with self._busy:
            for record in records:
                await self._apply(partitions[record.tp], record)
                await asyncio.sleep(0)  # stage two, in the same process, gets its turn
            await self._emitter.settle()
            await self._write_rows(partitions.values())
        self.ages.observe_all(records)
        for partition in partitions.values():
            await self._save_if_due(partition)

    async def mind_the_store(self) -> None:
        """Notice a wiped store within about a second, also where nothing is happening.

        An error nobody foresaw is logged, and the look repeated ever later: rows are made again
        from the log, and learning must not end for them.
        """
        pause = _LOOK_S
        while True:
            await asyncio.sleep(pause)
            try:
                await self._look()
                pause = _LOOK_S
            except Exception:
                pause = min(2 * pause, _LOOK_AT_MOST_S)
                logger.exception("looking after the store failed; again in %.0f s", pause)

    async def _look(self) -> None:
        if self._away:
            # Asked without the lock: a store that stalls holds up nobody.
            self._away = not await self._rows.answers()
        for partition in list(self._owned.values()):
            async with self._busy:
                if partition.tp in self._owned:
                    await self._refill_if_lost(partition)

    async def stopping(self) -> None:
        for partition in self._owned.values():
            if partition.next is not None and partition.next != partition.saved:
                await asyncio.to_thread(self._save, partition.capture())

    async def _apply(self, partition: Partition, record: SourceRecord) -> None:
        events, away, began = log_records(record), list[Rerouted](), trace.began()
        if record.tp.topic == self._topics.events:
            events, away = route(record, events, self._manifest.partitions)
        emitted = partition.profiles.step(events)
        if emitted.pieces:
            value = encode(partition.profiles.partition, emitted.pieces)
            received = [(RECEIVED_HEADER, b"%d" % record.timestamp_ms)]
            received += trace.header(trace.of_record(record.headers))
            await self._emitter.send(self._topics.examples, 0, value, received)
        if self._topics.owns_log:  # else whoever owns it does both
            await self._send_on(away, emitted.dead, trace.foreign(record.headers))
        for piece in emitted.pieces:
            if isinstance(piece, ExampleBatch):
                partition.unwritten.update(piece.user_ids)
        partition.unwritten.update(emitted.described)
        partition.unwritten.update(emitted.left)
        partition.moved(record)
        trace.tell("profiles", [trace.of_record(record.headers)], began)

    async def _send_on(
        self, away: list[Rerouted], dead: list[DeadLetter], theirs: trace.Headers
    ) -> None:
        for event in away:
            await self._reroute(event, theirs)
        for letter in dead:
            value, headers = to_record(letter)
            await self._emitter.send(self._topics.dead, None, value, [*headers, *theirs])

    async def _reroute(self, event: Rerouted, theirs: trace.Headers) -> None:
        headers = [*theirs, (REROUTED, b"1")]
        if event.imported:
            headers.append((IMPORT, b"1"))
        await self._emitter.send(self._topics.events, event.partition, event.body, headers)

    async def _write_rows(self, partitions: Iterable[Partition]) -> None:
        """Rows, then the marks. A store that is away costs freshness, never learning."""
        if self._away:
            return
        few = [each for each in partitions if len(each.unwritten) <= _ROWS]
        many = [each for each in partitions if len(each.unwritten) > _ROWS]
        try:
            lost = await self._rows.write([_changed(each) for each in few])
            for changed in [*lost, *map(_changed, many)]:
                await self._rows.refill(changed.profiles, changed.position)
        except StoreUnavailable as error:
            self._away = True
            self._outage.met(error)
            return
        self._outage.over()
        for partition in partitions:
            partition.unwritten.clear()

    async def _refill_if_lost(self, partition: Partition) -> None:
        """Write all rows anew where the store was wiped or has never seen them."""
        if self._away:
            return
        profiles, position, _ = _changed(partition)
        try:
            if partition.unwritten:
                await self._write_rows([partition])
            elif await self._rows.lost(profiles.partition, position):
                logger.warning("the store is filled with partition %d", profiles.partition)
                await self._rows.refill(profiles, position)
        except StoreUnavailable as error:
            self._away = True
            self._outage.met(error)

    async def _save_if_due(self, partition: Partition) -> None:
        moved = (partition.next or 0) - (partition.saved or 0)
        waited = time.monotonic() - partition.saved_at
        if not self._policy.is_due(moved, waited):
            return
        snapshot = partition.capture()
        partition.saved, partition.saved_at = partition.next, time.monotonic()
        await asyncio.to_thread(self._save, snapshot)
        if self.source is not None:
            await self.source.commit({partition.tp: snapshot.position})

    def _save(self, snapshot: Snapshot) -> None:
        self._snapshots.write(snapshot)
        self._snapshots.prune(snapshot.stage, self._policy.keep)

    def _load(self, tp: TP) -> Partition:
        return load_partition(tp, self._manifest, self._topics, self._snapshots)


def _changed(partition: Partition) -> Changed:
    position = position_of(partition.next or 0, 0)
    return Changed(partition.profiles, position, partition.unwritten)


def load_partition(
    tp: TP, manifest: Manifest, topics: Topics, snapshots: SnapshotStore | None
) -> Partition:
    """The partition as its newest valid snapshot has it; without one, at the log's beginning."""
    number = manifest.partitions if tp.topic == topics.control else tp.partition
    partition = fresh(tp, manifest, number)
    for name in snapshots.names(partition.stage) if snapshots else ():
        try:
            snapshot = snapshots.read(name) if snapshots else None
            if snapshot is None or snapshot.learning_version != LEARNING_VERSION:
                continue
            partition.profiles.load(snapshot.tables, snapshot.objects)
        except (SnapshotCorrupt, ModelError, KeyError) as error:
            logger.warning("snapshot passed over: %s", error)
            partition = fresh(tp, manifest, number)
            continue
        partition.next = partition.saved = snapshot.position
        partition.identity, partition.witness = snapshot.identity, snapshot.witness
        break
    return partition
