"""`max_users`: who leaves a partition when it is full, and that its memory then stands still."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from stream.manifest import Manifest


def visit(tape: Any, *users: str) -> None:
    for user in users:
        tape.now += 1.0
        tape.event(user, f"i{len(tape.records)}")


def known(profiles: Any, *users: str) -> list[str]:
    return [user for user in users if profiles.row(user) is not None]


def test_the_least_recently_active_leave_and_say_so(tape: Any, new_profiles: Any) -> None:
    profiles = new_profiles(max_users=4)
    visit(tape, "a", "b", "c", "d", "a", "b")
    assert profiles.step(tape.records).left == []
    visit(tape, "e")
    assert profiles.step(tape.records[-1:]).left == ["c"]
    assert known(profiles, *"abcde") == ["a", "b", "d", "e"]
    assert sorted(profiles.all_user_ids()) == ["a", "b", "d", "e"]
    visit(tape, "c")
    profiles.step(tape.records[-1:])
    assert profiles.row("c").counts == {"view": 1}  # somebody new
    assert profiles.row("a").counts == {"view": 2}
    assert profiles.row("d") is None


def test_activity_is_the_order_of_the_log_and_not_the_time_told(
    tape: Any, new_profiles: Any
) -> None:
    profiles = new_profiles(max_users=4)
    visit(tape, "a", "b", "c")
    tape.event("d", "i", ago=86_400.0)
    visit(tape, "e")
    assert profiles.step(tape.records).left == ["a"]


def test_memory_stands_still_at_ten_times_the_users(tape: Any, new_profiles: Any) -> None:
    profiles = new_profiles(max_users=200, history=20, seen=30)
    for user in range(400):
        for at in range(30):
            tape.event(f"u{user}", f"i{at}", imported=True)
    profiles.step(tape.records)
    size, bounded = profiles.arena.nbytes(), profiles.arena.capacity("users")
    assert bounded <= 256 and profiles.users <= 200
    tape.records.clear()
    for user in range(400, 2_000):
        for at in range(20):
            tape.event(f"u{user}", f"i{at}", imported=True)
        tape.raw(b'{"type":"user","user_id":"x%d","attributes":{"a":"b"}}' % user)
    profiles.step(tape.records)
    assert profiles.users <= 200 and len(profiles.all_user_ids()) == profiles.users
    # The descriptions came in only now; their table is bounded as that of the users.
    assert profiles.arena.nbytes() - size <= 256 * (8 + 8 + 1 + 8 * 8) + 10_000
    assert profiles.arena.capacity("described") <= 256


def story(tape: Any) -> None:
    for n in range(600):
        tape.now += 7.0
        tape.event(f"u{n * n % 83 % 23}", f"i{n % 17}", event_id=str(n % 500))
        if n % 5 == 0:
            name = b"u%d" % (n * n % 41)
            tape.raw(b'{"type":"user","user_id":"%s","attributes":{"n":%d}}' % (name, n))


@pytest.mark.parametrize("size", [1, 7, 100])
def test_cuts_do_not_show_and_a_dump_goes_on_alike(tape: Any, new_profiles: Any, size: int) -> None:
    story(tape)
    whole = new_profiles(max_users=9, history=5, seen=6)
    left = whole.step(tape.records).left
    assert len(left) > 50
    cut, again = new_profiles(max_users=9, history=5, seen=6), None
    gone = []
    for batch in tape.batches(size):
        emitted = cut.step(batch)
        gone += emitted.left
        if again is not None:
            assert again.step(batch).left == emitted.left
        elif batch[-1].offset > 300:
            again = new_profiles(max_users=9, history=5, seen=6)
            again.load(*cut.dump())
    assert gone == left
    assert again is not None and again.digest() == cut.digest() == whole.digest()


def test_a_described_user_stays_while_active(tape: Any, new_profiles: Any) -> None:
    profiles = new_profiles(max_users=4)
    for user in "abcd":
        tape.raw(b'{"type":"user","user_id":"%s","attributes":{"n":"1"}}' % user.encode())
    visit(tape, "a")
    tape.raw(b'{"type":"user","user_id":"e","attributes":{"n":"1"}}')
    assert profiles.step(tape.records).left == ["b"]
    assert [bool(profiles.attributes(user)) for user in "abcde"] == [True, False, True, True, True]


def test_the_bound_is_of_all_partitions_together() -> None:
    assert Manifest(max_users=10, partitions=4).most_users == 3
    assert Manifest(max_users=3, partitions=8).most_users == 2
    assert msgspec.json.decode(b"{}", type=Manifest).max_users == 1_000_000
