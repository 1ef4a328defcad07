"""Parts of a replay: sources, the list on the side, ranges of topics, patience, latency."""

from __future__ import annotations

import json
import threading
import time
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.errors import OptionError, ReadError, SinkUnavailable
from producers.replay.bestsellers import MISS, Bestsellers
from producers.replay.cursor import ReplayCursor, is_behind
from producers.replay.figures import Figures
from producers.replay.player import Options, Player, Target
from producers.replay.source import Source, from_path, from_records
from producers.replay.system import Lists, Patient, over_http
from producers.replay.topic import Bound, topic_range


def write(path: Path, *events: dict[str, Any]) -> Path:
    path.write_text("\n".join(json.dumps(event) for event in events))
    return path


def view(user: str, item: str, at: float) -> dict[str, Any]:
    return {"type": "view", "user_id": user, "item_id": item, "timestamp": at}


def test_a_folder_of_files_is_merged_by_time(tmp_path: Path) -> None:
    write(tmp_path / "b.jsonl", view("u", "1", 10), view("u", "3", 30))
    write(tmp_path / "a.jsonl", view("v", "2", 20))
    (tmp_path / "notes.txt").write_text("not data")
    source = from_path(tmp_path, None, {}, strict=True)
    for _ in range(2):
        assert [event["item_id"] for event in source.events()] == ["1", "2", "3"]
    assert not source.sorted_here
    write(tmp_path / "c.jsonl", view("w", "5", 50), view("w", "4", 40), view("w", "6", 50))
    source = from_path(tmp_path, None, {})
    assert [event["item_id"] for event in source.events()] == ["1", "2", "3", "4", "5", "6"]
    assert source.sorted_here and source.count == 6
    with pytest.raises(ReadError, match="in order of time"):
        from_path(tmp_path, "events", {}, strict=True)


def test_events_in_order_of_time_are_not_held_in_memory(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", *(view(f"u{n}", str(n), n) for n in range(4_000)))
    tracemalloc.start()
    try:
        source = from_path(file, None, {})
        assert sum(1 for _ in source.events()) == source.count == 4_000
        held, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < most < 400_000, "100 bytes an event, where one in memory takes 500"


def test_a_source_needs_a_format_and_an_event(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no file or folder of this name"):
        from_path(tmp_path / "x.inter", None, {})
    with pytest.raises(OptionError, match=r"holds no \*\.inter"):
        from_path(tmp_path, None, {})
    (tmp_path / "x.csv").touch()
    with pytest.raises(OptionError, match="--format"):
        from_path(tmp_path / "x.csv", None, {})
    with pytest.raises(ReadError, match="at least one event"):
        from_records("log", list)


def test_records_of_a_log_are_taken_for_what_they_are() -> None:
    records = [
        b'{"type":"manifest"}',
        b'{"type":"item","item_id":"a","title":"old"}',
        b'{"type":"view","user_id":"u","item_id":"a"}',
        b'{"type":"item","item_id":"a","title":"new"}',
        b'{"type":"item","item_id":"b","deleted":true}',
        b'{"type":"user","user_id":"u","attributes":{}}',
        b'{"type":"impression","user_id":"u","recommendation_id":"r","items":[]}',
        b"no record",
    ]
    log = [(f"id{n}", 5.0, body) for n, body in enumerate(records)]
    source = from_records("log", lambda: log)
    assert source.items == [{"item_id": "a", "title": "new"}]
    assert source.users == [{"user_id": "u", "attributes": {}}]
    [event] = source.events()
    assert (event["event_id"], event["timestamp"]) == ("id2", 5.0)
    assert source.left_out >= 1


@given(st.lists(st.tuples(st.sampled_from("uvw"), st.sampled_from("abcdef")), max_size=40))
def test_the_list_on_the_side_is_what_sorting_gives(pairs: list[tuple[str, str]]) -> None:
    bestsellers, counts, own = Bestsellers(), Counter[str](), set[tuple[str, str]]()
    for user, item in pairs:
        order = sorted(counts, key=lambda one: -counts[one])  # stable: ties by appearance
        left = [one for one in order if (user, one) not in own]
        assert bestsellers.place(user, item) == (left.index(item) if item in left else MISS)
        assert bestsellers.met(user, item) is ((user, item) in own)
        bestsellers.learn(user, item)
        counts[item] += 1
        own.add((user, item))


@pytest.mark.parametrize("text", ["kafka:", "kafka:a b", "kafka:t@", "kafka:t@1", "kafka:t@x:y"])
def test_a_malformed_range_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="TOPIC"):
        topic_range(text)


def test_ranges_are_offsets_or_times() -> None:
    assert topic_range("kafka:t@5:9").last == Bound(offset=9)
    found = topic_range("kafka:t@:1970-01-01T00:01:00Z")
    assert (found.first, found.last) == (Bound(), Bound(time=60.0))


class Api:
    """A running system that answers at once; `slow_s` is how long the n-th list takes."""

    def __init__(self, slow: dict[int, float] | None = None) -> None:
        self.slow, self.asked, self.sent = slow or {}, 0, []  # type: ignore[var-annotated]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            events = json.loads(request.content)["events"]
            self.sent += events
            return httpx.Response(
                202, json={"accepted": len(events), "duplicates": 0, "position": "1.0-9"}
            )
        self.asked += 1
        time.sleep(self.slow.get(self.asked, 0.0))
        items = [{"item_id": "a"}, {"item_id": "b"}]
        return httpx.Response(
            200,
            json={
                "items": items, "served_by": "personal", "degraded": False, "position": "1.0-9",
            },
        )  # fmt: skip

    def target(self) -> Target:
        transport = httpx.MockTransport(self)

        def feedback() -> Any:
            sink = over_http("http://x", imported=True, timeout_s=1)
            sink._client = httpx.Client(base_url="http://x", transport=transport)  # type: ignore[attr-defined]
            return sink

        return Target(lambda: Lists("http://x", transport=transport), feedback)


def play(api: Api, events: list[dict[str, Any]], folder: Path, options: Options) -> Figures:
    numbered = [{**event, "event_id": str(n)} for n, event in enumerate(events)]
    source = Source("s", len(numbered), "s", numbered.__iter__)
    player = Player(source, api.target(), options, ReplayCursor(folder / "c", source.identity))
    player.run()
    return player.figures


def test_what_queues_behind_a_slow_answer_is_late(tmp_path: Path) -> None:
    """One slow answer of ten: latency from the intended moment, service from the sending."""
    api = Api({1: 0.3})
    events = [view("u", str(n), n / 100) for n in range(10)]
    figures = play(api, events, tmp_path, Options(speed=1.0, connections=1))
    late, served = figures.latency.percentile_s(0.5), figures.service.percentile_s(0.5)
    assert late is not None and served is not None
    assert late > 0.1 > served
    assert figures.behind_s > 0.1
    assert [event["event_id"] for event in api.sent] == [str(n) for n in range(10)]


def test_events_between_those_asked_for_travel_together(tmp_path: Path) -> None:
    api = Api()
    events = [view(f"u{n % 3}", "ab"[n % 2], n) for n in range(40)]
    figures = play(api, events, tmp_path, Options(every=10))
    assert (figures.events, figures.asked, api.asked >= 4) == (40, 4, True)
    # Per user, in order.
    for user in ("u0", "u1", "u2"):
        ids = [int(e["event_id"]) for e in api.sent if e["user_id"] == user]
        assert ids == sorted(ids)


def test_restamped_events_have_no_time_of_their_own(tmp_path: Path) -> None:
    api = Api()
    play(api, [view("u", "a", 5)], tmp_path, Options(restamp=True))
    assert "timestamp" not in api.sent[0]


class Away:
    """A sink that is away for the first `times` calls."""

    position = None

    def __init__(self, times: int) -> None:
        self.times = times

    def send(self, events: list[dict[str, Any]]) -> tuple[int, int]:
        self.times -= 1
        if self.times >= 0:
            raise SinkUnavailable("away")
        return len(events), 0


def test_patience_ends() -> None:
    now = [0.0]

    def pause(seconds: float) -> bool:
        now[0] += seconds
        return False

    patient = Patient(Away(3), 60.0, pause, lambda: now[0])  # type: ignore[arg-type]
    assert patient.send([{}]) == (1, 0) and patient.retries == 3
    with pytest.raises(SinkUnavailable):
        Patient(Away(10_000), 5.0, pause, lambda: now[0]).send([{}])  # type: ignore[arg-type]
    stop = threading.Event()
    stop.set()
    with pytest.raises(SinkUnavailable):
        Patient(Away(1), 60.0, stop.wait).send([{}])  # type: ignore[arg-type]


def test_a_cursor_belongs_to_one_replay(tmp_path: Path) -> None:
    figures = Figures.of(20, 25)
    ReplayCursor(tmp_path / "c", "one").save(7, figures, "1.0-7")
    found = ReplayCursor(tmp_path / "c", "one").reached()
    assert found is not None and (found.events, found.position) == (7, "1.0-7")
    assert ReplayCursor(tmp_path / "c", "two").reached() is None
    assert is_behind("1.0-5", found.position) and not is_behind("nonsense", found.position)
