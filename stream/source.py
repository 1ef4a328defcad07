"""The port through which a stage reads a partitioned log. `stream/faust` is the adapter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol


class TP(NamedTuple):
    """A partition of a topic. Equal to, and hashed as, the Kafka clients' own pairs."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A record as the broker gave it. `timestamp_ms` is milliseconds since the epoch."""

    tp: TP
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class Handler(Protocol):
    """A stage of the pipeline, and the owner of its positions.

    Calls never overlap: each begins after the one before has returned, whatever the group does
    meanwhile. They run on the event loop of the source. None is made with nothing in it. An
    exception that leaves any of them ends the process, so that a record is never passed over:
    catch what can be dead-lettered or tried again.
    """

    async def assigned(self, partitions: set[TP]) -> dict[TP, int | None]:
        """Load the state of `partitions`; return the next offset to read of each.

        None is the very first, offset 0: a log that was trimmed since is not read from where it
        begins now. `partitions` is all that is owned from now on, also what was owned before.
        Nothing is read until every partition is loaded. The broker's committed offsets play no
        part.
        """
        ...

    async def revoked(self, partitions: set[TP]) -> None:
        """`partitions` belong to somebody else, or come back with the next `assigned`.

        State may stay in memory; whoever owns the partition next begins at a snapshot.
        """
        ...

    async def handle(self, records: list[SourceRecord]) -> None:
        """Apply records; when it returns, the next offsets of their partitions are past them.

        Records of a partition stand together; their offsets are consecutive and begin at the
        partition's next one. Only where the log has a hole (the marker of a foreign
        transaction) do they begin above it; the source has then asked the broker for the
        missing offsets, and there are none.
        """
        ...

    async def stopping(self) -> None:
        """The process is asked to end: save what is owned, and commit nothing. The last call."""
        ...


class Source(Protocol):
    """A member of a group that shares the partitions of some topics.

    Every offset of an owned partition is handled once and in order, counted from what `assigned`
    returned: below the next offset is skipped, above it is refused and fetched again. A log that
    does not hold the next offset any more (retention, another topic of that name) raises
    PositionLost and ends the process: reading on would lose events without a word.
    """

    async def run(self, handler: Handler) -> None:
        """Read until asked to stop. Returns after `stopping` and having left the group."""
        ...

    async def commit(self, offsets: dict[TP, int]) -> None:
        """Tell the broker of a snapshot's next offsets, for lag dashboards alone.

        Partitions not owned are left out. A broker that does not take it is logged, no error.
        """
        ...
