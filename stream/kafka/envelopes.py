"""Records of the topics: one event, or an envelope of events of one partition.

Imports no Kafka client, so that every side of the log can pack and unpack.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from stream.errors import InvalidEvent
from stream.events import decode
from stream.kafka.positions import SLOTS

#: Header of a record whose events are old data: no lateness, no caps.
IMPORT: Final = "freshet-import"
#: Header of a record that was found in another partition than its user's, and moved once.
REROUTED: Final = "freshet-rerouted"

#: Events an envelope of ours holds at most. One costs a worker as much as a single event, so 50
#: give most of the gain; beyond a few hundred it only delays the first event behind the last.
EVENTS: Final = 200
#: Bytes an envelope of ours stays below: half of what a broker takes by default.
BYTES: Final = 512 * 1024
#: Bytes a single event may have: with headers and framing it still passes a default broker.
EVENT_BYTES: Final = 1_000_000
#: Bytes unpacked from anybody. A compressed record can be larger than a broker's limit; parsing
#: it must not stop a partition.
RECORD_BYTES: Final = 2 * 1024 * 1024

_HEAD: Final = b'{"schema":1,"events":['
_TAIL: Final = b"]}"


class _Record(Struct):
    """An event has a type; an envelope has events and no type."""

    type: Raw | UnsetType = UNSET
    events: Raw | UnsetType = UNSET
    schema: Raw | UnsetType = UNSET


class _Addressed(Struct):
    user_id: str


_record = msgspec.json.Decoder(_Record)
_events = msgspec.json.Decoder(list[Raw])
_schema = msgspec.json.Decoder(int)
_addressed = msgspec.json.Decoder(_Addressed)


def pack(bodies: Sequence[bytes]) -> bytes:
    """The envelope of the events' bytes, which it does not look into.

    >>> pack([b'{"a":1}', b'{"b":2}'])
    b'{"schema":1,"events":[{"a":1},{"b":2}]}'
    """
    return _HEAD + b",".join(bodies) + _TAIL


def chunks(
    bodies: Sequence[bytes], events: int = EVENTS, size: int = BYTES
) -> Iterator[Sequence[bytes]]:
    """Cut events, in order, into lots for one envelope each; a larger event is a lot of its own.

    >>> [len(lot) for lot in chunks([b"{}"] * 450)]
    [200, 200, 50]
    """
    start, filled = 0, len(_HEAD) + len(_TAIL)
    for at, body in enumerate(bodies):
        if at > start and (at - start == events or filled + len(body) >= size):
            yield bodies[start:at]
            start, filled = at, len(_HEAD) + len(_TAIL)
        filled += len(body) + 1
    if start < len(bodies):
        yield bodies[start:]


def value_of(bodies: Sequence[bytes]) -> bytes:
    """A record's value: the event itself where there is one, else an envelope."""
    return bodies[0] if len(bodies) == 1 else pack(bodies)


def unpack(value: bytes | None) -> list[bytes]:
    """The events of a record, at least one, unchecked. Raises InvalidEvent for the whole record.

    >>> unpack(pack([b'{"type":"view"}', b'17'])), unpack(b'{"type":"view"}')
    ([b'{"type":"view"}', b'17'], [b'{"type":"view"}'])
    """
    if value is None:
        raise InvalidEvent("", "is empty")
    if len(value) > RECORD_BYTES:
        raise InvalidEvent("", f"is larger than {RECORD_BYTES} bytes")
    record: _Record = decode(_record, value)
    if isinstance(record.type, Raw) or not isinstance(record.events, Raw):
        return [bytes(value)]
    if isinstance(record.schema, Raw) and _version(record.schema) != 1:
        raise InvalidEvent("schema", "must be 1, the only schema there is")
    try:
        events: list[Raw] = _events.decode(record.events)
    except msgspec.ValidationError:
        raise InvalidEvent("events", "must be a JSON array") from None
    if not 0 < len(events) <= SLOTS:
        raise InvalidEvent("events", f"must hold 1 to {SLOTS} events")
    return [bytes(event) for event in events]


def _version(schema: Raw) -> int | None:
    try:
        return _schema.decode(schema)
    except msgspec.MsgspecError:
        return None


def user_of(body: bytes) -> str | None:
    """The user an event or `user` record belongs to, None where it names none."""
    try:
        user_id: str = _addressed.decode(body).user_id
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    return user_id


def partition_of(user_id: str, partitions: int) -> int:
    """The partition a user's events belong to: murmur2 of the id, as Java's producer has it.

    Raises InvalidEvent for an id that has no UTF-8 form (half of a surrogate pair).

    >>> partition_of("ada", 12), partition_of("ada", 1)
    (5, 0)
    """
    return _positive_hash(user_id) % partitions


# Users repeat: a hit costs 60 ns where the hash of a short id costs some 2 µs. At most about
# 15 MB a process.
@lru_cache(maxsize=1 << 16)
def _positive_hash(user_id: str) -> int:
    try:
        return murmur2(user_id.encode()) & 0x7FFFFFFF
    except UnicodeEncodeError:
        raise InvalidEvent("user_id", "must not hold half of a surrogate pair") from None


def murmur2(data: bytes) -> int:
    """MurmurHash2 of 32 bits with Kafka's seed (org.apache.kafka.common.utils.Utils.murmur2).

    >>> murmur2(b"21") - 2**32, murmur2(b"a-little-bit-long-string") - 2**32
    (-973932308, -985981536)
    """
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    length = len(data)
    h = 0x9747B28C ^ length
    whole = length & ~3
    for at in range(0, whole, 4):
        k = (int.from_bytes(data[at : at + 4], "little") * m) & mask
        k = ((k ^ (k >> 24)) * m) & mask
        h = ((h * m) & mask) ^ k
    if whole < length:
        h = ((h ^ int.from_bytes(data[whole:], "little")) * m) & mask
    h = ((h ^ (h >> 13)) * m) & mask
    return h ^ (h >> 15)
