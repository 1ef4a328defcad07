"""`DeadLetters`: one suite over every adapter."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stream.errors import LogUnavailable
from stream.examples import DeadLetter
from stream.ports import DeadLetters
from stream.sqlite.dead_letters import SqliteDeadLetters

Opener = Callable[[], DeadLetters]


@pytest.fixture(params=["sqlite"])
def open_letters(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    opened: list[DeadLetters] = []

    def open_() -> DeadLetters:
        letters = {"sqlite": SqliteDeadLetters}[request.param](tmp_path / "dead" / "letters.sqlite")
        opened.append(letters)
        return letters

    yield open_
    for letters in opened:
        letters.close()


def letter(offset: int, partition: int = 0, body: bytes = b"\x00\xff poison") -> DeadLetter:
    return DeadLetter(partition, offset, "malformed", "is not valid JSON", body, 1.7e9 + offset)


def test_letters_come_back_whole_in_the_order_of_their_positions(open_letters: Opener) -> None:
    letters = open_letters()
    letters.put([letter(9), letter(2)])
    letters.put([letter(3, partition=1), letter(1)])
    stored = list(letters.letters())
    assert [s.letter for s in stored] == [letter(1), letter(2), letter(9), letter(3, partition=1)]
    assert all((s.attempt, s.replayed_at) == (1, None) and s.written_at > 0 for s in stored)


def test_a_position_is_kept_once(open_letters: Opener) -> None:
    letters = open_letters()
    letters.put([letter(1)])
    [first] = letters.letters()
    letters.put([letter(1, body=b"other"), letter(2)])
    letters.put([letter(1)])
    assert next(letters.letters()) == first
    assert len(list(letters.letters())) == 2


def test_putting_nothing_is_nothing(open_letters: Opener) -> None:
    letters = open_letters()
    letters.put([])
    assert list(letters.letters()) == []


def test_they_outlive_the_process(open_letters: Opener) -> None:
    first = open_letters()
    first.put([letter(1)])
    first.close()
    assert [s.letter for s in open_letters().letters()] == [letter(1)]


def test_a_replay_is_noted_and_counted(open_letters: Opener) -> None:
    letters = open_letters()
    letters.put([letter(1), letter(2)])
    letters.mark_replayed(0, 1)
    letters.mark_replayed(0, 77)
    one, two = letters.letters()
    assert one.attempt == 2 and one.replayed_at is not None
    assert (two.attempt, two.replayed_at) == (1, None)
    letters.put([letter(1)])
    assert next(letters.letters()).replayed_at is not None


def test_a_dropped_letter_stays_away(open_letters: Opener) -> None:
    letters = open_letters()
    letters.put([letter(1), letter(2)])
    letters.drop(0, 1)
    letters.drop(0, 77)
    letters.put([letter(1)])
    letters.mark_replayed(0, 1)
    assert [kept.letter for kept in letters.letters()] == [letter(2)]


def test_threads_and_a_second_reader_do_not_get_in_the_way(open_letters: Opener) -> None:
    letters, other = open_letters(), open_letters()
    threads = [
        threading.Thread(target=lambda part=part: letters.put([letter(n, part) for n in range(50)]))
        for part in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(other.letters())) == 200


def test_a_failed_put_keeps_nothing_and_the_next_one_works(open_letters: Opener) -> None:
    letters = open_letters()
    # A limit of pages stands for a full disk.
    letters._db.execute("pragma max_page_count = 1")  # type: ignore[attr-defined]
    for _ in range(2):
        with pytest.raises(LogUnavailable, match=r"dead letters: .*full"):
            letters.put([letter(n, body=b"x" * 100_000) for n in range(5)])
    assert list(letters.letters()) == []
    letters._db.execute("pragma max_page_count = 1000000")  # type: ignore[attr-defined]
    letters.put([letter(1)])
    assert len(list(letters.letters())) == 1
