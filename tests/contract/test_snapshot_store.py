"""`SnapshotStore`: one suite over every adapter."""

import errno
import os
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]
import numpy as np
import pytest

from stream.errors import SnapshotCorrupt
from stream.files.remote_snapshots import RemoteSnapshots
from stream.files.snapshots import FolderSnapshots
from stream.ports import Snapshot, SnapshotStore

Opener = Callable[..., SnapshotStore]


@dataclass(frozen=True)
class Place:
    """Where snapshots lie, and how a test lays hands on one."""

    store: Opener
    put: Callable[[str, bytes], None]
    get: Callable[[str], bytes]
    remove: Callable[[str], None]
    partials: Callable[[], list[str]]
    on_disk: bool = True


def in_folder(folder: Path, store: Opener) -> Place:
    return Place(
        store,
        lambda path, data: (Path(path).write_bytes(data), None)[1],
        lambda path: Path(path).read_bytes(),
        lambda path: Path(path).unlink(),
        lambda: [str(path) for path in folder.glob("*.partial")],
    )


def in_memory(url: str) -> Place:
    fs = fsspec.filesystem("memory")
    return Place(
        partial(RemoteSnapshots, url),
        fs.pipe_file,
        fs.cat_file,
        fs.rm_file,
        lambda: [path for path in fs.find(url) if path.endswith(".partial")],
        on_disk=False,
    )


@pytest.fixture(params=["folder", "file", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    url = f"memory://{tmp_path}"
    yield {
        "folder": lambda: in_folder(tmp_path, partial(FolderSnapshots, tmp_path)),
        "file": lambda: in_folder(tmp_path, partial(RemoteSnapshots, tmp_path.as_uri())),
        "memory": lambda: in_memory(url),
    }[request.param]()
    fs = fsspec.filesystem("memory")
    if fs.exists(url):
        fs.rm(url, recursive=True)


@pytest.fixture
def open_store(place: Place) -> Opener:
    return place.store


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


def test_a_large_one_is_written_in_parts_and_rests_between_them(open_store: Opener) -> None:
    store, rests = open_store(), list[float]()
    large = np.arange(3 << 17, dtype=np.float64)  # 3 MB
    name = store.write(snapshot(tables={"large": large}), rests.append)
    assert len(rests) > 3 and min(rests) > 0
    assert store.read(name).tables["large"].tobytes() == large.tobytes()


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


def test_any_changed_bit_is_noticed(place: Place) -> None:
    store = place.store()
    name = store.write(snapshot())
    whole = place.get(name.path)
    for at in range(0, len(whole), max(len(whole) // 60, 1)):
        broken = bytearray(whole)
        broken[at] ^= 1 << (at % 8)
        place.put(name.path, bytes(broken))
        with pytest.raises(SnapshotCorrupt):
            store.read(name)
    place.put(name.path, whole)
    assert store.read(name).position == 7


def test_any_missing_end_is_noticed(place: Place) -> None:
    store = place.store()
    name = store.write(snapshot())
    whole = place.get(name.path)
    for length in (0, 1, 18, 19, 40, len(whole) // 2, len(whole) - 1):
        place.put(name.path, whole[:length])
        with pytest.raises(SnapshotCorrupt):
            store.read(name)
    place.put(name.path, whole + b"\x00")
    with pytest.raises(SnapshotCorrupt):
        store.read(name)


def test_one_that_is_gone_is_corrupt_not_fatal(place: Place) -> None:
    store = place.store()
    name = store.write(snapshot())
    place.remove(name.path)
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


@contextmanager
def full_disk() -> Iterator[None]:
    """As short as can be: what the tests print may go to a file, too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_older_ones(place: Place) -> None:
    if not place.on_disk:
        return
    store = place.store()
    store.write(snapshot(1))
    with pytest.raises(OSError, match=os.strerror(errno.EFBIG)), full_disk():
        store.write(snapshot(2))
    assert [name.position for name in store.names("model")] == [1]
    assert store.read(store.names("model")[0]).position == 1
    assert not place.partials()


def test_what_is_not_a_snapshot_is_left_alone(place: Place) -> None:
    store = place.store()
    name = store.write(snapshot())
    folder = name.path.rpartition("/")[0]
    place.put(f"{folder}/model-v1-7.snap", b"")
    place.put(f"{folder}/notes.txt", b"")
    assert store.names("model") == [name]
    store.prune("model", 0)
    assert store.names("model") == []
    assert place.get(f"{folder}/notes.txt") == b""


@pytest.mark.parametrize("adapter", ["folder", "file"])
def test_a_place_that_cannot_be_written_is_refused_at_once(adapter: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"in the way")
    folder = tmp_path / "file" / "snapshots"
    with pytest.raises(OSError, match="file"):
        FolderSnapshots(folder) if adapter == "folder" else RemoteSnapshots(folder.as_uri())


def test_in_a_shared_folder_what_others_are_writing_stays(tmp_path: Path) -> None:
    young, old = tmp_path / "young.partial", tmp_path / "old.partial"
    young.write_bytes(b"")
    old.write_bytes(b"")
    os.utime(old, (1.0, 1.0))
    FolderSnapshots(tmp_path, shared=True)
    assert (young.exists(), old.exists()) == (True, False)
    FolderSnapshots(tmp_path)
    assert not young.exists()
