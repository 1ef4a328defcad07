"""Golden bytes of every persisted format: what an earlier build wrote stays readable."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from models.index import fingerprint
from stream.errors import SnapshotCorrupt
from stream.events import parse_feedback
from stream.examples import DeadLetter
from stream.files.snapshots import FolderSnapshots
from stream.learner import witness_of
from stream.manifest import Manifest
from stream.ports import Snapshot, SnapshotName
from stream.positions import from_token, to_token
from stream.profiles import Profiles, identity
from stream.records import LogRecord, NewRecord
from stream.service import control_body
from stream.sqlite.dead_letters import SqliteDeadLetters
from stream.sqlite.log import SqliteLog

GOLDEN = Path(__file__).parent
TINY = Snapshot(
    "model", 42, "the log's identity", "the last record's digest", 1,
    {
        "used": np.array([2, 0], np.int64),
        "items.key": np.array([1, 2**64 - 1], np.uint64),
        "weights": np.array([[0.5, -1.5], [np.inf, 0.0]], np.float32),
        "empty": np.empty((0, 3), np.uint16),
    },
    {"settings": b'{"repeats":false}', "none": b""},
)  # fmt: skip


def golden_snapshot() -> Path:
    """Version 1 of the format; a later one gets a file beside it, and this stays readable."""
    [path] = GOLDEN.glob("*.snap")
    return path


def test_the_snapshot_format_is_version_1() -> None:
    assert golden_snapshot().read_bytes().startswith(b"freshet-snapshot-1\n")


def test_a_snapshot_is_written_byte_for_byte(tmp_path: Path) -> None:
    name = FolderSnapshots(tmp_path).write(TINY)
    assert Path(name.path).name == golden_snapshot().name
    assert Path(name.path).read_bytes() == golden_snapshot().read_bytes()


def test_the_golden_snapshot_is_read() -> None:
    [name] = FolderSnapshots(GOLDEN, read_only=True).names("model")
    read = FolderSnapshots(GOLDEN, read_only=True).read(name)
    assert (read.stage, read.position, read.learning_version) == ("model", 42, 1)
    assert (read.identity, read.witness) == (TINY.identity, TINY.witness)
    assert list(read.tables) == list(TINY.tables)
    for table, array in TINY.tables.items():
        assert read.tables[table].dtype == array.dtype
        np.testing.assert_array_equal(read.tables[table], array)
    assert dict(read.objects) == dict(TINY.objects)


def test_a_snapshot_of_an_unknown_format_is_refused_by_name(tmp_path: Path) -> None:
    import hashlib

    body = golden_snapshot().read_bytes()[:-32].replace(b"snapshot-1", b"snapshot-9")
    path = tmp_path / golden_snapshot().name
    path.write_bytes(body + hashlib.blake2b(body, digest_size=32).digest())
    name = SnapshotName("model", 42, "", str(path))
    with pytest.raises(SnapshotCorrupt, match="not a snapshot of this version"):
        FolderSnapshots(tmp_path).read(name)


@pytest.mark.parametrize(
    ("token", "positions"),
    [("1.0-0", {0: 0}), ("1.0-42", {0: 42}), ("1.0-42.3-7.11-900", {0: 42, 3: 7, 11: 900})],
)
def test_position_tokens_of_version_1(token: str, positions: dict[int, int]) -> None:
    assert to_token(positions) == token
    assert from_token(token) == positions


def test_identities_and_witnesses_do_not_change() -> None:
    seed = (1).to_bytes(8, "little")
    assert fingerprint("u1", seed) == 0x2DD7C81EF2046467
    assert identity("u1", "e1", seed) == 0xCC71EEDF1FEBE31
    assert witness_of(LogRecord(7, 1.5, True, b"body")) == ("4d402b32d527b234551119c1f4d8f1c5")


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    """A log as version 1 lays it out, written without our own code."""
    path = tmp_path / "log.sqlite"
    connection = sqlite3.connect(path)
    connection.execute(
        "create table records (position integer primary key, received_at real not null,"
        " imported integer not null, body blob not null)"
    )
    for position, line in enumerate((GOLDEN / "log-1.jsonl").read_bytes().splitlines()):
        row = (position, 1_700_000_000.0 + position, position % 3 == 2, line)
        connection.execute("insert into records values (?, ?, ?, ?)", row)
    connection.commit()
    connection.close()
    yield path


def test_a_log_of_version_1_is_read_and_learned(log_file: Path) -> None:
    log = SqliteLog(log_file, read_only=True)
    records = log.read(0, 100)
    log.close()
    assert [r.kind() for r in records] == [
        "manifest", "setting", "item", "user", "view", "rating", "purchase", "item",
    ]  # fmt: skip
    manifest = msgspec.convert(records[0].json()["manifest"], Manifest)
    profiles = Profiles(manifest)
    emitted = profiles.step(records)
    assert not emitted.dead
    assert profiles.counts() == {
        "applied": 3, "duplicates": 0, "capped": 0, "dead_letters": 0, "other": 5,
    }  # fmt: skip


def test_records_are_stored_as_version_1_lays_them_out(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.sqlite", clock=lambda: 12.5)
    log.append([NewRecord(b"one"), NewRecord(b"\x00\xff", imported=True)])
    log.close()
    connection = sqlite3.connect(tmp_path / "log.sqlite")
    rows: list[Any] = connection.execute("select * from records order by position").fetchall()
    columns = [row[1:3] for row in connection.execute("pragma table_info(records)")]
    connection.close()
    assert columns == [
        ("position", "INTEGER"), ("received_at", "REAL"), ("imported", "INTEGER"), ("body", "BLOB"),
    ]  # fmt: skip
    assert rows == [(0, 12.5, 0, b"one"), (1, 12.5, 1, b"\x00\xff")]


def test_dead_letters_are_stored_as_version_1_lays_them_out(tmp_path: Path) -> None:
    letters = SqliteDeadLetters(tmp_path / "letters.sqlite")
    letters.put([DeadLetter(0, 4, "late", "timestamp: is too late", b"\xff", 1.5)])
    letters.close()
    connection = sqlite3.connect(tmp_path / "letters.sqlite")
    [row] = connection.execute(
        "select partition, position, reason, error, body, received_at, attempt, replayed_at"
        " from letters"
    )
    connection.close()
    assert row == (0, 4, "late", "timestamp: is too late", b"\xff", 1.5, 1, None)


def test_control_records_keep_their_bytes() -> None:
    from stream.events import parse_item, parse_user

    item = parse_item(b'{"item_id":"i1","title":"One","categories":["a"],"price":2.5}')
    assert control_body("item", item) == (
        b'{"type":"item","item_id":"i1","title":"One","categories":["a"],"price":2.5}'
    )
    user = parse_user(b'{"user_id":"u1","attributes":{"age":30}}')
    assert control_body("user", user) == (b'{"type":"user","user_id":"u1","attributes":{"age":30}}')


def test_an_event_of_schema_1_is_read_whole() -> None:
    event = parse_feedback((GOLDEN / "event-1.json").read_bytes())
    assert msgspec.to_builtins(event) == {
        "type": "rating", "user_id": "u1", "item_id": "i1", "value": 4.5, "event_id": "e1",
        "timestamp": "2026-01-31T12:00:00Z", "session_id": "s1", "recommendation_id": "r1",
        "context": {"device": "phone", "hour": 12, "ratio": 0.5, "new": True, "none": None},
        "consent": True, "schema": 1,
    }  # fmt: skip
