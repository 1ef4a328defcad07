"""Golden bytes of what lies in Redis: others read it by docs/redis.md, without our code."""

from __future__ import annotations

import struct

import msgspec
import numpy as np
import pytest

from models.examples import TYPES, Past, empty_past
from stream.errors import StoreUnavailable
from stream.profiles import UserRow
from stream.redis.rows import decode_embedding, decode_row, encode_embedding, encode_row

ROW = UserRow(
    Past(
        np.array([0, 2]), np.array([1, 2**64 - 1], np.uint64), np.array([1.7e9 + 1, 1.7e9]),
        np.array([1, 0], np.uint8), np.array([4.5, np.nan]),
        np.array([0, 1]), np.array([258], np.uint64), np.array([3], np.uint16),
        np.array([0, 2]), np.array([7, 2**63], np.uint64),
    ),
    ["view", "rating", "like"], {"view": 1, "rating": 300}, 1.7e9 + 1,
)  # fmt: skip

#: Schema 1, without keys of attributes. A later one gets bytes beside these; all stay readable.
GOLDEN_ROW_1 = bytes.fromhex(
    "88130000000000008ba6736368656d6101a5747970657393a476696577a6726174696e67a46c696b"
    "65a6636f756e74739301cd012c00a96c6173745f74696d65cb41d954fc40400000a56974656d73c4"
    "100100000000000000ffffffffffffffffa574696d6573c41000004040fc54d94100000040fc54d9"
    "41a56b696e6473c4020100a676616c756573c408000090400000c07fa47365656ec4080201000000"
    "000000a56d61736b73c4020300aa6174747269627574657381a361676507"
)
#: Schema 2.
GOLDEN_ROW = bytes.fromhex(
    "88130000000000008ca6736368656d6102a5747970657393a476696577a6726174696e67a46c696b"
    "65a6636f756e74739301cd012c00a96c6173745f74696d65cb41d954fc40400000a56974656d73c4"
    "100100000000000000ffffffffffffffffa574696d6573c41000004040fc54d94100000040fc54d9"
    "41a56b696e6473c4020100a676616c756573c408000090400000c07fa47365656ec4080201000000"
    "000000a56d61736b73c4020300aa6174747269627574657381a361676507ae617474726962757465"
    "5f6b657973c41007000000000000000000000000000080"
)
GOLDEN_VECTOR = bytes.fromhex("2a000000000000000000003f0000c0bf")


def test_a_row_is_written_byte_for_byte() -> None:
    assert encode_row(5_000, ROW, {"age": 7}) == GOLDEN_ROW


def test_the_golden_row_is_read() -> None:
    stored = decode_row(GOLDEN_ROW)
    assert (stored.position, stored.attributes) == (5_000, {"age": 7})
    assert stored.row is not None
    assert (stored.row.types, stored.row.counts) == (ROW.types, ROW.counts)
    assert stored.row.last_time == ROW.last_time
    for name in Past._fields:
        read, column = getattr(stored.row.past, name), getattr(ROW.past, name)
        assert read.dtype == column.dtype and read.flags.writeable
        np.testing.assert_array_equal(read, column)


def test_a_row_of_schema_1_is_read_as_of_somebody_nobody_described() -> None:
    stored = decode_row(GOLDEN_ROW_1)
    assert stored.row is not None and stored.row.counts == ROW.counts
    assert stored.row.past.attribute_start.tolist() == [0, 0]
    for one, other in zip(stored.row.past[:8], ROW.past[:8], strict=True):
        np.testing.assert_array_equal(one, other)


def test_attribute_keys_without_any_event_are_a_row_without_counts() -> None:
    past = empty_past()._replace(
        attribute_start=np.array([0, 1]), attribute_key=np.array([9], np.uint64)
    )
    stored = decode_row(encode_row(3, UserRow(past, [], {}, 0.0), {"age": 7}))
    assert stored.row is not None and stored.row.counts == {}
    assert stored.row.past.attribute_key.tolist() == [9]


def test_a_row_is_read_as_documented_without_our_code() -> None:
    (position,) = struct.unpack_from("<q", GOLDEN_ROW)
    row = msgspec.msgpack.decode(GOLDEN_ROW[8:])
    assert (position, row["schema"]) == (5_000, 2)
    assert dict(zip(row["types"], row["counts"], strict=True)) == {**ROW.counts, "like": 0}
    assert np.frombuffer(row["items"], "<u8").tolist() == [1, 2**64 - 1]
    assert np.frombuffer(row["times"], "<f8").tolist() == [1.7e9 + 1, 1.7e9]
    assert [row["types"][kind] for kind in row["kinds"]] == ["rating", "view"]
    assert np.frombuffer(row["values"], "<f4")[0] == 4.5
    assert np.frombuffer(row["seen"], "<u8").tolist() == [258]
    assert np.frombuffer(row["masks"], "<u2").tolist() == [3]
    assert np.frombuffer(row["attribute_keys"], "<u8").tolist() == [7, 2**63]


def test_an_embedding_is_written_and_read_byte_for_byte() -> None:
    vector = np.array([0.5, -1.5], np.float32)
    assert encode_embedding(42, vector) == GOLDEN_VECTOR
    position, read = decode_embedding(GOLDEN_VECTOR)
    assert position == 42 and read.dtype == np.float32 and read.tolist() == [0.5, -1.5]


def test_attributes_without_any_event_are_no_row() -> None:
    stored = decode_row(encode_row(3, None, {"age": 7}))
    assert (stored.position, stored.row, stored.attributes) == (3, None, {"age": 7})


def test_without_history_and_seen_a_row_is_below_a_kibibyte() -> None:
    none = Past._make(column[:0] for column in ROW.past)
    types = [f"an_event_type_of_32_characters_{n:02}" for n in range(TYPES)]
    row = UserRow(none, types, dict.fromkeys(types, 2**31 - 1), 1.7e9)
    assert len(encode_row(2**53, row)) <= 1_024


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"short", GOLDEN_ROW[:-3], GOLDEN_ROW[:8] + b"\xc1", GOLDEN_ROW + b"\x00",
        GOLDEN_ROW[:8] + msgspec.msgpack.encode({"schema": 3}),
        GOLDEN_ROW[:8] + msgspec.msgpack.encode({"schema": 1, "types": ["a"], "counts": []}),
        GOLDEN_ROW[:8] + msgspec.msgpack.encode(
            {"schema": 1, "types": ["a"], "counts": [1], "items": b"\0" * 8, "times": b"\0" * 16}
        ),
    ],
)  # fmt: skip
def test_bytes_that_are_no_row_are_refused(raw: bytes) -> None:
    with pytest.raises(StoreUnavailable) as raised:
        decode_row(raw)
    assert raised.value.kind == "corrupt"


@pytest.mark.parametrize("raw", [b"", b"1234567", GOLDEN_VECTOR[:-1]])
def test_bytes_that_are_no_embedding_are_refused(raw: bytes) -> None:
    with pytest.raises(StoreUnavailable):
        decode_embedding(raw)
