"""A partition's queue: what arrives within a few milliseconds shares an envelope."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from stream import trace
from stream.errors import LogUnavailable
from stream.kafka.envelopes import EVENTS, IMPORT, chunks, value_of
from stream.kafka.positions import position_of
from stream.kafka.sender import Record, Sender

# Events that are worth sending without lingering for more.
_ENOUGH: Final = 50
# A turn takes groups up to these; the next turn begins when the broker has acknowledged it.
_TURN_EVENTS: Final = 2_000
_TURN_BYTES: Final = 1_048_576


@dataclass(slots=True)
class _Group:
    """Bodies of one call; `kept` resolves to the position after the last of them."""

    bodies: Sequence[bytes]
    imported: bool
    kept: asyncio.Future[int]
    context: bytes | None = None
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = sum(map(len, self.bodies))


class Lane:
    """Appends to one partition, in the order of `put`; one turn is on its way at a time.

    While a turn waits for its acknowledgement the next one fills, as a group commit does. A
    group whose waiter has given up before its turn is left out, so what was refused is not kept
    later unless it was on its way already.
    """

    def __init__(
        self, sender: Sender, topic: str, partition: int, linger_s: float, envelope: int = EVENTS
    ) -> None:
        self._sender = sender
        self._topic = topic
        self._partition = partition
        self._linger_s = linger_s
        self._envelope = envelope
        self._waiting: deque[_Group] = deque()
        self._arrived = asyncio.Event()
        self._first_at = 0.0
        self._sent_at: float | None = None
        self.size = 0
        self._task = asyncio.create_task(self._run())

    def stuck_s(self) -> float:
        """Seconds that the turn on its way has been without an acknowledgement."""
        return 0.0 if self._sent_at is None else time.monotonic() - self._sent_at

    def put(
        self, bodies: Sequence[bytes], imported: bool, context: bytes | None = None
    ) -> asyncio.Future[int]:
        """Queue bodies; cancelling the future takes them back if they are still here."""
        kept: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        kept.add_done_callback(_noticed)
        group = _Group(bodies, imported, kept, context)
        if not self._waiting:
            self._first_at = time.monotonic()
        self._waiting.append(group)
        self.size += group.size
        self._arrived.set()
        return kept

    async def stop(self, timeout_s: float) -> None:
        """Send what waits, then end; what the broker does not take in time is given up."""
        deadline = time.monotonic() + timeout_s
        while (self._waiting or self._sent_at is not None) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        self._task.cancel()
        for group in self._waiting:
            group.kept.cancel()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            await self._linger()
            turn = self._take()
            if not self._waiting:
                self._arrived.clear()
            if turn:
                self._sent_at = time.monotonic()
                await self._send(turn)
                self._sent_at = None
                self.size -= sum(group.size for group in turn)

    async def _linger(self) -> None:
        rest = self._first_at + self._linger_s - time.monotonic()
        if rest > 0 and sum(len(group.bodies) for group in self._waiting) < _ENOUGH:
            await asyncio.sleep(rest)

    def _take(self) -> list[_Group]:
        turn: list[_Group] = []
        events = size = 0
        while self._waiting and events < _TURN_EVENTS and size < _TURN_BYTES:
            group = self._waiting.popleft()
            if group.kept.done():
                self.size -= group.size
                continue
            turn.append(group)
            events += len(group.bodies)
            size += group.size
        return turn

    async def _send(self, turn: list[_Group]) -> None:
        records, ends = _packed(turn, self._envelope)
        try:
            offsets = await self._sender.send(self._topic, self._partition, records)
        except LogUnavailable as error:
            for group in turn:
                if not group.kept.done():
                    group.kept.set_exception(error)
            return
        for group, (record, index) in zip(turn, ends, strict=True):
            if not group.kept.done():
                group.kept.set_result(position_of(offsets[record], index) + 1)


def _packed(turn: list[_Group], envelope: int) -> tuple[list[Record], list[tuple[int, int]]]:
    """Records of a turn, and for each group where its last body lies: (record, index)."""
    records: list[Record] = []
    ends: list[tuple[int, int]] = []
    at = 0
    while at < len(turn):
        imported = turn[at].imported
        run = []
        while at < len(turn) and turn[at].imported is imported:
            run.append(turn[at])
            at += 1
        headers = [(IMPORT, b"1")] if imported else []
        contexts = [group.context for group in run for _ in group.bodies]
        places: list[tuple[int, int]] = []
        for lot in chunks([body for group in run for body in group.bodies], envelope):
            context = trace.first(contexts[len(places) : len(places) + len(lot)])
            places += [(len(records), index) for index in range(len(lot))]
            records.append((value_of(lot), [*headers, *trace.header(context)]))
        last = -1
        for group in run:
            last += len(group.bodies)
            ends.append(places[last])
    return records, ends


def _noticed(kept: asyncio.Future[int]) -> None:
    """An error nobody waits for any more is not worth a warning at exit."""
    if not kept.cancelled():
        kept.exception()
