"""`SnapshotStore`: one suite over every adapter."""

import errno
import os
import resource
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream.errors import SnapshotCorrupt
from stream.files.snapshots import FolderSnapshots
from stream.ports import Snapshot, SnapshotStore

Opener = Callable[..., SnapshotStore]


@pytest.fixture(params=["folder"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    return lambda **options: {"folder": FolderSnapshots}[request.param](tmp_path, **options)


def snapshot(position: int = 7, stage: str = "model", **fields: Any) -> Snapshot:
    tables: dict[str, Any] = {
        "flat": np.arange(5, dtype=np.float64) + position,
        "square": np.arange(12, dtype=np.int32).reshape(3, 4),
        "none": np.empty((0, 9), np.uint16),
        "slice": np.arange(40, dtype=np.uint8).reshape(4, 10)[:, ::2],
        "odd": np.array([np.nan, np.inf, -0.0], np.float32),
    }
    objects = {"settings": b'{"a":1}', "empty": b"", "bytes": bytes(range(256))}
    made = Snapshot(stage, position, "log", "witness", 1, tables, objects)
    return replace(made, **fields)


def test_what_was_written_is_read(open_store: Opener) -> None:
    store = open_store()
    name = store.write(snapshot())
    assert (name.stage, name.position) == ("model", 7)
    [found] = open_store().names("model")
    assert found == name
    read, wrote = store.read(found), snapshot()
    assert (read.stage, read.position, read.identity) == ("model", 7, "log")
    assert (read.witness, read.learning_version) == ("witness", 1)
    assert list(read.tables) == list(wrote.tables)
    for table, array in wrote.tables.items():
        assert read.tables[table].dtype == array.dtype
        assert read.tables[table].shape == array.shape
        assert read.tables[table].tobytes() == array.tobytes()
    assert {name: bytes(data) for name, data in read.objects.items()} == wrote.objects


def test_the_highest_position_comes_first_and_stages_are_apart(open_store: Opener) -> None:
    store = open_store()
    for position in (5, 100, 20):
        store.write(snapshot(position))
    store.write(snapshot(1_000, "profiles"))
    assert [name.position for name in store.names("model")] == [100, 20, 5]
    assert [name.position for name in store.names("profiles")] == [1_000]
    assert store.names("mode") == store.names("nothing") == []


def test_writing_the_same_state_again_changes_nothing(open_store: Opener) -> None:
    store = open_store()
    assert store.write(snapshot()) == store.write(snapshot())
    assert len(store.names("model")) == 1


def test_another_state_at_one_position_has_another_name(open_store: Opener) -> None:
    store = open_store()
    assert store.write(snapshot()).digest != store.write(snapshot(witness="other")).digest
    assert len(store.names("model")) == 2


@pytest.mark.parametrize("keep", [1, 2, 9])
def test_pruning_keeps_the_newest(open_store: Opener, keep: int) -> None:
    store = open_store()
    for position in (1, 2, 3):
        store.write(snapshot(position))
        store.write(snapshot(position, "profiles"))
    store.prune("model", keep)
    assert [name.position for name in store.names("model")] == [3, 2, 1][:keep]
    assert len(store.names("profiles")) == 3


def test_any_changed_bit_is_noticed(open_store: Opener) -> None:
    store = open_store()
    name = store.write(snapshot())
    path = Path(name.path)
    whole = path.read_bytes()
    for at in range(0, len(whole), max(len(whole) // 60, 1)):
        broken = bytearray(whole)
        broken[at] ^= 1 << (at % 8)
        path.write_bytes(bytes(broken))
        with pytest.raises(SnapshotCorrupt):
            store.read(name)
    path.write_bytes(whole)
    assert store.read(name).position == 7


def test_any_missing_end_is_noticed(open_store: Opener) -> None:
    store = open_store()
    name = store.write(snapshot())
    path = Path(name.path)
    whole = path.read_bytes()
    for length in (0, 1, 18, 19, 40, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(SnapshotCorrupt):
            store.read(name)
    path.write_bytes(whole + b"\x00")
    with pytest.raises(SnapshotCorrupt):
        store.read(name)


def test_one_that_is_gone_is_corrupt_not_fatal(open_store: Opener) -> None:
    store = open_store()
    name = store.write(snapshot())
    Path(name.path).unlink()
    with pytest.raises(SnapshotCorrupt, match="cannot be read"):
        store.read(name)


def test_a_reader_never_sees_half_a_snapshot(open_store: Opener) -> None:
    store, stop = open_store(), threading.Event()
    reader, bad = open_store(read_only=True), []

    def look() -> None:
        while not stop.is_set():
            for name in reader.names("model"):
                try:
                    reader.read(name)
                except SnapshotCorrupt as error:
                    if "cannot be read" not in str(error):  # pruned meanwhile
                        bad.append(error)

    looking = threading.Thread(target=look)
    looking.start()
    for position in range(40):
        store.write(snapshot(position))
        store.prune("model", 2)
    stop.set()
    looking.join()
    assert not bad


@pytest.fixture
def full_disk() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_older_ones(
    open_store: Opener, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    store = open_store()
    store.write(snapshot(1))
    request.getfixturevalue("full_disk")
    with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
        store.write(snapshot(2))
    assert [name.position for name in store.names("model")] == [1]
    assert store.read(store.names("model")[0]).position == 1
    assert not list(tmp_path.glob("*.partial"))
