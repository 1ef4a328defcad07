"""Lists that were shown: joined with what is taken in either order, closed by event time."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from stream import open_lists
from stream.errors import InvalidEvent
from stream.events import parse_feedback
from stream.example_bytes import decode, encode
from stream.examples import ClosedLists, ExampleBatch, Piece
from stream.impressions import Impression, Shown, impression_record, parse_impression
from stream.open_list_kernels import EVERY, OPEN, WINDOW_S
from stream.profiles import Profiles
from stream.records import LogRecord

NewProfiles = Callable[..., Profiles]


def shown(tape: Any, user: str, name: str, *items: str, **more: Any) -> LogRecord:
    listed = [Shown(item_id=item, place=at, score=-float(at)) for at, item in enumerate(items)]
    impression = Impression(user_id=user, recommendation_id=name, items=listed, **more)
    record: LogRecord = tape.raw(impression_record(impression))
    return record


def flush(tape: Any) -> None:
    """Let the window pass, and lists arrive that close what is old."""
    tape.now += WINDOW_S + 1
    for n in range(EVERY):
        shown(tape, f"later{n}", "x", "z")


def pieces(profiles: Profiles, tape: Any, size: int = 1_000) -> list[Piece]:
    return [piece for batch in tape.batches(size) for piece in profiles.step(batch).pieces]


def closed(found: list[Piece]) -> list[dict[str, Any]]:
    """What each closed list showed: places, rung, and names of the types it was taken by."""
    lists = []
    for piece in found:
        if isinstance(piece, ClosedLists):
            o = piece.outcomes
            for at in range(len(o.served)):
                part = slice(o.start[at], o.start[at + 1])
                masks = [
                    [t for n, t in enumerate(piece.types) if m >> n & 1] for m in o.taken[part]
                ]
                lists.append({"places": o.place[part].tolist(), "served": int(o.served[at]),
                              "taken": masks})  # fmt: skip
    return lists


def beside(found: list[Piece], profiles: Profiles, names: str) -> list[list[str]]:
    """For each example, the items it was chosen from."""
    keys = {profiles.key_of(name): name for name in names}
    rows = []
    for piece in found:
        if isinstance(piece, ExampleBatch):
            start, key = piece.lists.start, piece.lists.key
            rows += [
                [keys[int(k)] for k in key[start[at] : start[at + 1]]]
                for at in range(len(piece.item_ids))
            ]
    return rows


def rungs(found: list[Piece]) -> list[int]:
    """For each example, the number of the rung that served the list it names; -1: none known."""
    return [
        int(rung) for piece in found if isinstance(piece, ExampleBatch) for rung in piece.lists.rung
    ]


def take(tape: Any, user: str, item: str, name: str, kind: str = "click") -> LogRecord:
    record: LogRecord = tape.event(user, item, kind, recommendation_id=name)
    return record


@pytest.mark.parametrize("first", ["list", "click"])
def test_a_list_and_its_click_meet_in_either_order(
    tape: Any, new_profiles: NewProfiles, first: str
) -> None:
    if first == "click":
        take(tape, "u", "b", "r")
    shown(tape, "u", "r", "a", "b", "c", served_by="personal")
    if first == "list":
        take(tape, "u", "b", "r")
    flush(tape)
    found = closed(pieces(new_profiles(), tape))
    assert found == [{"places": [0, 1, 2], "served": 0, "taken": [[], ["click"], []]}]


def test_a_click_carries_what_there_was_to_choose_from(
    tape: Any, new_profiles: NewProfiles
) -> None:
    profiles = new_profiles()
    shown(tape, "u", "r", "a", "b", "c")
    take(tape, "u", "b", "r")
    take(tape, "u", "b", "r", "purchase")
    take(tape, "u", "c", "r")
    take(tape, "u", "z", "r")
    take(tape, "v", "a", "r")
    take(tape, "u", "a", "no such list")
    found = beside(pieces(profiles, tape), profiles, "abcz")
    assert found == [["a", "b", "c"], [], ["a", "c"], [], [], []]


def test_an_event_tells_the_rung_of_the_list_it_names(tape: Any, new_profiles: NewProfiles) -> None:
    take(tape, "u", "a", "r")  # before its list
    shown(tape, "u", "r", "a", "b", served_by="trending")
    shown(tape, "u", "s", "a", "b", served_by="somewhere else")
    take(tape, "u", "b", "r")
    take(tape, "u", "b", "r", "purchase")
    take(tape, "u", "a", "s")
    take(tape, "v", "a", "r")  # not their list
    take(tape, "u", "a", "no such list")
    tape.event("u", "c", "view")
    assert rungs(pieces(new_profiles(), tape)) == [-1, 2, 2, 4, -1, -1, -1]


def test_all_types_an_item_was_taken_by_are_told(tape: Any, new_profiles: NewProfiles) -> None:
    shown(tape, "u", "r", "a", "b", served_by="trending")
    take(tape, "u", "a", "r")
    take(tape, "u", "a", "r", "purchase")
    flush(tape)
    [found] = closed(pieces(new_profiles(), tape))
    assert (found["served"], found["taken"]) == (2, [["click", "purchase"], []])


def test_no_list_is_closed_before_its_time(tape: Any, new_profiles: NewProfiles) -> None:
    profiles = new_profiles()
    for n in range(3 * EVERY):
        shown(tape, f"u{n}", "r", "a")
    tape.now += WINDOW_S - 1
    for n in range(EVERY):
        shown(tape, f"v{n}", "r", "a")
    assert closed(pieces(profiles, tape)) == []
    tape.records.clear()
    tape.now += 2
    for n in range(EVERY):
        shown(tape, f"w{n}", "r", "a")
    assert len(closed(pieces(profiles, tape))) == 3 * EVERY


def test_events_move_the_clock_that_closes(tape: Any, new_profiles: NewProfiles) -> None:
    shown(tape, "u", "r", "a")
    for n in range(EVERY - 2):
        shown(tape, f"v{n}", "r", "a")
    event_time = tape.now + WINDOW_S + 5
    tape.raw(
        msgspec.json.encode(
            {"type": "view", "user_id": "w", "item_id": "a", "timestamp": event_time}
        ),
        imported=True,
    )
    assert closed(pieces(new_profiles(future_s=1e6), tape)) == []
    shown(tape, "w", "r", "a")
    assert len(closed(pieces(new_profiles(future_s=1e6), tape))) == EVERY


def test_the_oldest_are_pushed_out_and_memory_is_bounded(
    tape: Any, new_profiles: NewProfiles
) -> None:
    profiles = new_profiles()
    for n in range(OPEN + 3 * EVERY):
        shown(tape, "u", f"r{n}", "a")
    assert len(closed(pieces(profiles, tape))) == 4 * EVERY
    assert profiles.arena.count("open") == OPEN


def test_clicks_on_lists_that_never_come_push_out_none(
    tape: Any, new_profiles: NewProfiles
) -> None:
    profiles = new_profiles(user_events_per_minute=10**6)
    shown(tape, "u", "r", "a", "b")
    for n in range(OPEN + 10):
        tape.raw(
            msgspec.json.encode(
                {"type": "view", "user_id": f"w{n}", "item_id": "a", "recommendation_id": "none"}
            )
        )
    take(tape, "u", "a", "r")
    flush(tape)
    assert {"places": [0, 1], "served": 4, "taken": [["click"], []]} in closed(
        pieces(profiles, tape)
    )


def mixed(tape: Any) -> None:
    random = np.random.default_rng(5)
    for n in range(300):
        tape.now += float(random.integers(0, 400))
        user, name = f"u{random.integers(5)}", f"r{random.integers(8)}"
        if random.random() < 0.5:
            shown(tape, user, name, *"abcdef"[: random.integers(1, 6)])
        elif random.random() < 0.9:
            take(tape, user, "abcdef"[random.integers(6)], name)
        else:
            tape.item(f"i{n}")


def test_how_the_log_is_cut_does_not_show(tape: Any, new_profiles: NewProfiles) -> None:
    mixed(tape)
    seen = []
    for size in (1_000, 1, 7):
        profiles = new_profiles()
        found = pieces(profiles, tape, size)
        joined = beside(found, profiles, "abcdef")
        places = [
            position
            for piece in found
            for position in (
                piece.positions.tolist() if isinstance(piece, ExampleBatch) else [piece.position]
            )
        ]
        assert places == sorted(set(places))
        seen.append((closed(found), joined, places, rungs(found), profiles.digest()))
    assert len(seen[0][0]) > 20 and any(seen[0][1]) and max(seen[0][3]) >= 0
    assert seen[0] == seen[1] == seen[2]


def test_lists_alone_are_closed_in_the_same_places_however_the_log_is_cut(
    tape: Any, new_profiles: NewProfiles
) -> None:
    for n in range(12 * EVERY):
        tape.now += WINDOW_S / 50
        shown(tape, f"u{n % 7}", f"r{n}", *"abcdef"[: n % 6 + 1])
    seen = []
    for size in (1_000, 1, 37):
        profiles = new_profiles()
        found = pieces(profiles, tape, size)
        chain = [
            (piece.previous, piece.position) for piece in found if isinstance(piece, ClosedLists)
        ]
        seen.append((closed(found), chain, profiles.digest()))
    assert len(seen[0][0]) > 8 * EVERY
    assert [previous for previous, _ in seen[0][1]] == [-1, *[at for _, at in seen[0][1]][:-1]]
    assert seen[0] == seen[1] == seen[2]


def test_how_many_keys_are_at_hand_does_not_show(
    tape: Any, new_profiles: NewProfiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed(tape)
    many, few = new_profiles(), new_profiles()
    told = closed(pieces(many, tape))
    monkeypatch.setattr(open_lists, "_KEYS", 2)
    assert closed(pieces(few, tape)) == told
    assert few.digest() == many.digest()


def test_open_lists_survive_a_snapshot(tape: Any, new_profiles: NewProfiles) -> None:
    mixed(tape)
    whole, first, second = new_profiles(), new_profiles(), new_profiles()
    expected = closed([p for r in tape.batches(150) for p in whole.step(r).pieces])
    begun = first.step(tape.records[:150]).pieces
    second.load(*first.dump())
    assert closed([*begun, *second.step(tape.records[150:]).pieces]) == expected
    assert second.digest() == whole.digest()


def test_lists_are_the_same_after_their_bytes(tape: Any, new_profiles: NewProfiles) -> None:
    mixed(tape)
    profiles = new_profiles()
    found = pieces(profiles, tape)
    _, read = decode(encode(0, found))
    assert closed(read) == closed(found)
    assert beside(read, profiles, "abcdef") == beside(found, profiles, "abcdef")
    assert rungs(read) == rungs(found)
    assert encode(0, read) == encode(0, found)


def test_a_late_list_is_a_dead_letter_and_one_without_consent_is_nothing(
    tape: Any, new_profiles: NewProfiles
) -> None:
    profiles = new_profiles()
    shown(tape, "u", "r", "a", timestamp=tape.now - 90 * 86_400)
    shown(tape, "u", "r2", "a", consent=False)
    emitted = profiles.step(tape.records)
    assert [letter.reason for letter in emitted.dead] == ["late"]
    assert profiles.counts()["other"] == 1
    assert profiles.arena.count("open") == 0


def test_clients_cannot_send_one() -> None:
    with pytest.raises(InvalidEvent, match="not feedback"):
        parse_feedback(b'{"type":"impression","user_id":"u","item_id":"i"}')


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"user_id": ""}, "user_id"),
        ({"recommendation_id": "\n"}, "recommendation_id"),
        ({"items": []}, "items"),
        ({"items": [{"item_id": 3, "place": 0}]}, "items.0.item_id"),
        ({"items": [{"item_id": "a", "place": -1}]}, "items.0.place"),
        ({"items": [{"item_id": "a", "place": 0, "propensity": 0}]}, "items.0.propensity"),
        ({"items": [{"item_id": "a", "place": 0}, {"item_id": "a", "place": 1}]}, "items"),
        ({"items": [{"item_id": "a", "place": 0}, {"item_id": "b", "place": 0}]}, "items"),
        ({"served_by": "x" * 200}, "served_by"),
        ({"model_id": "\t"}, "model_id"),
        ({"items": [{"item_id": f"i{n}", "place": n} for n in range(101)]}, "items"),
        ({"items": [{"item_id": "x" * 129, "place": 0}]}, "items.0.item_id"),
        ({"items": [{"item_id": "a\n", "place": 0}]}, "items.0.item_id"),
        ({"items": [{"item_id": "a", "place": 10_000}]}, "items.0.place"),
        ({"items": [{"item_id": "a", "place": 10**30}]}, "items.0.place"),
        ({"items": [{"item_id": "a", "place": 0, "score": -1.1e9}]}, "items.0.score"),
        ({"items": [{"item_id": "a", "place": 0, "propensity": 1.1}], "user_id": "\n"}, "user_id"),
    ],
)
def test_a_bad_list_names_what_is_wrong(change: dict[str, Any], field: str) -> None:
    body = {"type": "impression", "user_id": "u", "recommendation_id": "r",
            "items": [{"item_id": "a", "place": 0}], **change}  # fmt: skip
    with pytest.raises(InvalidEvent) as refused:
        parse_impression(msgspec.json.encode(body))
    assert refused.value.field == field


def test_a_list_is_the_same_whoever_writes_it_down(tape: Any, new_profiles: NewProfiles) -> None:
    shown(tape, "u", "r", "a", "b", served_by="session")
    ours, theirs = new_profiles(), new_profiles()
    told = json.loads(tape.records[0].body)
    written = json.dumps(dict(reversed(told.items())), indent=2).encode()
    record = LogRecord(tape.records[0].offset, tape.records[0].received_at, False, written)
    assert not ours.step(tape.records).dead and not theirs.step([record]).dead
    assert ours.arena.count("open") == 1
    assert ours.digest() == theirs.digest()


def test_of_two_types_the_last_one_counts(tape: Any, new_profiles: NewProfiles) -> None:
    profiles = new_profiles()
    first = shown(tape, "u", "r", "a")
    tape.raw(first.body[:-1] + b',"type":"view","item_id":"a"}')
    [piece] = profiles.step(tape.records).pieces
    assert isinstance(piece, ExampleBatch) and piece.item_ids == ["a"]
