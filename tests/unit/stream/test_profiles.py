"""Profiles: what an event leaves behind, and what its example holds."""

import itertools
from typing import Any

import numpy as np
import pytest

from models.examples import CAPPED, HISTORY, SCORED
from models.settings import EventType, LearningSettings
from stream.errors import InvalidEvent
from stream.examples import Control, Emitted, ExampleBatch
from stream.profiles import COUNTS
from stream.records import LogRecord


def examples(emitted: Emitted) -> ExampleBatch:
    [batch] = [piece for piece in emitted.pieces if isinstance(piece, ExampleBatch)]
    return batch


def history(profiles: Any, user: str, names: list[str]) -> list[str]:
    keys = {profiles.key_of(name): name for name in names}
    return [keys[key] for key in profiles.row(user).past.history_key.tolist()]


def past(batch: ExampleBatch, at: int) -> list[int]:
    p = batch.examples.past
    return p.history_key[p.history_start[at] : p.history_start[at + 1]].tolist()


def test_history_is_newest_first_and_a_repeat_moves_to_the_front(
    tape: Any, new_profiles: Any
) -> None:
    profiles = new_profiles()
    for item in "abcad":
        tape.now += 1
        tape.event("u", item)
    profiles.step(tape.records)
    assert history(profiles, "u", list("abcd")) == ["d", "a", "c", "b"]
    assert profiles.row("u").counts == {"view": 5}
    assert profiles.row("somebody else") is None


def test_history_holds_a_hundred_distinct_items(tape: Any, new_profiles: Any) -> None:
    profiles, names = new_profiles(), [f"i{n}" for n in range(150)]
    for name in names:
        tape.now += 1
        tape.event("u", name, imported=True)
    batch = examples(profiles.step(tape.records))
    assert history(profiles, "u", names) == names[:49:-1]
    assert len(past(batch, 149)) == HISTORY
    assert past(batch, 149)[0] == profiles.key_of("i148")


def test_seen_holds_a_thousand_items_and_the_oldest_leave(tape: Any, new_profiles: Any) -> None:
    profiles = new_profiles(scoring="all")
    for n in range(1_003):
        tape.event("u", f"i{n}", imported=True)
    tape.event("u", "i5", "like", imported=True)
    profiles.step(tape.records)
    row = profiles.row("u").past
    seen = dict(zip(row.seen_key.tolist(), row.seen_mask.tolist(), strict=True))
    assert len(seen) == 1_000
    assert profiles.key_of("i2") not in seen
    assert seen[profiles.key_of("i3")] == 1 << 0
    assert seen[profiles.key_of("i5")] == (1 << 0) | (1 << 1)


def test_an_example_tells_what_the_user_gave_the_item_before(tape: Any, new_profiles: Any) -> None:
    profiles = new_profiles(scoring="all")
    for kind in ("view", "like", "like", "purchase"):
        tape.event("u", "i", kind)
    batch = examples(profiles.step(tape.records))
    assert batch.examples.prior.tolist() == [0, 0b1, 0b11, 0b11]
    p = batch.examples.past
    assert np.diff(p.seen_start).tolist() == [0, 1, 1, 1]
    assert batch.types == ["view", "like", "purchase"]


def test_a_late_event_s_example_holds_only_earlier_history(tape: Any, new_profiles: Any) -> None:
    profiles = new_profiles()
    tape.event("u", "a", ago=100.0)
    tape.event("u", "b", ago=50.0)
    tape.event("u", "c", ago=10.0)
    tape.event("u", "late", ago=60.0)
    tape.event("u", "same", ago=50.0)
    batch = examples(profiles.step(tape.records))
    key = profiles.key_of
    assert past(batch, 3) == [key("a")]
    assert past(batch, 4) == [key("b"), key("late"), key("a")]
    assert history(profiles, "u", ["a", "b", "c", "late", "same"]) == [
        "c",
        "same",
        "b",
        "late",
        "a",
    ]


def test_a_late_repeat_does_not_move_its_item_back(tape: Any, new_profiles: Any) -> None:
    profiles = new_profiles()
    for item, ago in (("a", 10.0), ("b", 5.0), ("a", 30.0)):
        tape.event("u", item, ago=ago)
    profiles.step(tape.records)
    assert history(profiles, "u", ["a", "b"]) == ["b", "a"]
    assert profiles.row("u").past.history_time.tolist()[1] == tape.now - 10.0


def test_lateness_and_future_hold_for_events_and_not_for_imports(
    tape: Any, new_profiles: Any
) -> None:
    profiles = new_profiles(lateness_s=100.0, future_s=10.0)
    for ago in (100.0, 101.0, -10.0, -11.0):
        tape.event("u", f"i{ago}", ago=ago)
        tape.event("u", f"import{ago}", ago=ago, imported=True)
    emitted = profiles.step(tape.records)
    assert [(d.offset, d.reason, d.error) for d in emitted.dead] == [
        (2, "late", "timestamp: is too late"), (6, "future", "timestamp: is too future"),
    ]  # fmt: skip
    assert profiles.counts() == dict(zip(COUNTS, (6, 0, 0, 2, 0), strict=True))
    assert examples(emitted).examples.time.max() == tape.now + 10.0


def test_the_minute_s_cap_bounds_what_reaches_the_crowd(tape: Any, new_profiles: Any) -> None:
    profiles = new_profiles(user_events_per_minute=3)
    for n in range(5):
        tape.event("u", f"i{n}")
    tape.now += 60
    tape.event("u", "later")
    flags = examples(profiles.step(tape.records)).examples.flags
    assert (flags & CAPPED).astype(bool).tolist() == [False, False, False, True, True, False]
    assert profiles.counts()["capped"] == 2
    assert len(profiles.row("u").past.history_key) == 6


def test_the_hour_s_cap_is_of_a_user_and_an_item(tape: Any, new_profiles: Any) -> None:
    profiles = new_profiles(pair_events_per_hour=2)
    for item in ("i", "i", "i", "other"):
        tape.event("u", item)
    tape.event("v", "i")
    tape.now += 3_600
    tape.event("u", "i")
    flags = examples(profiles.step(tape.records)).examples.flags
    assert (flags & CAPPED).astype(bool).tolist() == [False, False, True, False, False, False]


def test_imports_are_never_capped_and_count_towards_no_cap(tape: Any, new_profiles: Any) -> None:
    profiles = new_profiles(user_events_per_minute=3, pair_events_per_hour=2)
    for n in range(8):
        tape.event("u", f"i{n % 2}", imported=True)
    for _ in range(3):
        tape.event("u", "i0")
    flags = examples(profiles.step(tape.records)).examples.flags
    assert (flags & CAPPED).astype(bool).tolist() == [False] * 10 + [True]


def test_repeats_of_an_event_have_one_effect(tape: Any, new_profiles: Any) -> None:
    profiles = new_profiles()
    tape.event("u", "a", event_id="1")
    tape.event("u", "b", event_id="1")
    tape.event("v", "a", event_id="1")
    tape.event("u", "a")
    tape.event("u", "a")
    emitted = profiles.step(tape.records)
    assert examples(emitted).positions.tolist() == [0, 2, 3, 4]
    assert examples(emitted).previous.tolist() == [-1, 0, 2, 3]
    assert profiles.counts()["duplicates"] == 1


def test_ids_and_users_are_joined_without_meeting(tape: Any, new_profiles: Any) -> None:
    profiles = new_profiles()
    tape.event("a", "i", event_id="b:c")
    tape.event("a:b", "i", event_id="c")
    profiles.step(tape.records)
    assert profiles.counts()["applied"] == 2


def test_a_late_event_does_not_use_up_its_id(tape: Any, new_profiles: Any) -> None:
    profiles = new_profiles(lateness_s=100.0)
    tape.event("u", "a", event_id="1", ago=200.0)
    tape.event("u", "a", event_id="1", ago=200.0, imported=True)
    profiles.step(tape.records)
    assert profiles.counts()["applied"] == 1
    assert [profiles.identity_of(record) is None for record in tape.records] == [True, False]


def test_the_dedup_window_forgets_by_whole_generations(tape: Any, new_profiles: Any) -> None:
    profiles = new_profiles(dedup_window=4)
    for n in range(9):
        tape.event("u", "i", event_id=str(n), imported=True)
    profiles.step(tape.records)
    for n, known in ((8, True), (7, True), (5, True), (4, True)):
        tape.event("u", "i", event_id=str(n), imported=True)
        before = profiles.counts()["duplicates"]
        profiles.step(tape.records[-1:])
        assert (profiles.counts()["duplicates"] > before) is known
    tape.event("u", "i", event_id="0", imported=True)
    profiles.step(tape.records[-1:])
    assert profiles.counts()["applied"] == 10


@pytest.mark.parametrize("events", range(1, 14))
def test_a_restored_window_knows_the_same_ids(tape: Any, new_profiles: Any, events: int) -> None:
    live = new_profiles(dedup_window=4)
    for n in range(events):
        tape.event("u", "i", event_id=str(n), imported=True)
    live.step(tape.records)
    restored = new_profiles(dedup_window=4)
    restored.load(*live.dump())
    first = len(tape.records)
    for n in range(events + 1):
        tape.event("u", "i", event_id=str(n), imported=True)
    for profiles in (live, restored):
        profiles.step(tape.records[first:])
    assert live.counts() == restored.counts()
    assert live.digest() == restored.digest()


@pytest.mark.parametrize("partitions", [1, 4])
def test_scoring_marks_all_of_a_quiet_log_and_about_the_rate_of_a_busy_one(
    tape: Any, new_profiles: Any, partitions: int
) -> None:
    """The rate is that of all partitions, which share it."""
    profiles = new_profiles(scoring_rate=40.0 * partitions, partitions=partitions)
    for n in range(60):
        tape.now += 0.5
        tape.event(f"u{n % 7}", f"i{n}")
    quiet = examples(profiles.step(tape.records)).examples.flags
    assert np.all(quiet & SCORED)
    marks = []
    for _ in range(4):
        tape.now = float(int(tape.now) + 1)
        first = len(tape.records)
        for n in range(2_000):
            tape.now += 0.0004
            tape.event(f"u{n % 50}", f"i{n % 300}", imported=True)
        emitted = profiles.step(tape.records[first:])
        flags = np.concatenate(
            [p.examples.flags for p in emitted.pieces if isinstance(p, ExampleBatch)]
        )
        marks.append(int((flags & SCORED).sum()))
    # The first busy second begins as a quiet one; after it the second before tells.
    assert 40 <= marks[0] <= 40 * 8
    assert all(20 <= count <= 70 for count in marks[1:])


def test_with_scoring_all_everything_is_marked(tape: Any, new_profiles: Any) -> None:
    profiles = new_profiles(scoring="all", scoring_rate=1.0)
    for n in range(500):
        tape.event("u", f"i{n}", imported=True)
    assert np.all(examples(profiles.step(tape.records)).examples.flags & SCORED)


def test_a_control_record_follows_the_events_before_it(tape: Any, new_profiles: Any) -> None:
    profiles = new_profiles()
    tape.event("u", "a")
    tape.item("a", title="A")
    tape.event("u", "b")
    tape.raw(b'{"type":"user","user_id":"u","attributes":{"age":7}}')
    tape.item("b")
    pieces = profiles.step(tape.records).pieces
    chain = [
        (p.position, p.previous) if isinstance(p, Control)
        else (int(p.positions[0]), int(p.previous[0]))
        for p in pieces
    ]  # fmt: skip
    assert chain == [(0, -1), (1, 0), (2, 1), (4, 2)]
    assert profiles.attributes("u") == {"age": 7}
    assert profiles.attributes("v") == {}
    assert profiles.counts()["other"] == 3


POISON = [
    (b"", "malformed"),
    (b"\xff\x00 not json", "malformed"),
    (b"[]", "malformed"),
    (b"{}", "type"),
    (b'{"type":7}', "type"),
    (b'{"type":"nonsense"}', "user_id"),
    (b'{"type":"view","user_id":"u"}', "item_id"),
    (b'{"type":"view","user_id":"u","item_id":"i","value":1e400}', "value"),
    (b'{"type":"view","user_id":"u","item_id":"i","timestamp":"soon"}', "timestamp"),
    (b'{"type":"forget","user_id":"u","item_id":"i"}', "type"),
    (b'{"type":"item"}', "item_id"),
    (b'{"type":"item","item_id":"i","price":-1}', "price"),
    (b'{"type":"user","attributes":{}}', "user_id"),
    (b'{"type":"setting"}', "learning"),
    (b'{"type":"setting","learning":7}', "learning"),
    (b'{"type":"setting","learning":{"nonsense":1}}', "learning"),
    (b'{"type":"setting","learning":{"ranker":{"learning_rate":7}}}', "learning.ranker"),
    (b"x" * 5_000_000, "malformed"),
    (b'{"type":"view","user_id":"u","item_id":"i","x":' + b"[" * 100_000, "malformed"),
]


@pytest.mark.parametrize(("body", "reason"), POISON)
def test_poison_becomes_a_dead_letter_and_the_next_event_is_learned(
    tape: Any, new_profiles: Any, body: bytes, reason: str
) -> None:
    profiles = new_profiles()
    tape.event("u", "a")
    tape.raw(body)
    tape.event("u", "b")
    emitted = profiles.step(tape.records)
    [letter] = emitted.dead
    assert letter.reason.startswith(reason) and letter.offset == 1
    assert letter.body == body
    assert profiles.counts() == dict(zip(COUNTS, (2, 0, 0, 1, 0), strict=True))
    assert emitted.next_offset == 3


def test_control_records_may_hold_fields_nobody_knows(tape: Any, new_profiles: Any) -> None:
    for kind in ("item", "user", "manifest"):
        body = f'{{"type":"{kind}","item_id":"i","user_id":"u","x":1e400,"y":[]}}'
        tape.raw(body.encode())
    emitted = new_profiles().step(tape.records)
    assert not emitted.dead
    assert [piece.kind for piece in emitted.pieces if isinstance(piece, Control)] == ["item"]


def test_types_never_run_out(tape: Any, new_profiles: Any) -> None:
    profiles = new_profiles()
    tape.setting(LearningSettings(events={"view": EventType(), "purchase": EventType()}))
    for n in range(30):
        tape.event("u", f"i{n}", f"kind{n}")
    tape.event("u", "bought", "purchase")
    emitted = profiles.step(tape.records)
    assert not emitted.dead
    assert profiles.types[:2] == ["view", "purchase"] and profiles.types[-1] == "other"
    assert len(profiles.types) == 16
    assert profiles.row("u").counts["purchase"] == 1
    assert profiles.row("u").counts["other"] == 17


def test_big_batches_are_taken_in_lots(tape: Any, new_profiles: Any) -> None:
    for n in range(2_500):
        tape.event(f"u{n % 3}", f"i{n}", imported=True)
    emitted = new_profiles().step(tape.records)
    assert [len(p.item_ids) for p in emitted.pieces if isinstance(p, ExampleBatch)] == [
        1_000, 1_000, 500,
    ]  # fmt: skip


def story(tape: Any, events: int = 900, seed: int = 3) -> None:
    """A log with all that can be in one, drawn by a fixed seed."""
    random = np.random.default_rng(seed)
    kinds = ("view", "like", "rating", "purchase")
    for n in range(events):
        tape.now += float(random.exponential(2.0)) + {events // 3: 3_600, events // 2: -3_600}.get(
            n, 0
        )
        user, item = f"u{random.integers(12)}", f"i{random.integers(90)}"
        kind = kinds[random.integers(4)]
        fields: dict[str, Any] = {"value": float(random.integers(1, 6))} if kind == "rating" else {}
        if n % 5 == 0:
            fields["event_id"] = str(random.integers(60))
        ago = float(random.integers(0, 400)) if n % 3 == 0 else None
        tape.event(user, item, kind, imported=n % 11 == 0, ago=ago, **fields)
        if n % 40 == 0:
            tape.item(item, title=f"title {n}", categories=[kind])
        if n % 50 == 0:
            tape.raw(b'{"type":"user","user_id":"u1","attributes":{"n":%d}}' % n)
        if n % 60 == 0:
            tape.raw(b"poison")


def stream_of(profiles: Any, tape: Any, size: int) -> list[Any]:
    """All that was emitted, piece by piece and event by event."""
    told: list[Any] = []
    for records in tape.batches(size):
        emitted = profiles.step(records)
        told.extend(("dead", d.offset, d.reason) for d in emitted.dead)
        for piece in emitted.pieces:
            if isinstance(piece, Control):
                told.append((piece.position, piece.previous, piece.kind, piece.body))
            else:
                told.extend(_each(piece))
    return sorted(told, key=lambda entry: entry[1] if entry[0] == "dead" else entry[0])


def _each(batch: ExampleBatch) -> list[Any]:
    e, p = batch.examples, batch.examples.past
    return [
        (
            int(batch.positions[at]), int(batch.previous[at]), batch.item_ids[at],
            batch.user_ids[at],
            [repr(column[at].item()) for column in e[:-1]],
            [c[p.history_start[at] : p.history_start[at + 1]].tobytes() for c in p[1:5]],
            [c[p.seen_start[at] : p.seen_start[at + 1]].tobytes() for c in p[6:8]],
            p.attribute_key[p.attribute_start[at] : p.attribute_start[at + 1]].tolist(),
        )
        for at in range(len(batch.item_ids))
    ]  # fmt: skip


def test_state_and_examples_do_not_depend_on_how_the_log_is_cut(
    tape: Any, new_profiles: Any
) -> None:
    story(tape)
    whole = None
    for size in (1, 7, 1_000):
        profiles = new_profiles(history=20, seen=30, dedup_window=64, lateness_s=350.0)
        told = stream_of(profiles, tape, size), profiles.digest()
        whole = whole or told
        assert told == whole


def test_a_dump_loads_into_the_same_state_and_goes_on_alike(tape: Any, new_profiles: Any) -> None:
    story(tape)
    half = len(tape.records) // 2
    first = new_profiles(history=20, seen=30, dedup_window=64)
    first.step(tape.records[:half])
    second = new_profiles(history=20, seen=30, dedup_window=64)
    tables, objects = first.dump()
    second.load(tables, objects)
    assert second.digest() == first.digest()
    for profiles in (first, second):
        profiles.step(tape.records[half:])
    assert second.digest() == first.digest()
    rows = [profiles.row("u1").past for profiles in (first, second)]
    assert all(one.tobytes() == other.tobytes() for one, other in zip(*rows, strict=True))
    assert second.attributes("u1") == first.attributes("u1")
    assert second.user_ids(5) == first.user_ids(5)


def test_a_dump_is_a_copy(tape: Any, new_profiles: Any) -> None:
    profiles = new_profiles()
    tape.event("u", "a")
    profiles.step(tape.records)
    tables, objects = profiles.dump()
    kept = {name: array.tobytes() for name, array in tables.items()}, dict(objects)
    tape.event("u", "b")
    profiles.step(tape.records[1:])
    assert ({name: array.tobytes() for name, array in tables.items()}, dict(objects)) == kept


def test_changing_any_one_element_changes_the_digest(tape: Any, new_profiles: Any) -> None:
    story(tape, 120)
    source = new_profiles(history=20, seen=30, dedup_window=64)
    source.step(tape.records)
    before, tested = source.digest(), set()
    for name, array in source.arena.content():
        flat = array.reshape(-1)
        if not flat.size or name.endswith((".bytes", ".lengths")):  # made of blobs when asked for
            continue
        tested.add(name)
        bytes_ = flat.view(np.uint8)
        for at in {0, flat.size // 2, flat.size - 1}:
            place = at * flat.itemsize
            bytes_[place] ^= 1
            assert source.digest() != before, f"{name}[{at}]"
            bytes_[place] ^= 1
    assert source.digest() == before
    assert {"users.counts", "histories.time", "seens.mask", "recent.keys", "second"} <= tested


def test_changing_a_name_an_attribute_or_the_manifest_changes_the_digest(
    tape: Any, new_profiles: Any
) -> None:
    tape.event("u", "a")
    tape.raw(b'{"type":"user","user_id":"u","attributes":{"a":1}}')
    digests = set()
    for change in range(4):
        profiles = new_profiles(**({"seed": 2} if change == 3 else {}))
        profiles.step(tape.records)
        if change == 1:
            profiles.arena.add_blobs("users.id")[0] = b"v"
        if change == 2:
            profiles._told.put("u", profiles.key_of("u"), {"a": 2}, profiles._rows)
        digests.add(profiles.digest())
    assert len(digests) == 4


def test_chunks_of_grown_rows_are_used_again(tape: Any, new_profiles: Any) -> None:
    profiles = new_profiles()
    for user, count in (("a", 9), ("b", 4), ("c", 4)):
        for n in range(count):
            tape.event(user, f"i{n}", imported=True)
    profiles.step(tape.records)
    # a grew 4 → 8 → 16 and gave two chunks back: b took that of 4, c a new one.
    assert profiles.arena.count("histories") == 4 + 8 + 16 + 4
    places = profiles.arena["users.history"][:3]
    taken = [set(range(start, start + (4 << size))) for start, size, _ in places.tolist()]
    assert all(not one & other for one, other in itertools.combinations(taken, 2))


def test_reading_leaves_no_trace(tape: Any, new_profiles: Any) -> None:
    story(tape, 200)
    profiles = new_profiles()
    profiles.step(tape.records)
    before = profiles.digest()
    for user in ("u1", "u2", "nobody"):
        profiles.row(user)
        profiles.attributes(user)
    profiles.user_ids(10)
    profiles.counts()
    assert profiles.digest() == before


def test_a_row_that_is_read_is_the_reader_s_own(tape: Any, new_profiles: Any) -> None:
    profiles = new_profiles()
    tape.event("u", "a")
    profiles.step(tape.records)
    row, before = profiles.row("u"), profiles.digest()
    for column in row.past:
        column[...] = 0
    assert profiles.digest() == before


def test_every_record_is_counted_once(tape: Any, new_profiles: Any) -> None:
    story(tape)
    profiles = new_profiles(lateness_s=100.0, dedup_window=64)
    profiles.step(tape.records)
    counts = profiles.counts()
    del counts["capped"]
    assert sum(counts.values()) == len(tape.records)


def test_identity_of_is_the_key_stage_one_dedups_by(tape: Any, new_profiles: Any) -> None:
    profiles = new_profiles()
    tape.event("u", "a", event_id="1")
    tape.event("u", "b", event_id="1")
    tape.event("u", "a")
    tape.item("a")
    tape.raw(b"poison")
    first, again, without, *none = [profiles.identity_of(record) for record in tape.records]
    assert first == again and without not in (first, None)
    assert none == [None, None]


def test_checks_of_ids_are_shared_with_the_http_tier() -> None:
    from stream.service import accept

    with pytest.raises(InvalidEvent):
        accept(b'{"type":"view","user_id":"","item_id":"i"}', 0.0, None, True)  # type: ignore[arg-type]


def test_without_consent_nothing_is_learned_or_kept(new_profiles: Any) -> None:
    profiles = new_profiles()
    body = b'{"type":"view","user_id":"u","item_id":"i","event_id":"e","consent":false}'
    emitted = profiles.step([LogRecord(0, 1e9, False, body)])
    assert (emitted.pieces, emitted.dead) == ([], [])
    assert profiles.row("u") is None
    assert profiles.counts()["applied"] == 0
