"""Whether a snapshot belongs to the log that is there: nothing is learned on top of another's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from stream.cluster.partition import witness_of
from stream.errors import LogMismatch
from stream.ports import Pace, Snapshot, SnapshotName, SnapshotStore, unhindered
from stream.source import TP, SourceRecord


class Log(Protocol):
    """Single records of the log, read again. Raises LogUnavailable."""

    def bounds(self, tp: TP) -> tuple[int, int]:
        """The first offset the partition holds, and the one after its last."""
        ...

    def record(self, tp: TP, offset: int) -> SourceRecord | None:
        """The record at an offset within the bounds; None where there is a hole."""
        ...


class CheckedSnapshots:
    """A `SnapshotStore` whose `read` gives only what belongs to the log.

    `place` names the partition a stage reads. `read` raises LogMismatch, which is no
    SnapshotCorrupt: no older snapshot may be taken instead. Raises LogUnavailable.
    """

    def __init__(self, store: SnapshotStore, log: Log, place: Callable[[str], TP]) -> None:
        self._store = store
        self._log = log
        self._place = place

    def write(self, snapshot: Snapshot, pace: Pace = unhindered) -> SnapshotName:
        return self._store.write(snapshot, pace)

    def names(self, stage: str) -> list[SnapshotName]:
        return self._store.names(stage)

    def read(self, name: SnapshotName) -> Snapshot:
        snapshot = self._store.read(name)
        require_same_log(self._log, self._place(snapshot.stage), snapshot)
        return snapshot

    def prune(self, stage: str, keep: int) -> None:
        self._store.prune(stage, keep)


def place_of(events: str, control: str, examples: str, partitions: int) -> Callable[[str], TP]:
    """Which partition a stage's snapshots tell of; `control` is the one after the last.

    >>> place_of("events", "control", "examples", 3)("profiles.3")
    TP(topic='control', partition=0)
    """

    def place(stage: str) -> TP:
        number = stage.partition(".")[2]
        if not number:
            return TP(examples, 0)
        return TP(control, 0) if int(number) == partitions else TP(events, int(number))

    return place


def require_same_log(log: Log, tp: TP, snapshot: Snapshot) -> None:
    """Raise LogMismatch unless the log holds the records the snapshot has seen.

    Compared are the log's first record and the last one below the snapshot's position, as far
    as retention has left them; a position outside the log is refused by the source.
    """
    if snapshot.position == 0:
        return
    first, end = log.bounds(tp)
    if first == 0 < end and snapshot.identity and _differs(log, tp, 0, snapshot.identity):
        raise LogMismatch(_explained(tp, snapshot, 0, "the topic was made anew"))
    last = snapshot.position - 1
    if first <= last < end and _differs(log, tp, last, snapshot.witness):
        raise LogMismatch(_explained(tp, snapshot, last, "the log lost its end and grew another"))


def _differs(log: Log, tp: TP, offset: int, digest: str) -> bool:
    record = log.record(tp, offset)
    return record is None or witness_of(record) != digest


def _explained(tp: TP, snapshot: Snapshot, offset: int, cause: str) -> str:
    return (
        f"record {offset} of {tp.topic}/{tp.partition} is not the one the {snapshot.stage} "
        f"snapshot at {snapshot.position} has seen: {cause}. Restore the topic; or begin a new "
        "namespace (core.namespace); or, where nothing of the old log is to be kept, remove the "
        "namespace's snapshots (worker.snapshots) and topics, and create them again"
    )
