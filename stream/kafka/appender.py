"""Appends of the API tier: into envelopes, to each user's partition, acknowledged before 2xx."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from stream import trace
from stream.append_window import AppendWindow
from stream.errors import InvalidEvent, LogUnavailable
from stream.impressions import IMPRESSION
from stream.kafka.envelopes import EVENT_BYTES, partition_of
from stream.kafka.errors import TopicsDiffer
from stream.kafka.lanes import Lane
from stream.kafka.names import Topics
from stream.kafka.security import Link
from stream.kafka.sender import Sender
from stream.manifest import Manifest
from stream.profiles import identity
from stream.service import Checked, Receipt

#: How long an event waits for company. At zero every event pays a record of its own when many
#: arrive at once; each millisecond is one more before a click shows.
LINGER_S: Final = 0.003
#: How long the broker may take; then the client is told to come again.
TIMEOUT_S: Final = 5.0
_RETRY_AFTER_S: Final = 2.0
# Bytes that may wait in all lanes. With the broker away this is what a process holds at most.
_WAITING: Final = 32 * 1024 * 1024
_STOP_S: Final = 5.0


_OF_USERS: Final = frozenset({"user", IMPRESSION})


class _Control(Struct):
    type: str
    user_id: str | None = None


_control = msgspec.json.Decoder(_Control)


class KafkaAppender:
    """Durable appends of one process; used on one event loop.

    LogUnavailable says that not all was acknowledged in time: a part may have been kept, and a
    repeat with the same event ids is harmless. `duplicates` counts repeats this process has
    seen; other processes' are found by stage one.
    """

    def __init__(
        self,
        link: Link,
        topics: Topics,
        manifest: Manifest,
        *,
        linger_s: float = LINGER_S,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._sender = Sender(link)
        self._topics = topics
        self._partitions = manifest.partitions
        self._seed = manifest.seed.to_bytes(8, "little")
        self._window = AppendWindow(manifest.dedup_window)
        self._linger_s = linger_s
        self._timeout_s = timeout_s
        self._lanes: list[Lane] = []

    async def start(self) -> None:
        """Connect. Raises BrokerUnreachable, or TopicsDiffer for another number of partitions."""
        try:
            found = await self._sender.start(self._topics.events)
            if found != self._partitions:
                raise TopicsDiffer(
                    [
                        f"{self._topics.events} has {found} partitions, the manifest says "
                        f"{self._partitions}: which one a user belongs to depends on it"
                    ]
                )
        except BaseException:
            await self._sender.stop()
            raise
        self._lanes = [
            Lane(self._sender, self._topics.events, partition, self._linger_s)
            for partition in range(self._partitions)
        ]
        # The last lane: in receipts and tokens `control` has the number after the last partition.
        self._lanes.append(Lane(self._sender, self._topics.control, 0, self._linger_s, envelope=1))
        self._window.add(())  # compiles its kernel now and not within the first request

    async def stop(self) -> None:
        """Send what waits and let go of the connection, within some seconds."""
        await asyncio.gather(*(lane.stop(_STOP_S) for lane in self._lanes))
        self._lanes = []
        await self._sender.stop()

    async def append_feedback(self, events: Sequence[Checked], imported: bool) -> Receipt:
        """Append and return once acknowledged. Raises LogUnavailable, InvalidEvent (too large)."""
        positions = await self._append(
            ((partition_of(e.user_id, self._partitions), e.body) for e in events), imported
        )
        # Counted only now: what was refused must not make its repeat a duplicate.
        repeats = self._window.repeats(identity(e.user_id, e.event_id, self._seed) for e in events)
        return Receipt(len(events) - len(repeats), len(repeats), positions, repeats)

    async def append_control(self, bodies: Sequence[bytes]) -> Receipt:
        """As for feedback: what is of one user goes to that user's partition, else to `control`."""
        positions = await self._append(((self._lane_of(body), body) for body in bodies), False)
        return Receipt(len(bodies), 0, positions)

    def _lane_of(self, body: bytes) -> int:
        record = _control.decode(body)
        if record.type in _OF_USERS and record.user_id is not None:
            return partition_of(record.user_id, self._partitions)
        return self._partitions

    async def _append(self, bodies: Iterable[tuple[int, bytes]], imported: bool) -> dict[int, int]:
        by_lane: dict[int, list[bytes]] = {}
        for lane, body in bodies:
            if len(body) > EVENT_BYTES:
                raise InvalidEvent("", f"must stay below {EVENT_BYTES} bytes")
            by_lane.setdefault(lane, []).append(body)
        self._require_room(by_lane)
        context = trace.current.get()
        kept = {
            lane: self._lanes[lane].put(group, imported, context) for lane, group in by_lane.items()
        }
        if kept:
            _, late = await asyncio.wait(kept.values(), timeout=self._timeout_s)
            for future in late:
                future.cancel()
            if late:
                raise self._unavailable()
        return {lane: future.result() for lane, future in kept.items()} or {0: 0}

    def _require_room(self, lanes: Iterable[int]) -> None:
        """Refuse at once what could only wait: a herd of waiting requests helps nobody."""
        if not self._lanes:
            raise LogUnavailable("the connection to Kafka is closed", _RETRY_AFTER_S)
        if any(self._lanes[lane].stuck_s() > self._timeout_s for lane in lanes):
            raise self._unavailable()
        if sum(lane.size for lane in self._lanes) > _WAITING:
            raise LogUnavailable("Kafka takes events slower than they arrive", _RETRY_AFTER_S)

    def _unavailable(self) -> LogUnavailable:
        return LogUnavailable(
            f"Kafka has acknowledged nothing for {self._timeout_s:g} s", _RETRY_AFTER_S
        )
