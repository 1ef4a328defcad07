"""Our Kafka producer: events into envelopes, each to its partition, counted when acknowledged."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self

from kafka import KafkaProducer
from kafka.errors import KafkaError

from producers.errors import SinkUnavailable
from stream.kafka.envelopes import BYTES, IMPORT, value_of
from stream.kafka.positions import position_of
from stream.kafka.security import Link

#: Durable, and as quick as without: what each costs and saves was measured.
_OPTIONS: Final[Mapping[str, Any]] = {
    "acks": "all",
    "enable_idempotence": True,
    "linger_ms": 5,
    "batch_size": 262_144,
    "compression_type": "lz4",
    # The default of 30 s tripled the silence after a broker's restart.
    "reconnect_backoff_max_ms": 1_000,
    "delivery_timeout_ms": 120_000,
    "max_request_size": 2 * 1024 * 1024,
    "max_block_ms": 10_000,
    "bootstrap_timeout_ms": 5_000,
    "allow_auto_create_topics": False,
}
# Delivery has its own deadline, after which every record has failed; the rest is slack.
_FLUSH_S: Final = 130.0
#: Bytes on their way at most. The library bounds nothing: with the broker away, a quick reader
#: would fill the memory. Near zero every envelope would wait for the one before.
_OUTSTANDING: Final = 32 * 1024 * 1024

_IMPORTED: Final = [(IMPORT, b"1")]

Headers = tuple[tuple[str, bytes], ...]


class Publisher:
    """Publishes bodies in order, per partition; one thread at a time.

    An error of any record is kept and raised as SinkUnavailable by every later call: what was
    acknowledged until then is `acknowledged`, the rest may or may not have been appended.
    """

    def __init__(self, link: Link, envelope: int = 100) -> None:
        self._envelope = envelope
        self._waiting: dict[tuple[str, int], _Waiting] = {}
        self._room = threading.Condition()
        self._outstanding = 0
        self._acknowledged = 0
        self._error: BaseException | None = None
        self._positions: dict[tuple[str, int], int] = {}
        self._producer = _tried(lambda: KafkaProducer(**_OPTIONS, **link.options()))

    @property
    def acknowledged(self) -> int:
        """Events that every in-sync replica has."""
        return self._acknowledged

    def position(self, topic: str) -> dict[int, int]:
        """The position after what was acknowledged last, by partition."""
        with self._room:
            return {p: at for (name, p), at in self._positions.items() if name == topic}

    def add(
        self,
        topic: str,
        partition: int,
        body: bytes,
        imported: bool = False,
        *,
        alone: bool = False,
        headers: Headers = (),
    ) -> None:
        """Publish a body with others of its partition, `alone` in a record of its own.

        Only those with the same `headers` share a record.
        """
        key = topic, partition
        waiting = self._waiting.get(key)
        if waiting is None:
            waiting = self._waiting[key] = _Waiting()
        elif waiting.bodies and (
            alone
            or (waiting.imported, waiting.headers) != (imported, headers)
            or waiting.size + len(body) >= BYTES
        ):
            self._send(key, waiting)
        waiting.imported, waiting.headers = imported, headers
        waiting.size += len(body) + 1
        waiting.bodies.append(body)
        if alone or len(waiting.bodies) >= self._envelope:
            self._send(key, waiting)

    def flush(self, timeout_s: float = _FLUSH_S) -> None:
        """Return once all is acknowledged. Raises SinkUnavailable when it is not in time."""
        for key, waiting in self._waiting.items():
            if waiting.bodies:
                self._send(key, waiting)
        _tried(lambda: self._producer.flush(timeout=timeout_s))
        self._check()

    def close(self, timeout_s: float = 5.0) -> None:
        """Let go; what was not flushed before may be lost."""
        try:
            self._producer.close(timeout=timeout_s)
        except KafkaError:
            # With something still on its way the library's close gives up before it has closed.
            self._producer._sender.force_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _send(self, key: tuple[str, int], waiting: _Waiting) -> None:
        bodies, size = waiting.bodies, waiting.size
        headers = [*(_IMPORTED if waiting.imported else ()), *waiting.headers]
        waiting.bodies, waiting.size = [], 0
        self._check()
        self._make_room(size)
        topic, partition = key
        future = _tried(
            lambda: self._producer.send(
                topic, value_of(bodies), partition=partition, headers=headers
            )
        )
        future.add_callback(self._kept, len(bodies), size)
        future.add_errback(self._failed, size)

    def _make_room(self, size: int) -> None:
        with self._room:
            if not self._room.wait_for(lambda: self._outstanding < _OUTSTANDING, _FLUSH_S):
                raise SinkUnavailable("the broker acknowledges nothing")
            self._outstanding += size

    # Called by the library's thread.

    def _kept(self, events: int, size: int, record: Any) -> None:
        with self._room:
            self._acknowledged += events
            # The record that is furthest, whatever order the answers come in.
            key, after = (record.topic, record.partition), position_of(record.offset, events - 1)
            self._positions[key] = max(self._positions.get(key, 0), after + 1)
            self._outstanding -= size
            self._room.notify()

    def _failed(self, size: int, error: BaseException) -> None:
        with self._room:
            self._error = self._error or error
            self._outstanding -= size
            self._room.notify()

    def _check(self) -> None:
        if self._error is not None:
            raise SinkUnavailable(f"Kafka did not take all: {_said(self._error)}") from self._error


class _Waiting:
    """Bodies of a partition that wait for an envelope."""

    __slots__ = ("bodies", "headers", "imported", "size")

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.imported = False
        self.headers: Headers = ()
        self.size = 0


def _tried(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except (KafkaError, OSError) as error:
        raise SinkUnavailable(f"Kafka: {_said(error)}") from error


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__
