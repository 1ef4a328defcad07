"""Single records of a topic, read again: for whoever has to know that a log is still the same."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from stream.errors import LogUnavailable
from stream.kafka.security import Link
from stream.source import TP, SourceRecord

if TYPE_CHECKING:
    from kafka import KafkaConsumer

# A broker that restarts is back within this; longer, and the caller is better off ending.
_PATIENCE_S: Final = 20.0
# At the log's end a fetch waits so long for more, and the next partition with it.
_WAIT_MS: Final = 10
# A fetch brings at least one whole batch; more than that is wasted here.
_FETCH_BYTES: Final = 4_096


class Peek:
    """Reads by offset, outside any group; blocking, one thread at a time.

    Connects when first asked and stays connected; an error lets go of the connection.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._lock = threading.Lock()
        self._connected: KafkaConsumer | None = None

    def bounds(self, tp: TP) -> tuple[int, int]:
        """The first offset the partition holds, and the one after its last."""
        place = _place(tp)
        with self._consumer() as consumer:
            first = consumer.beginning_offsets([place])[place]
            return first, consumer.end_offsets([place])[place]

    def record(self, tp: TP, offset: int) -> SourceRecord | None:
        """The record at an offset within the bounds; None where a marker or a hole is.

        Raises LogUnavailable.
        """
        place = _place(tp)
        end = time.monotonic() + _PATIENCE_S
        with self._consumer() as consumer:
            consumer.assign([place])
            consumer.seek(place, offset)
            while consumer.position(place) <= offset:
                for record in consumer.poll(100, max_records=1).get(place, ()):
                    return _record(tp, record) if record.offset == offset else None
                if time.monotonic() > end:
                    raise LogUnavailable(f"{tp.topic}/{tp.partition}: offset {offset} is not given")
        return None

    def close(self) -> None:
        if self._connected is not None:
            self._connected.close()
            self._connected = None

    @contextmanager
    def _consumer(self) -> Iterator[KafkaConsumer]:
        from kafka import KafkaConsumer
        from kafka.errors import KafkaError

        with self._lock:
            try:
                if self._connected is None:
                    self._connected = KafkaConsumer(
                        group_id=None, enable_auto_commit=False, fetch_max_wait_ms=_WAIT_MS,
                        max_partition_fetch_bytes=_FETCH_BYTES, bootstrap_timeout_ms=5_000,
                        **self._link.options(),
                    )  # fmt: skip
                yield self._connected
            except KafkaError as error:
                self.close()
                raise LogUnavailable(f"Kafka: {error or type(error).__name__}") from error


def _place(tp: TP) -> Any:
    from kafka import TopicPartition

    return TopicPartition(tp.topic, tp.partition)


def _record(tp: TP, record: Any) -> SourceRecord:
    return SourceRecord(
        tp, record.offset, record.timestamp, record.key, record.value, tuple(record.headers or ())
    )
