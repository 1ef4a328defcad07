"""The contracts between the core and foreign systems. Adapters live in one folder each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from models.tables import Array
from stream.examples import DeadLetter
from stream.profiles import Profiles
from stream.records import LogRecord, NewRecord


@dataclass(frozen=True)
class Appended:
    """Offsets of an append, and which of its records, by index, repeat earlier ones, exactly."""

    offsets: range
    repeats: Sequence[int] = ()

    @property
    def duplicates(self) -> int:
        return len(self.repeats)


class EventLog(Protocol):
    """An ordered, durable log of one partition. Offsets begin at 0 and have no holes.

    `append` is atomic: when it returns, all records survive `kill -9` and power loss, with
    consecutive offsets; when it raises LogUnavailable, none was kept. Records of one call
    share `received_at`. It may be called from many threads.
    """

    def submit(self, records: Sequence[NewRecord]) -> Future[Appended]:
        """Begin to append; the future resolves once all is durable, or with LogUnavailable."""
        ...

    def append(self, records: Sequence[NewRecord]) -> Appended:
        """`submit`, and wait. Raises LogUnavailable."""
        ...

    def read(self, start: int, limit: int) -> list[LogRecord]:
        """Return up to `limit` records from `start` on; an empty list at the end."""
        ...

    def end(self) -> int:
        """The offset the next record will get."""
        ...

    def wait(self, end: int, timeout_s: float) -> bool:
        """Block until `end()` is above `end`; False when the time was up first."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Snapshot:
    """A stage's state at a position: everything below `position` is in it, nothing else.

    `identity` names the log it belongs to, `witness` is a digest of the last record it covers.
    """

    stage: str
    position: int
    identity: str
    witness: str
    learning_version: int
    tables: Mapping[str, Array]
    objects: Mapping[str, bytes]


@dataclass(frozen=True)
class SnapshotName:
    """What a stored snapshot's name says, and where it lies."""

    stage: str
    position: int
    digest: str
    path: str


#: Called after each part that is written, with the seconds it took; may rest.
Pace = Callable[[float], object]


def unhindered(took_s: float) -> None:
    """The pace of a writer that nobody waits beside."""


class SnapshotStore(Protocol):
    """Immutable snapshots, highest position first.

    `write` makes a snapshot visible whole or not at all. `read` raises SnapshotCorrupt when
    the checksum fails; callers then take the next one down.
    """

    def write(self, snapshot: Snapshot, pace: Pace = unhindered) -> SnapshotName: ...

    def names(self, stage: str) -> list[SnapshotName]: ...

    def read(self, name: SnapshotName) -> Snapshot: ...

    def prune(self, stage: str, keep: int) -> None:
        """Remove all but the newest `keep`; those of an older learning version go first."""
        ...


@dataclass(frozen=True)
class StoredLetter:
    """A dead letter and what became of it; `replayed_at` is None while it waits."""

    letter: DeadLetter
    attempt: int
    written_at: float
    replayed_at: float | None


class DeadLetters(Protocol):
    """Records that could not be learned, kept once per source position."""

    def put(self, letters: Sequence[DeadLetter]) -> None:
        """Keep letters, durable at return; one whose position is there already changes nothing.

        Raises LogUnavailable when they cannot be kept now; then none was.
        """
        ...

    def letters(self) -> Iterator[StoredLetter]:
        """All letters in the order of their positions."""
        ...

    def mark_replayed(self, partition: int, offset: int) -> None: ...

    def drop(self, partition: int, offset: int) -> None:
        """Take a letter out of `letters` for good; putting it again does not bring it back."""
        ...

    def close(self) -> None: ...


class Changed(NamedTuple):
    """Users of a partition whose rows have changed, and the position that the rows are of."""

    profiles: Profiles
    position: int
    user_ids: Collection[str]
