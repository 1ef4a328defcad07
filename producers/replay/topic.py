"""A range of a Kafka topic as records of a log: `kafka:TOPIC[@FROM:TO]`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from producers.errors import OptionError, ReadError
from stream.cluster.offline import TopicReader
from stream.errors import InvalidEvent
from stream.events import time_of
from stream.kafka.envelopes import unpack
from stream.kafka.errors import BrokerUnreachable
from stream.kafka.security import Link
from stream.source import TP, SourceRecord

PREFIX = "kafka:"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")


@dataclass(frozen=True)
class Bound:
    """An offset of every partition, or a time in seconds since the epoch; neither: no bound."""

    offset: int | None = None
    time: float | None = None


@dataclass(frozen=True)
class TopicRange:
    """From `first` to before `last`."""

    topic: str
    first: Bound = Bound()
    last: Bound = Bound()


def topic_range(text: str) -> TopicRange:
    """Read `kafka:TOPIC[@FROM:TO]`; each bound an offset, an RFC 3339 time, or nothing.

    Raises OptionError.

    >>> topic_range("kafka:events@10:").first
    Bound(offset=10, time=None)
    >>> topic_range("kafka:events@1970-01-01T00:00:10Z:1970-01-01T00:01:00Z").last.time
    60.0
    """
    topic, at, bounds = text.removeprefix(PREFIX).partition("@")
    if not _NAME.fullmatch(topic):
        raise OptionError("kafka:TOPIC[@FROM:TO]: the topic's name is missing or malformed")
    if not at:
        return TopicRange(topic)
    # A time has colons of its own: the one that parts two bounds is where both can be read.
    for colon in re.finditer(":", bounds):
        first, last = _bound(bounds[: colon.start()]), _bound(bounds[colon.end() :])
        if first is not None and last is not None:
            return TopicRange(topic, first, last)
    raise OptionError(
        "kafka:TOPIC[@FROM:TO]: FROM and TO are offsets, or times as in 2026-01-31T12:00:00Z"
    )


def _bound(text: str) -> Bound | None:
    if text == "":
        return Bound()
    if text.isascii() and text.isdigit() and len(text) < 19:
        return Bound(offset=int(text))
    try:
        return Bound(time=time_of(text, 0.0))
    except InvalidEvent:
        return None


def read_topic(
    link: Link, wanted: TopicRange, patience_s: float
) -> Iterator[tuple[str, float, bytes]]:
    """Yield (an id for an event without one, time of receipt, bytes), partition by partition.

    Raises BrokerUnreachable where nobody answers within the patience, and ReadError for a topic
    that does not exist.
    """
    from kafka.errors import KafkaError

    try:
        reader = TopicReader(link, patience_s)
        try:
            partitions = sorted(reader.partitions(wanted.topic))
            if not partitions:
                raise ReadError(PREFIX + wanted.topic, "a topic, but there is none of this name")
            for partition in partitions:
                yield from _read(reader, TP(wanted.topic, partition), wanted)
        finally:
            reader.close()
    except KafkaError as error:
        raise BrokerUnreachable(link.bootstrap, str(error) or type(error).__name__) from error


def _read(reader: TopicReader, tp: TP, wanted: TopicRange) -> Iterator[tuple[str, float, bytes]]:
    first = wanted.first.offset
    start = None if first is None else max(first, reader.beginning(tp))
    for record in reader.read(tp, start):
        if wanted.last.offset is not None and record.offset >= wanted.last.offset:
            return
        if _in_time(record, wanted):
            yield from _bodies(record)


def _in_time(record: SourceRecord, wanted: TopicRange) -> bool:
    at = record.timestamp_ms / 1e3
    first, last = wanted.first.time, wanted.last.time
    return (first is None or at >= first) and (last is None or at < last)


def _bodies(record: SourceRecord) -> Iterator[tuple[str, float, bytes]]:
    place = f"{record.tp.topic}:{record.tp.partition}:{record.offset}"
    try:
        bodies = unpack(record.value)
    except InvalidEvent:
        bodies = [b""]  # counted as left out by whoever reads on
    for index, body in enumerate(bodies):
        yield f"{place}:{index}", record.timestamp_ms / 1e3, body
