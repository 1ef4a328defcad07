"""Dead letters in a topic: the original bytes as value, the rest in headers.

Nothing in a topic is changed: what became of a letter is a later record of the same position.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from stream import trace
from stream.errors import LogUnavailable
from stream.examples import DeadLetter
from stream.kafka.security import Link
from stream.ports import StoredLetter

if TYPE_CHECKING:
    from kafka import KafkaConsumer, KafkaProducer

Headers = list[tuple[str, bytes]]

_REASON: Final = "freshet-reason"
_ERROR: Final = "freshet-error"
_PARTITION: Final = "freshet-partition"
_POSITION: Final = "freshet-position"
_ATTEMPT: Final = "freshet-attempt"
_TIME: Final = "freshet-received-at"
#: What became of a letter, on a record with nothing in it: "replayed" or "dropped".
_BECAME: Final = "freshet-became"

_TIMEOUT_S: Final = 10.0
# A letter holds a record as large as a broker takes.
_LARGEST: Final = 4 * 1024 * 1024


def to_record(letter: DeadLetter, attempt: int = 1) -> tuple[bytes, Headers]:
    """Value and headers of a letter: a function of the letter alone, so it may be sent again."""
    return letter.body, [
        (_REASON, letter.reason.encode()),
        (_ERROR, letter.error.encode()),
        (_PARTITION, str(letter.partition).encode()),
        (_POSITION, str(letter.offset).encode()),
        (_ATTEMPT, str(attempt).encode()),
        (_TIME, repr(letter.received_at).encode()),
        *letter.headers,
    ]


def from_record(
    value: bytes | None, headers: Sequence[tuple[str, bytes]]
) -> tuple[DeadLetter, int]:
    """The letter and its attempt. Raises ValueError for what no worker has written."""
    found = dict(headers)
    try:
        letter = DeadLetter(
            int(found[_PARTITION]),
            int(found[_POSITION]),
            found[_REASON].decode(),
            found[_ERROR].decode(),
            value or b"",
            float(found[_TIME]),
            tuple(trace.foreign(headers)),
        )
        return letter, int(found[_ATTEMPT])
    except KeyError as missing:
        raise ValueError(f"a dead letter needs the header {missing}") from None


class KafkaDeadLetters:
    """`DeadLetters` over a topic of one partition; connects when first used."""

    def __init__(self, link: Link, topic: str) -> None:
        self._link = link
        self._topic = topic
        self._sending: KafkaProducer | None = None

    def put(self, letters: Sequence[DeadLetter]) -> None:
        self._append([to_record(letter) for letter in letters])

    def letters(self) -> Iterator[StoredLetter]:
        """Letters in the order of their positions, without dropped ones; all in memory."""
        stored: dict[tuple[int, int], StoredLetter] = {}
        dropped = set()
        for record in self._records():
            headers = dict(record.headers)
            try:
                place = int(headers[_PARTITION]), int(headers[_POSITION])
                became = headers.get(_BECAME)
                if became is None and place not in stored:
                    letter, attempt = from_record(record.value, record.headers)
                    stored[place] = StoredLetter(letter, attempt, record.timestamp / 1000, None)
            except (KeyError, ValueError):
                continue  # not ours
            if became == b"dropped":
                dropped.add(place)
            elif became == b"replayed" and place in stored:
                old = stored[place]
                stored[place] = replace(
                    old, attempt=old.attempt + 1, replayed_at=record.timestamp / 1000
                )
        return iter([stored[place] for place in sorted(stored) if place not in dropped])

    def mark_replayed(self, partition: int, offset: int) -> None:
        self._append([_mark(partition, offset, b"replayed")])

    def drop(self, partition: int, offset: int) -> None:
        """Take a letter out of every list; its bytes go with the topic's retention."""
        self._append([_mark(partition, offset, b"dropped")])

    def close(self) -> None:
        from kafka.errors import KafkaError

        if self._sending is not None:
            try:
                self._sending.close(timeout=_TIMEOUT_S)
            except KafkaError:
                # With something still on its way the library's close gives up too early.
                self._sending._sender.force_close()
            self._sending = None

    def _append(self, records: Sequence[tuple[bytes, Headers]]) -> None:
        """Append records, durable at return. Raises LogUnavailable: some may have been kept."""
        if not records:
            return
        from kafka.errors import KafkaError

        try:
            producer = self._producer()
            sent = [
                producer.send(self._topic, value, partition=0, headers=headers)
                for value, headers in records
            ]
            producer.flush(timeout=_TIMEOUT_S)
            for future in sent:
                future.get(timeout=_TIMEOUT_S)
        except KafkaError as error:
            raise LogUnavailable(f"dead letters: {error or type(error).__name__}") from error

    def _producer(self) -> KafkaProducer:
        from kafka import KafkaProducer

        if self._sending is None:
            self._sending = KafkaProducer(
                acks="all", enable_idempotence=True, compression_type="lz4",
                max_request_size=_LARGEST, delivery_timeout_ms=int(_TIMEOUT_S * 1000),
                request_timeout_ms=int(_TIMEOUT_S * 500), max_block_ms=int(_TIMEOUT_S * 1000),
                reconnect_backoff_max_ms=1_000, bootstrap_timeout_ms=5_000,
                allow_auto_create_topics=False, **self._link.options(),
            )  # fmt: skip
        return self._sending

    def _records(self) -> Iterator[Any]:
        from kafka import KafkaConsumer, TopicPartition
        from kafka.errors import KafkaError

        place = TopicPartition(self._topic, 0)
        try:
            consumer = KafkaConsumer(
                enable_auto_commit=False, bootstrap_timeout_ms=5_000, **self._link.options()
            )
        except KafkaError as error:
            raise LogUnavailable(f"dead letters: {error}") from error
        try:
            yield from _all_of(consumer, place)
        except KafkaError as error:
            raise LogUnavailable(f"dead letters: {error}") from error
        finally:
            consumer.close()


def _all_of(consumer: KafkaConsumer, place: Any) -> Iterator[Any]:
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    end = consumer.end_offsets([place])[place]
    while consumer.position(place) < end:
        polled = consumer.poll(timeout_ms=int(_TIMEOUT_S * 1000))
        if not polled:
            raise LogUnavailable("dead letters: the broker gives none of its records")
        for records in polled.values():
            yield from records


def _mark(partition: int, position: int, became: bytes) -> tuple[bytes, Headers]:
    return b"", [
        (_PARTITION, str(partition).encode()),
        (_POSITION, str(position).encode()),
        (_BECAME, became),
    ]
