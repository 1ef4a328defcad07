"""One partition in the hands of stage one: its profiles, its place, and what is due."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field

import msgspec

from models.model import LEARNING_VERSION
from stream.errors import InvalidEvent
from stream.events import decode
from stream.kafka.envelopes import IMPORT, REROUTED, partition_of, unpack
from stream.kafka.positions import position_of
from stream.manifest import Manifest
from stream.ports import Snapshot
from stream.profiles import Profiles
from stream.records import LogRecord
from stream.source import TP, SourceRecord


class _Owner(msgspec.Struct):
    type: str = ""
    user_id: str | None = None
    event_id: str | None = None


_owner = msgspec.json.Decoder(_Owner)


@dataclass(frozen=True)
class Rerouted:
    """An event found in a partition that is not its user's, ready to be sent to the right one."""

    partition: int
    body: bytes
    imported: bool


@dataclass
class Partition:
    """State of one owned partition. The control topic is the partition after the last."""

    tp: TP
    profiles: Profiles
    next: int | None = None  # offset to read next; None: the log's beginning
    witness: str = ""
    identity: str = ""
    saved: int | None = None
    saved_at: float = field(default_factory=time.monotonic)
    unwritten: set[str] = field(default_factory=set)  # users whose rows the store has not got

    @property
    def stage(self) -> str:
        return f"profiles.{self.profiles.partition}"

    def moved(self, record: SourceRecord) -> None:
        """Note that a record has been applied."""
        self.next = record.offset + 1
        self.witness = witness_of(record)
        if record.offset == 0:
            self.identity = self.witness

    def capture(self) -> Snapshot:
        """Copy the state; `next` and `witness` must be those of the same moment."""
        tables, objects = self.profiles.dump()
        return Snapshot(
            self.stage, self.next or 0, self.identity, self.witness, LEARNING_VERSION,
            tables, objects,
        )  # fmt: skip


def witness_of(record: SourceRecord) -> str:
    digest = hashlib.blake2b(record.value or b"", digest_size=16)
    digest.update(repr((record.offset, record.timestamp_ms)).encode())
    return digest.hexdigest()


def log_records(record: SourceRecord) -> list[LogRecord]:
    """The events of one source record; bytes that are no envelope go on as one bad event."""
    received_at = record.timestamp_ms / 1000.0
    imported = any(name == IMPORT for name, _ in record.headers)
    try:
        bodies = unpack(record.value or b"")
    except InvalidEvent:
        bodies = [record.value or b""]
    return [
        LogRecord(position_of(record.offset, index), received_at, imported, body)
        for index, body in enumerate(bodies)
    ]


def route(
    record: SourceRecord, events: list[LogRecord], partitions: int
) -> tuple[list[LogRecord], list[Rerouted]]:
    """Part the events that are at home from those to be sent on, once.

    An event without an id gets one from where it was found, so that it stays the same event.
    """
    if record.tp.partition >= partitions or _was_rerouted(record):
        return events, []
    home, away = [], []
    for event in events:
        owner = _owner_of(event.body)
        if owner is None or owner.user_id is None:
            home.append(event)
            continue
        right = partition_of(owner.user_id, partitions)
        if right == record.tp.partition:
            home.append(event)
            continue
        body = event.body
        if owner.event_id is None:
            name = f"@{record.tp.partition}:{event.offset}"
            body = body.rstrip()[:-1] + b',"event_id":"' + name.encode() + b'"}'
        away.append(Rerouted(right, body, event.imported))
    return home, away


def _was_rerouted(record: SourceRecord) -> bool:
    return any(name == REROUTED for name, _ in record.headers)


def _owner_of(body: bytes) -> _Owner | None:
    try:
        owner: _Owner = decode(_owner, body)
    except InvalidEvent:
        return None
    return owner


def fresh(tp: TP, manifest: Manifest, number: int) -> Partition:
    return Partition(tp, Profiles(manifest, number))
