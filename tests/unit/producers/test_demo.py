"""The demos: what is past, what comes live, and how it is played."""

import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from producers.demo import FilmsDemo, ShopDemo, play
from producers.errors import IngestRefused, SinkUnavailable

NOW = 1.8e9


@pytest.fixture
def films(tmp_path: Path) -> FilmsDemo:
    """Ten ratings out of order, with ties, of which eight are the past."""
    times = [50, 10, 30, 30, 30, 20, 60, 70, 40, 70]
    rows = [f"u{n}\ti{n}\t3\t{time}\n" for n, time in enumerate(times)]
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    (tmp_path / "ml-100k.inter").write_text(header + "".join(rows))
    (tmp_path / "ml-100k.item").write_text("item_id:token\tmovie_title:token_seq\ni0\tHeat\n")
    return FilmsDemo(tmp_path)


def test_four_fifths_are_the_past_ending_now(films: FilmsDemo) -> None:
    items, users, events = films.history(NOW)
    assert items == [{"item_id": "i0", "title": "Heat"}]
    assert users == []
    assert [event["event_id"] for event in events] == [
        f"ml-100k:{line}" for line in (3, 7, 4, 5, 6, 10, 2, 8)
    ]
    times = [event["timestamp"] for event in events]
    assert times[-1] == NOW
    assert [time - times[0] for time in times] == [0, 10, 20, 20, 20, 30, 40, 50]


def test_the_rest_comes_live_without_times_and_can_be_resumed(films: FilmsDemo) -> None:
    live = list(films.live())
    assert [event["event_id"] for event in live] == ["ml-100k:9", "ml-100k:11"]
    assert all("timestamp" not in event for event in live)
    assert list(films.live(skip=1)) == live[1:]
    assert list(films.live(skip=5)) == []


def test_people_take_turns_in_the_live_part_and_keep_their_own_order(tmp_path: Path) -> None:
    users = ["a"] * 40 + ["b", "c"] * 3 + ["a"] * 4
    rows = [f"{user}\ti{n}\t3\t{n}\n" for n, user in enumerate(users)]
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    (tmp_path / "ml-100k.inter").write_text(header + "".join(rows))
    live = list(FilmsDemo(tmp_path).live())
    assert len({event["user_id"] for event in live[:3]}) == 3
    assert sorted(event["event_id"] for event in live) == sorted(
        f"ml-100k:{line}" for line in range(42, 52)
    )
    for user in "abc":
        own = [int(event["item_id"][1:]) for event in live if event["user_id"] == user]
        assert own == sorted(own)


def test_the_shop_repeats_its_past_and_goes_on_by_number(tmp_path: Path) -> None:
    demo = ShopDemo(tmp_path, products=60, shoppers=8, past_events=100)
    items, users, events = demo.history(NOW)
    assert (len(items), len(users), len(events)) == (60, 8, 100)
    assert events[-1]["timestamp"] == NOW
    assert len({event["event_id"] for event in events}) == 100
    assert {event["user_id"] for event in events} <= {user["user_id"] for user in users}
    assert ShopDemo(tmp_path, products=60, shoppers=8, past_events=100).history(NOW) == (
        items,
        users,
        events,
    )
    live = list(islice(demo.live(), 20))
    assert live == list(islice(demo.live(), 20))
    assert [event["event_id"] for event in live] == [f"shop:live:{n}" for n in range(1, 21)]
    resumed = list(islice(demo.live(skip=20), 5))
    assert resumed[0]["event_id"] == "shop:live:21"
    assert all("timestamp" not in event for event in live + resumed)


def test_shoppers_are_asked_with_their_id_and_act_on_the_answer(tmp_path: Path) -> None:
    demo = ShopDemo(tmp_path, products=60, shoppers=8)
    asked: list[str] = []

    def recommend(user_id: str, k: int) -> list[str]:
        asked.append(user_id)
        return ["5"] * k

    events = list(islice(demo.live(recommend=recommend), 200))
    assert {event["user_id"] for event in events} <= set(asked)
    assert {event["item_id"] for event in events if event["type"] == "click"} == {"5"}


class Script:
    """A demo of given events."""

    def __init__(self, count: int) -> None:
        self.count = count

    def history(self, now: float) -> tuple[list[Any], list[Any], list[Any]]:
        return [], [], []

    def live(self, skip: int = 0, recommend: Any = None) -> Iterator[dict[str, Any]]:
        for n in range(skip, self.count):
            shown = recommend("u", 10) if recommend else []
            yield {"event_id": str(n), "shown": shown}


class Sink:
    """Takes events one by one; fails as told, once for each error."""

    def __init__(self, *errors: Exception, stop_after: int | None = None) -> None:
        self.errors = list(errors)
        self.taken: list[str] = []
        self.stop = Stop()
        self.stop_after = stop_after

    def put_items(self, items: list[dict[str, Any]]) -> None:
        raise AssertionError

    put_users = put_items

    def send(self, events: list[dict[str, Any]]) -> tuple[int, int]:
        if self.errors:
            raise self.errors.pop(0)
        (event,) = events
        self.taken.append(event["event_id"])
        if len(self.taken) == self.stop_after:
            self.stop.set()
        return 1, 0


class Stop(threading.Event):
    """An event whose waits take no time but are remembered."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        return self.is_set()


def test_events_are_played_in_order_with_jitter() -> None:
    sink = Sink()
    assert play(Script(50), sink, None, 5.0, sink.stop) == 50
    assert sink.taken == [str(n) for n in range(50)]
    assert all(0.1 <= wait <= 0.3 for wait in sink.stop.waits)
    assert len(set(sink.stop.waits)) > 1


def test_playing_resumes_and_stops() -> None:
    sink = Sink(stop_after=3)
    assert play(Script(50), sink, None, 5.0, sink.stop, skip=10) == 3
    assert sink.taken == ["10", "11", "12"]
    assert play(Script(50), sink, None, 5.0, sink.stop) == 0


def test_errors_delay_and_refusals_skip_but_nothing_ends_it() -> None:
    troubles = [SinkUnavailable("later")] * 8 + [OSError("disk"), RuntimeError("odd")]
    sink = Sink(*troubles, IngestRefused("never"))
    assert play(Script(3), sink, None, 5.0, sink.stop) == 2
    assert sink.taken == ["1", "2"]
    backoff = sink.stop.waits[1:11]
    assert backoff == sorted(backoff)
    assert backoff[0] < 1
    assert backoff[-1] == 15


def test_a_stop_while_waiting_ends_at_once() -> None:
    class Down(Sink):
        def send(self, events: list[dict[str, Any]]) -> tuple[int, int]:
            self.stop.set()
            raise SinkUnavailable("down")

    sink = Down()
    assert play(Script(3), sink, None, 5.0, sink.stop) == 0


def test_a_recommender_that_fails_shows_nothing() -> None:
    def broken(user_id: str, k: int) -> list[str]:
        raise RuntimeError

    sink = Sink()
    assert play(Script(3), sink, broken, 5.0, sink.stop) == 3
