"""Ingest over a fake sink: order, batches, rate, counts, interruption."""

from pathlib import Path
from typing import Any

import pytest

from producers.errors import IngestInterrupted, IngestRefused, ReadError, SinkUnavailable
from producers.ingest import IngestReport, ingest
from producers.readers import Dataset, read

Batch = list[dict[str, Any]]


class Memory:
    """A sink that keeps what it takes and knows what it has seen."""

    def __init__(self, fail_at: int | None = None, error: Exception | None = None) -> None:
        self.calls: list[tuple[str, int]] = []
        self.seen: dict[str, dict[str, Any]] = {}
        self.fail_at, self.error = fail_at, error

    def put_items(self, items: Batch) -> None:
        self.calls.append(("items", len(items)))

    def put_users(self, users: Batch) -> None:
        self.calls.append(("users", len(users)))

    def send(self, events: Batch) -> tuple[int, int]:
        if self.error and len(self.calls) == self.fail_at:
            raise self.error
        self.calls.append(("events", len(events)))
        new = [event for event in events if event["event_id"] not in self.seen]
        self.seen.update({event["event_id"]: event for event in new})
        return len(new), len(events) - len(new)


class Clock:
    """Time that passes only in sleep."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


def dataset(events: int, items: int = 0, users: int = 0) -> Dataset:
    return Dataset(
        "d",
        ({"event_id": f"d:{n}"} for n in range(events)),
        ({"item_id": str(n)} for n in range(items)),
        ({"user_id": str(n)} for n in range(users)),
    )


def test_items_and_users_come_first_in_batches_of_a_thousand() -> None:
    sink, told = Memory(), []
    report = ingest(
        dataset(2500, 1200, 3), sink, None, lambda what, count: told.append((what, count))
    )
    assert sink.calls == [
        ("items", 1000),
        ("items", 200),
        ("users", 3),
        ("events", 1000),
        ("events", 1000),
        ("events", 500),
    ]
    assert report == IngestReport("d", 1200, 3, 2500, 2500, 0)
    assert told[-1] == ("events", 2500)
    assert told[0] == ("items", 1000)


def test_a_second_ingest_counts_only_duplicates() -> None:
    sink = Memory()
    ingest(dataset(1500), sink)
    again = ingest(dataset(1500), sink)
    assert (again.accepted, again.duplicates) == (0, 1500)


def test_an_empty_dataset_sends_nothing() -> None:
    sink = Memory()
    assert ingest(Dataset("none"), sink) == IngestReport("none")
    assert sink.calls == []


@pytest.mark.parametrize(("rate", "seconds"), [(10.0, 9.0), (0.5, 198.0), (5000.0, 0.0)])
def test_the_rate_is_kept(rate: float, seconds: float) -> None:
    sink, clock = Memory(), Clock()
    ingest(dataset(100), sink, rate, clock=clock, sleep=clock.sleep)
    assert clock.now == pytest.approx(seconds)
    assert len(sink.seen) == 100


def test_an_absent_sink_leaves_a_count_of_what_was_sent() -> None:
    sink = Memory(fail_at=4, error=SinkUnavailable("gone"))
    with pytest.raises(IngestInterrupted) as caught:
        ingest(dataset(5000, 10, 10), sink)
    assert (caught.value.items, caught.value.users, caught.value.events) == (10, 10, 2000)
    assert "gone" in str(caught.value)
    assert "2000 events" in str(caught.value)


def test_a_refusal_is_passed_on() -> None:
    sink = Memory(fail_at=0, error=IngestRefused("no"))
    with pytest.raises(IngestRefused):
        ingest(dataset(1), sink)


def test_a_broken_line_stops_after_the_batches_before_it(tmp_path: Path) -> None:
    path = tmp_path / "s.txt"
    path.write_text("SessionId\tItemId\tTime\n" + "1\t2\t3\n" * 1200 + "broken\n")
    sink = Memory()
    with pytest.raises(ReadError, match="line 1202"):
        ingest(read(path, "sessions"), sink)
    assert sink.calls == [("events", 1000)]
