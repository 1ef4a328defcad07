"""Positions, envelopes and partitions: what every side of the topics must agree on."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import InvalidEvent
from stream.kafka.envelopes import (
    BYTES,
    EVENTS,
    RECORD_BYTES,
    chunks,
    murmur2,
    pack,
    partition_of,
    unpack,
    user_of,
    value_of,
)
from stream.kafka.positions import SLOTS, offset_of, position_of

# Printed by org.apache.kafka.common.utils.Utils of kafka-clients 4.1.1: the hash, and toPositive
# of it modulo 12. "21" and the four after it are also in Kafka's own UtilsTest.
GOLDEN = [
    ("", 275646681, 9),
    ("a", -1563381124, 4),
    ("ab", 316155434, 2),
    ("abc", 479470107, 3),
    ("abcd", -1323649548, 8),
    ("21", -973932308, 0),
    ("foobar", -790332482, 6),
    ("a-little-bit-long-string", -985981536, 8),
    ("a-little-bit-longer-string", -1486304829, 11),
    ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971, 5),
    ("ada", -1834195827, 5),
    ("user-1", 1404122828, 8),
    ("Ünïcødé", -367108646, 6),
    ("日本語", 1431860170, 10),
    ("🙂", 925250799, 3),
]

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.one_of(st.none(), st.booleans(), st.integers(), names, st.lists(st.integers()))
events = st.dictionaries(names, values, max_size=5).map(
    lambda fields: json.dumps({"type": "view", **fields}).encode()
)


@pytest.mark.parametrize(("text", "signed", "partition"), GOLDEN)
def test_the_hash_is_that_of_java(text: str, signed: int, partition: int) -> None:
    assert murmur2(text.encode()) == signed % 2**32
    assert partition_of(text, 12) == partition


@given(st.binary(max_size=200))
def test_the_hash_is_that_of_kafka_python(data: bytes) -> None:
    default = pytest.importorskip("kafka.partitioner.default")
    assert murmur2(data) == default.murmur2(data)


@given(names, st.integers(1, 50))
def test_a_partition_is_one_of_them(user_id: str, partitions: int) -> None:
    assert 0 <= partition_of(user_id, partitions) < partitions


def test_an_id_that_no_topic_can_hold_is_refused() -> None:
    with pytest.raises(InvalidEvent, match=r"user_id: .*surrogate"):
        partition_of("\ud800", 12)


@given(st.integers(0, 2**52), st.integers(0, SLOTS - 1))
def test_positions_hold_offset_and_index_and_grow_with_them(offset: int, index: int) -> None:
    position = position_of(offset, index)
    assert (offset_of(position), position % SLOTS) == (offset, index)
    assert position < position_of(offset + 1, 0) < 2**63


@pytest.mark.parametrize(("offset", "index"), [(-1, 0), (0, -1), (0, SLOTS)])
def test_there_are_no_other_positions(offset: int, index: int) -> None:
    with pytest.raises(ValueError, match="no position"):
        position_of(offset, index)


@given(st.lists(events, min_size=1, max_size=30))
def test_what_is_packed_comes_back_byte_for_byte(bodies: list[bytes]) -> None:
    assert unpack(pack(bodies)) == bodies
    assert unpack(value_of(bodies)) == bodies
    assert json.loads(pack(bodies)) == {"schema": 1, "events": [json.loads(b) for b in bodies]}


def test_an_envelope_has_these_bytes() -> None:
    assert pack([b'{"type":"view"}']) == b'{"schema":1,"events":[{"type":"view"}]}'


@given(st.lists(st.integers(1, 90_000), max_size=500), st.integers(1, 200))
def test_lots_are_bounded_and_lose_nothing(sizes: list[int], most: int) -> None:
    bodies = [b"x" * size for size in sizes]
    lots = list(chunks(bodies, most))
    assert [body for lot in lots for body in lot] == bodies
    assert all(0 < len(lot) <= most and len(pack(lot)) <= BYTES for lot in lots)


def test_an_event_larger_than_an_envelope_goes_alone() -> None:
    large, small = b"x" * (BYTES + 1), b"y"
    assert list(chunks([small, large, small])) == [[small], [large], [small]]


def test_an_event_may_have_a_field_called_events() -> None:
    body = b'{"type":"view","user_id":"a","item_id":"b","events":[1,2]}'
    assert unpack(body) == [body]


def test_an_object_that_is_neither_is_left_to_the_check_of_events() -> None:
    assert unpack(b'{"user_id":"a"}') == [b'{"user_id":"a"}']


def test_one_bad_event_does_not_spoil_its_envelope() -> None:
    bodies = [b'{"type":"view"}', b"17", b"null", b'{"events":[]}', b'"text"', b"[]"]
    assert unpack(pack(bodies)) == bodies


def test_a_foreign_envelope_may_have_spaces_other_fields_and_no_schema() -> None:
    assert unpack(b' { "events" : [ {"a": 1} ,\n{"b":2} ], "by": "them" } ') == [
        b'{"a": 1}',
        b'{"b":2}',
    ]


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (None, ""), (b"", ""), (b"\x00", ""), (b"\xff\xfe", ""), (b"{", ""), (b"[]", ""),
        (b"17", ""), (b"null", ""), (b'"text"', ""), (b"NaN", ""), (b'{"type":NaN}', "type"),
        (b'{"events":[NaN]}', "events.0"), (b'{"events":[1e400,}', ""),
        (b'{"events":[{"type":"view"}]}{"type":"view"}', ""), (b"[" * 100_000, ""),
        (b'{"events":' + b"[" * 100_000, ""), (b'{"events":[]}', "events"),
        (b'{"events":{}}', "events"), (b'{"events":"x"}', "events"), (b'{"events":null}', "events"),
        (b'{"schema":2,"events":[{}]}', "schema"), (b'{"schema":"1","events":[{}]}', "schema"),
        (b'{"schema":1e99,"events":[{}]}', "schema"), (pack([b"{}"] * (SLOTS + 1)), "events"),
        (b" " * (RECORD_BYTES + 1), ""),
    ],
)  # fmt: skip
def test_a_record_that_cannot_be_taken_apart_is_refused(value: bytes | None, field: str) -> None:
    with pytest.raises(InvalidEvent) as refused:
        unpack(value)
    assert refused.value.field == field
    assert len(str(refused.value)) < 200


@given(st.binary(max_size=100))
def test_no_bytes_do_anything_but_be_refused(value: bytes) -> None:
    with suppress(InvalidEvent):
        assert unpack(value)
    user_of(value)


def test_as_many_events_as_positions_are_taken_from_others() -> None:
    assert len(unpack(pack([b"{}"] * SLOTS))) == SLOTS
    assert EVENTS < SLOTS


@pytest.mark.parametrize(
    ("body", "user"),
    [
        (b'{"user_id":"ada"}', "ada"), (b'{"user_id":7}', None), (b"{}", None), (b"{", None),
        (b'{"user_id":"\xff"}', None), (b"[" * 100_000, None),
    ],
)  # fmt: skip
def test_the_user_of_a_record_is_found_where_there_is_one(body: bytes, user: str | None) -> None:
    assert user_of(body) == user
