"""Users' attributes on their way into examples and rows."""

from itertools import pairwise
from typing import Any

from models.attributes import attribute_keys
from stream.examples import Emitted, ExampleBatch

SEED = (1).to_bytes(8, "little")


def told(emitted: Emitted) -> list[list[int]]:
    """The attribute keys of every example."""
    found = []
    for piece in emitted.pieces:
        if isinstance(piece, ExampleBatch):
            p = piece.examples.past
            starts = p.attribute_start.tolist()
            assert len(starts) == len(piece.item_ids) + 1 and starts[-1] == len(p.attribute_key)
            found += [p.attribute_key[a:b].tolist() for a, b in pairwise(starts)]
    return found


def describe(tape: Any, user: str, attributes: bytes) -> None:
    tape.raw(b'{"type":"user","user_id":"%s","attributes":%s}' % (user.encode(), attributes))


def test_what_was_told_of_a_user_is_in_the_examples_that_follow(
    tape: Any, new_profiles: Any
) -> None:
    tape.event("u", "i1")
    describe(tape, "u", b'{"age":37,"sex":"F"}')
    tape.event("u", "i2")
    tape.event("v", "i2")
    describe(tape, "u", b'{"sex":"M"}')
    tape.event("u", "i3")
    describe(tape, "u", b"{}")
    tape.event("u", "i4")
    first = attribute_keys({"age": 37, "sex": "f"}, SEED)
    second = attribute_keys({"sex": "m"}, SEED)
    whole, single = new_profiles(), new_profiles()
    assert told(whole.step(tape.records)) == [[], first, [], second, []]
    assert [k for record in tape.records for k in told(single.step([record]))] == [
        [], first, [], second, [],
    ]  # fmt: skip
    assert whole.digest() == single.digest()
    assert whole.row("u").past.attribute_key.tolist() == []


def test_a_user_may_be_described_before_the_first_event(tape: Any, new_profiles: Any) -> None:
    profiles, other = new_profiles(), new_profiles()
    for n in range(200):
        describe(tape, f"u{n}", b'{"n":"%d"}' % n)
    profiles.step(tape.records)
    row = profiles.row("u7")
    assert row.counts == {} and len(row.past.history_key) == 0 and profiles.users == 0
    assert row.past.attribute_key.tolist() == attribute_keys({"n": "7"}, SEED)
    other.load(*profiles.dump())
    assert other.digest() == profiles.digest()
    for same in (profiles, other):
        tape.event("u7", "i")
        assert told(same.step(tape.records[-1:])) == [attribute_keys({"n": "7"}, SEED)]
    assert profiles.attributes("u7") == {"n": "7"}


def test_attributes_that_say_nothing_make_nobody_known(tape: Any, new_profiles: Any) -> None:
    profiles = new_profiles()
    describe(tape, "u", b'{"n":null,"m":""}')
    profiles.step(tape.records)
    assert profiles.row("u") is None


def test_attributes_change_the_digest(tape: Any, new_profiles: Any) -> None:
    profiles = new_profiles()
    before = profiles.digest()
    describe(tape, "u", b'{"n":1}')
    profiles.step(tape.records)
    assert profiles.digest() != before
