"""The appender's window and stage one's tell the same repeats."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from models.tables import Arena
from stream import recent
from stream.append_window import AppendWindow
from stream.records import NewRecord


class Plain:
    """Two generations of a set."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.generations: list[set[int]] = [set(), set()]

    def add(self, keys: list[int]) -> int:
        repeats = 0
        for key in keys:
            if any(key in generation for generation in self.generations):
                repeats += 1
                continue
            self.generations[-1].add(key)
            if len(self.generations[-1]) == self.window:
                self.generations = [self.generations[-1], set()]
        return repeats


keys = st.lists(st.integers(0, 40), max_size=30)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 12), st.lists(keys, max_size=12))
def test_repeats_are_those_of_two_generations(window: int, batches: list[list[int]]) -> None:
    ours, plain = AppendWindow(window), Plain(window)
    assert [ours.add(batch) for batch in batches] == [plain.add(batch) for batch in batches]


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 12), keys, keys, keys)
def test_one_taken_over_goes_on_alike(
    window: int, first: list[int], second: list[int], third: list[int]
) -> None:
    arena = Arena(recent.EXTENT)
    recent.declare(arena)
    source = AppendWindow(window)
    source.add(first)
    tables: Any = source._arena
    used = tables.count("recent")
    taken = AppendWindow(window)
    taken.start_from(tables["recent.keys"][:used].copy(), tables["recent.count"].copy())
    for batch in (second, third):
        assert taken.add(batch) == source.add(batch)


def test_the_window_grows_past_its_first_tables() -> None:
    window = AppendWindow(1 << 14)
    assert window.add(range(1 << 13)) == 0
    assert window.add(range(1 << 13)) == 1 << 13
    assert window.add(range(1 << 13, 1 << 15)) == 0
    assert window.add(range(1 << 14, 1 << 15)) == 1 << 14
    assert window.add(range(1 << 13)) == 0, "two generations on, they are forgotten"


def test_records_without_an_identity_are_no_repeats() -> None:
    window = AppendWindow(8)
    assert window.observe([NewRecord(b"a"), NewRecord(b"a"), NewRecord(b"b", identity=1)]) == []
    assert window.observe([NewRecord(b"a"), NewRecord(b"b", identity=1)]) == [1]
