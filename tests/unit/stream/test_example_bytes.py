"""Examples as bytes: what comes back is what went in, and the same log gives the same bytes."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from models.examples import Examples
from stream.errors import InvalidEvent
from stream.example_bytes import decode, encode
from stream.examples import Control, ExampleBatch
from stream.manifest import Manifest
from stream.profiles import Profiles
from stream.records import LogRecord


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
        assert isinstance(after, ExampleBatch)
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


@pytest.mark.parametrize("data", [b"", b"{}", b"\x93\x02\x00\x90", b"\xc1", b"\x00" * 50])
def test_bytes_of_another_making_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidEvent):
        decode(data)
