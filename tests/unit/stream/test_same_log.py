"""A snapshot is held against the log it claims to have read."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.cluster.partition import witness_of
from stream.cluster.same_log import CheckedSnapshots, place_of, require_same_log
from stream.errors import LogMismatch
from stream.files.snapshots import FolderSnapshots
from stream.ports import Snapshot
from stream.source import TP, SourceRecord

EVENTS = TP("events", 1)


class FakeLog:
    """A partition as a dict of its records."""

    def __init__(self, values: dict[int, bytes], first: int = 0) -> None:
        self.values = values
        self.first = first

    def bounds(self, tp: TP) -> tuple[int, int]:
        assert tp == EVENTS
        return self.first, max(self.values, default=self.first - 1) + 1

    def record(self, tp: TP, offset: int) -> SourceRecord | None:
        assert self.first <= offset < self.bounds(tp)[1]
        value = self.values.get(offset)
        return None if value is None else SourceRecord(tp, offset, offset, None, value, ())


def log(*values: str, first: int = 0) -> FakeLog:
    return FakeLog({first + n: value.encode() for n, value in enumerate(values)}, first)


def seen(of: FakeLog, position: int) -> Snapshot:
    records = of.record(EVENTS, 0), of.record(EVENTS, position - 1)
    identity, witness = (witness_of(record) for record in records if record)
    return Snapshot("profiles.1", position, identity, witness, 1, {}, {})


ABC = log("a", "b", "c")


@pytest.mark.parametrize(
    "now",
    [
        ABC,
        log("a", "b"),  # nothing after it: what was read is there
        log("a", "b", "other"),
        log("b", "c", first=1),  # trimmed up to the witness
        log("c", first=2),  # trimmed up to the position
        log("a"),  # too short: the source looks again, and refuses
        log(),
    ],
)
def test_the_same_log_is_accepted_as_far_as_it_can_be_seen(now: FakeLog) -> None:
    require_same_log(now, EVENTS, seen(ABC, 2))


@pytest.mark.parametrize(
    ("now", "cause"),
    [
        (log("x", "b", "c"), "record 0 of events/1.*made anew"),
        (log("x"), "record 0 of events/1.*made anew"),
        (log("a", "x", "c"), "record 1 of events/1.*lost its end"),
        (log("x", "c", first=1), "record 1 of events/1.*lost its end"),
        (FakeLog({0: b"a", 2: b"c"}), "record 1 of events/1.*lost its end"),
    ],
)
def test_another_log_is_refused_with_the_remedy(now: FakeLog, cause: str) -> None:
    with pytest.raises(LogMismatch, match=cause) as caught:
        require_same_log(now, EVENTS, seen(ABC, 2))
    assert "worker.snapshots" in str(caught.value)


def test_a_snapshot_of_nothing_belongs_to_any_log() -> None:
    require_same_log(log(), EVENTS, Snapshot("profiles.1", 0, "", "", 1, {}, {}))


def test_a_store_gives_only_what_belongs_to_the_log(tmp_path: Path) -> None:
    place = place_of("events", "control", "examples", 4)
    assert (place("model"), place("profiles.4")) == (TP("examples", 0), TP("control", 0))
    store = FolderSnapshots(tmp_path)
    good = store.write(seen(ABC, 2))
    other = store.write(seen(log("x", "b", "c"), 3))
    checked = CheckedSnapshots(store, ABC, place)
    assert checked.names("profiles.1") == [other, good]
    assert checked.read(good).position == 2
    with pytest.raises(LogMismatch):
        checked.read(other)
