"""`UserRows`: one suite over every adapter. A row is whole and of one moment."""

import threading
from collections.abc import Callable

import msgspec
import pytest

from stream.manifest import Manifest
from stream.ports import UserRows
from stream.profiles import Profiles
from stream.records import LogRecord

#: An adapter's rows, and what makes it learn records.
Rows = tuple[UserRows, Callable[[list[LogRecord]], object]]


@pytest.fixture(params=["in-process"])
def rows(request: pytest.FixtureRequest) -> Rows:
    profiles = Profiles(Manifest(dedup_window=1 << 15))
    return {"in-process": (profiles, profiles.step)}[request.param]


def event(offset: int, user: str, item: str, kind: str = "view") -> LogRecord:
    body = {"type": kind, "user_id": user, "item_id": item}
    return LogRecord(offset, 1.7e9 + offset, True, msgspec.json.encode(body))


def test_nobody_has_no_row(rows: Rows) -> None:
    read, learn = rows
    assert read.row("u") is None
    learn([event(0, "u", "a")])
    assert read.row("u") is not None and read.row("U") is None and read.row("") is None


def test_a_row_tells_history_newest_first_counts_and_time(rows: Rows) -> None:
    read, learn = rows
    learn([event(0, "u", "a"), event(1, "u", "b", "like"), event(2, "v", "c")])
    row = read.row("u")
    assert row is not None
    assert row.counts == {"view": 1, "like": 1}
    assert row.last_time == 1.7e9 + 1
    assert row.past.history_time.tolist() == [1.7e9 + 1, 1.7e9]
    assert [row.types[number] for number in row.past.history_type] == ["like", "view"]
    assert row.past.history_start.tolist() == row.past.seen_start.tolist() == [0, 2]


def test_a_row_does_not_change_once_it_was_read(rows: Rows) -> None:
    read, learn = rows
    learn([event(0, "u", "a")])
    row = read.row("u")
    assert row is not None
    kept = [column.tobytes() for column in row.past]
    learn([event(n, "u", f"i{n}") for n in range(1, 50)])
    assert [column.tobytes() for column in row.past] == kept


def test_a_row_read_while_events_are_learned_is_of_one_moment(rows: Rows) -> None:
    read, learn = rows
    stop, torn = threading.Event(), []

    def look() -> None:
        while not stop.is_set():
            row = read.row("u")
            if row is None:
                continue
            times = row.past.history_time.tolist()
            counted = sum(row.counts.values())
            if (
                times != sorted(times, reverse=True)
                or times[0] != row.last_time
                or counted != int(times[0] - 1.7e9) + 1
                or len(times) != min(counted, 100)
                or len(row.past.seen_key) != min(counted, 1_000)
            ):
                torn.append(row)

    looking = threading.Thread(target=look)
    looking.start()
    for at in range(0, 4_000, 20):
        learn([event(n, "u", f"i{n}") for n in range(at, at + 20)])
    stop.set()
    looking.join()
    assert not torn
