"""Examples as bytes: what comes back is what went in, and the same log gives the same bytes."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from models.attributes import attribute_keys
from models.examples import Examples
from stream.errors import InvalidEvent
from stream.example_bytes import decode, encode
from stream.examples import Control, ExampleBatch
from stream.manifest import Manifest
from stream.profiles import Profiles
from stream.records import LogRecord

#: What stage one made of `STORY` as it was then, by the version of the bytes; no version becomes
#: unreadable.
GOLDEN_1 = bytes.fromhex(
    "9301039398a86578616d706c6573ffc408000000000000000091a2693191a2753191a47669657798c408e73af9d5"
    "b50561edc40831befef1ed1ec70cc408676404f21ec8d72dc40100c408000000000000f87fc40800000040fc54d9"
    "41c40101c402000098c41000000000000000000000000000000000c400c400c400c400c410000000000000000000"
    "00000000000000c400c40095a7636f6e74726f6ca46974656d82a76974656d5f6964a26931a57469746c65a34f6e"
    "65020098a86578616d706c657302c408030000000000000091a2693291a2753192a476696577a6726174696e6798"
    "c40845460c1d9887c82dc408ba2c20646049998ac408676404f21ec8d72dc40101c4080000000000001240c40800"
    "00c040fc54d941c40101c402000098c41000000000000000000100000000000000c408e73af9d5b50561edc40800"
    "000040fc54d941c40100c408000000000000f87fc41000000000000000000100000000000000c408e73af9d5b505"
    "61edc4020100"
)
GOLDEN_2 = bytes.fromhex(
    "9302039399a86578616d706c6573ffc408000000000000000091a2693191a2753191a47669657798c408e73af9d"
    "5b50561edc40831befef1ed1ec70cc408676404f21ec8d72dc40100c408000000000000f87fc40800000040fc54"
    "d941c40101c40200009ac41000000000000000000000000000000000c400c400c400c400c410000000000000000"
    "00000000000000000c400c400c41000000000000000000000000000000000c4009095a7636f6e74726f6ca46974"
    "656d82a76974656d5f6964a26931a57469746c65a34f6e65020099a86578616d706c657302c4080300000000000"
    "00091a2693291a2753192a476696577a6726174696e6798c40845460c1d9887c82dc408ba2c20646049998ac408"
    "676404f21ec8d72dc40101c4080000000000001240c4080000c040fc54d941c40101c40200009ac410000000000"
    "00000000100000000000000c408e73af9d5b50561edc40800000040fc54d941c40100c408000000000000f87fc4"
    "1000000000000000000100000000000000c408e73af9d5b50561edc4020100c4100000000000000000020000000"
    "0000000c41049569c34935a5e8542546e11a739ae8290"
)
GOLDEN_3 = bytes.fromhex(
    "9303039399a86578616d706c6573ffc408000000000000000091a2693191a2753191a47669657798c408e73af9d5"
    "b50561edc40831befef1ed1ec70cc408676404f21ec8d72dc40100c408000000000000f87fc40800000040fc54d9"
    "41c40101c40200009ac41000000000000000000000000000000000c400c400c400c400c410000000000000000000"
    "00000000000000c400c400c41000000000000000000000000000000000c4009095a7636f6e74726f6ca46974656d"
    "82a76974656d5f6964a26931a57469746c65a34f6e65020099a86578616d706c657302c410030000000000000005"
    "0000000000000092a26932a2693492a27531a2753193a476696577a6726174696e67a5636c69636b98c41045460c"
    "1d9887c82d4e85511fc0db7313c410ba2c20646049998a2d415253bd1cf876c410676404f21ec8d72d676404f21e"
    "c8d72dc4020102c4100000000000001240000000000000f87fc4100000c040fc54d94100004041fc54d941c40201"
    "05c404000000009ac418000000000000000001000000000000000300000000000000c418e73af9d5b50561ed4546"
    "0c1d9887c82de73af9d5b50561edc41800000040fc54d9410000c040fc54d94100000040fc54d941c403000100c4"
    "18000000000000f87f0000000000001240000000000000f87fc41800000000000000000100000000000000030000"
    "0000000000c418e73af9d5b50561ede73af9d5b50561ed45460c1d9887c82dc406010001000200c4180000000000"
    "00000002000000000000000400000000000000c42049569c34935a5e8542546e11a739ae8249569c34935a5e8542"
    "546e11a739ae8294c418000000000000000000000000000000000200000000000000c4109a46562753ecb5864e85"
    "511fc0db7313c4020001c402ff01"
)
STORY: list[dict[str, object]] = [
    {"type": "view", "user_id": "u1", "item_id": "i1", "event_id": "e1"},
    {"type": "user", "user_id": "u1", "attributes": {"age": 37, "sex": "F"}},
    {"type": "item", "item_id": "i1", "title": "One"},
    {"type": "rating", "user_id": "u1", "item_id": "i2", "event_id": "e2", "value": 4.5},
    {
        "type": "impression",
        "user_id": "u1",
        "recommendation_id": "r",
        "served_by": "session",
        "items": [{"item_id": "i3", "place": 0}, {"item_id": "i4", "place": 1}],
    },
    {"type": "click", "user_id": "u1", "item_id": "i4", "event_id": "e3", "recommendation_id": "r"},
]


def records(count: int) -> list[LogRecord]:
    bodies: list[dict[str, object]] = [
        {"type": "view", "user_id": f"u{n % 3}", "item_id": f"i{n % 7}", "event_id": f"e{n}"}
        for n in range(count)
    ]
    bodies[4] = {"type": "item", "item_id": "i1", "title": "Té", "price": 3.5}
    return [LogRecord(n, 1e9 + n, False, msgspec.json.encode(b)) for n, b in enumerate(bodies)]


def test_what_comes_back_is_what_went_in() -> None:
    pieces = Profiles(Manifest(scoring="all")).step(records(20)).pieces
    partition, back = decode(encode(3, pieces))
    assert partition == 3
    assert [type(piece) for piece in back] == [ExampleBatch, Control, ExampleBatch]
    for before, after in zip(pieces, back, strict=True):
        if isinstance(before, Control):
            assert before == after
            continue
        assert isinstance(before, ExampleBatch) and isinstance(after, ExampleBatch)
        assert (before.item_ids, before.user_ids, before.types) == (
            after.item_ids, after.user_ids, after.types,
        )  # fmt: skip
        np.testing.assert_array_equal(before.positions, after.positions)
        np.testing.assert_array_equal(before.previous, after.previous)
        for name in Examples._fields[:-1]:
            column = getattr(after.examples, name)
            np.testing.assert_array_equal(getattr(before.examples, name), column)
            assert column.flags.writeable
        for column, other in zip(before.examples.past, after.examples.past, strict=True):
            np.testing.assert_array_equal(column, other)


def test_a_restarted_stage_emits_the_same_bytes_again() -> None:
    log = records(12)
    whole = Profiles(Manifest(scoring="all"))
    emitted = [encode(0, whole.step([record]).pieces) for record in log]
    first = Profiles(Manifest(scoring="all"))
    first.step(log[:7])
    again = Profiles(Manifest(scoring="all"))
    again.load(*first.dump())
    assert [encode(0, again.step([record]).pieces) for record in log[7:]] == emitted[7:]


def test_a_story_is_written_byte_for_byte() -> None:
    log = [LogRecord(n, 1.7e9 + n, False, msgspec.json.encode(b)) for n, b in enumerate(STORY)]
    assert encode(3, Profiles(Manifest(scoring="all")).step(log).pieces) == GOLDEN_3


def test_bytes_without_attributes_are_read_as_of_users_nobody_described() -> None:
    (_, old), (_, new) = decode(GOLDEN_1), decode(GOLDEN_2)
    assert [type(piece) for piece in old] == [type(piece) for piece in new]
    for before, after in zip(old, new, strict=True):
        if isinstance(before, ExampleBatch) and isinstance(after, ExampleBatch):
            past = before.examples.past
            assert past.attribute_start.tolist() == [0, 0] and len(past.attribute_key) == 0
            for one, other in zip(past[:8], after.examples.past[:8], strict=True):
                np.testing.assert_array_equal(one, other)
    last = new[-1]
    assert isinstance(last, ExampleBatch)
    assert last.examples.past.attribute_start.tolist() == [0, 2]
    keys = attribute_keys({"age": 37, "sex": "f"}, Manifest().seed.to_bytes(8, "little"))
    assert last.examples.past.attribute_key.tolist() == keys


def test_lists_without_their_rungs_are_read_as_from_nobody_knows_where() -> None:
    _, new = decode(GOLDEN_3)
    older = msgspec.msgpack.decode(GOLDEN_3)
    older[0] = 2
    older[2][-1][-1].pop()
    _, old = decode(msgspec.msgpack.encode(older))
    after, before = new[-1], old[-1]
    assert isinstance(after, ExampleBatch) and isinstance(before, ExampleBatch)
    assert after.lists.rung.tolist() == [-1, 1] and before.lists.rung.tolist() == [-1, -1]
    for name in ("start", "key", "place"):
        np.testing.assert_array_equal(getattr(before.lists, name), getattr(after.lists, name))
    assert before.lists.place.tolist() == [0, 1]


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"\x93\x04\x00\x90", b"\x93\x00\x00\x90", b"\xc1", b"\x00" * 50]
)
def test_bytes_of_another_making_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidEvent):
        decode(data)
