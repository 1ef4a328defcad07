"""A file is the old one or the new one, whole, whatever happens while it is written."""

import os
from pathlib import Path

import pytest

from stream.whole import whole_file


@pytest.mark.parametrize("durable", [True, False])
def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path: Path, durable: bool) -> None:
    file = tmp_path / "keys.json"
    file.write_text("old")
    with whole_file(file, durable=durable) as beside:
        beside.write_text("half")
        assert file.read_text() == "old"
        beside.write_text("new")
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


def test_an_error_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "lists.csv"
    file.write_text("old")
    with pytest.raises(ZeroDivisionError), whole_file(file) as beside:
        beside.write_text("half")
        raise ZeroDivisionError
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_what_an_earlier_process_left_behind_is_not_taken_over(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    (tmp_path / f".keys.json.{os.getpid()}").write_text("left behind, and longer")
    with whole_file(file) as beside:
        assert not beside.exists()
        beside.write_text("new")
    assert file.read_text() == "new"
