"""The learner: what a restart takes up, and what it refuses."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models.model import LEARNING_VERSION, Model
from models.settings import LearningSettings
from stream.errors import LogMismatch, LogUnavailable, SequenceGap
from stream.examples import ExampleBatch, Piece
from stream.files.snapshots import FolderSnapshots
from stream.learner import MODEL, PROFILES, Learner, write
from stream.manifest import Manifest
from stream.model_stage import ModelStage
from stream.records import NewRecord
from stream.sqlite.dead_letters import SqliteDeadLetters
from stream.sqlite.log import SqliteLog

MANIFEST = Manifest(dedup_window=1024, scoring="all")


def body(n: int) -> bytes:
    if n % 13 == 5:
        return msgspec.json.encode({"type": "item", "item_id": f"i{n % 9}", "title": f"t {n}"})
    if n % 17 == 7:
        return b"poison"
    kind = "rating" if n % 4 == 0 else "view"
    event = {"type": kind, "user_id": f"u{n % 5}", "item_id": f"i{n * 7 % 23}", "value": n % 5 + 1}
    return msgspec.json.encode({**event, "event_id": str(n % 150)})


class Rig:
    """A log and a folder of snapshots, and learners over them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = SqliteLog(folder / "log.sqlite")
        self.store = FolderSnapshots(folder / "snapshots")
        first = {"type": "manifest", "manifest": msgspec.to_builtins(MANIFEST), "log": folder.name}
        setting = {"type": "setting", "learning": msgspec.to_builtins(LearningSettings())}
        self.log.append([NewRecord(msgspec.json.encode(record)) for record in (first, setting)])

    def fill(self, events: int) -> None:
        self.log.append([NewRecord(body(n), imported=True) for n in range(events)])

    def learner(self, **parts: Any) -> Learner:
        return Learner(MANIFEST, self.log, Model(LearningSettings()), **parts)

    def saved(self, *positions: int) -> Learner:
        """A learner that has saved at each of the positions."""
        learner = self.learner()
        for position in positions:
            learner.learn(position - learner.next_offset)
            pair = learner.capture(lent=True)
            assert pair is not None and pair.model.position == position
            write(self.store, pair, keep=9)
        return learner

    def restored(self) -> Learner:
        learner = self.learner()
        learner.restore(self.store)
        return learner

    def file(self, stage: str, position: int) -> Path:
        [name] = [n for n in self.store.names(stage) if n.position == position]
        return Path(name.path)

    def rebuilt(self) -> str:
        return finished(self.learner(), 1_000)


def finished(learner: Learner, size: int = 50) -> str:
    while learner.learn(size):
        pass
    return learner.state_hash()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    rig.fill(300)
    yield rig
    rig.log.close()


def flip(path: Path, at: int = -100) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))


def test_a_restart_goes_on_from_the_newest_pair(rig: Rig) -> None:
    rig.saved(100, 200)
    learner = rig.restored()
    assert learner.next_offset == 200
    assert learner.last is not None and learner.last.offset == 199
    assert finished(learner) == rig.rebuilt()


def test_a_rehearsal_changes_nothing(rig: Rig) -> None:
    learner = rig.saved(100)
    learner.rehearse()
    assert (learner.next_offset, learner.profiles.users) == (100, 5)
    assert finished(learner) == rig.rebuilt()


def test_memory_for_copies_is_got_beforehand_for_all_that_is_copied(rig: Rig) -> None:
    learner = rig.learner()
    finished(learner)
    model = learner.stage.model
    arenas = (learner.profiles.arena, model.arena, model.ratings.arena)
    bare = [arena.nbytes() for arena in arenas]
    learner.prepare_lending(lambda _: None)
    prepared = [arena.nbytes() for arena in arenas]
    assert all(after > before for before, after in zip(bare, prepared, strict=True))
    assert learner.capture(lent=True) is not None
    taken = [arena.nbytes() for arena in arenas]
    for before, ready, after in zip(bare, prepared, taken, strict=True):
        assert after - ready < (ready - before) / 10, "but for ids and counts, nothing was missing"


def test_with_no_snapshot_learning_begins_at_the_first_record(rig: Rig) -> None:
    assert rig.restored().next_offset == 0
    assert rig.learner().capture() is None


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "unreadable"])
@pytest.mark.parametrize(("stage", "begins_at"), [(MODEL, 100), (PROFILES, 100)])
def test_a_damaged_snapshot_is_passed_over_for_the_one_before(
    rig: Rig, damage: str, stage: str, begins_at: int, caplog: pytest.LogCaptureFixture
) -> None:
    rig.saved(100, 200)
    path = rig.file(stage, 200)
    if damage == "flip":
        flip(path)
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
        path.mkdir()
    with caplog.at_level(logging.WARNING):
        learner = rig.restored()
    assert "passed over" in caplog.text
    assert learner.next_offset == begins_at
    assert finished(learner) == rig.rebuilt()


def test_profiles_behind_the_model_emit_again_and_the_model_drops(rig: Rig) -> None:
    rig.saved(100, 200)
    rig.file(PROFILES, 200).unlink()
    learner = rig.restored()
    assert learner.next_offset == 100 and learner.stage.marks[0] >= 190
    assert finished(learner, 7) == rig.rebuilt()


def test_profiles_ahead_of_the_model_are_not_used(rig: Rig) -> None:
    rig.saved(100, 200)
    rig.file(MODEL, 200).unlink()
    learner = rig.restored()
    assert learner.next_offset == 100 and learner.stage.marks[0] < 100
    assert finished(learner) == rig.rebuilt()


def test_with_no_profiles_left_they_are_built_from_the_beginning(rig: Rig) -> None:
    rig.saved(100, 200)
    for position in (100, 200):
        rig.file(PROFILES, position).unlink()
    learner = rig.restored()
    assert learner.next_offset == 0
    assert finished(learner) == rig.rebuilt()


def test_with_every_snapshot_damaged_the_log_alone_is_enough(rig: Rig) -> None:
    rig.saved(100, 200)
    for stage in (MODEL, PROFILES):
        for position in (100, 200):
            flip(rig.file(stage, position))
    learner = rig.restored()
    assert learner.next_offset == 0
    assert finished(learner) == rig.rebuilt()


def test_a_snapshot_whose_tables_do_not_fit_leaves_nothing_behind(rig: Rig) -> None:
    rig.saved(100)
    model = rig.store.read(rig.store.names(MODEL)[0])
    tables = dict(model.tables)
    tables["clock"] = tables["clock"].astype("f4")
    rig.store.write(replace(model, position=200, witness=_witness(rig, 199), tables=tables))
    learner = rig.restored()
    assert learner.next_offset == 100
    assert finished(learner) == rig.rebuilt()


def _witness(rig: Rig, offset: int) -> str:
    from stream.learner import witness_of

    return witness_of(rig.log.read(offset, 1)[0])


def test_a_snapshot_of_another_learning_version_is_passed_over(rig: Rig) -> None:
    rig.saved(100, 200)
    for stage in (MODEL, PROFILES):
        name = rig.store.names(stage)[0]
        newest = rig.store.read(name)
        Path(name.path).unlink()
        rig.store.write(replace(newest, learning_version=LEARNING_VERSION + 1))
    assert rig.restored().next_offset == 100


def test_a_log_that_lost_its_tail_is_refused(rig: Rig) -> None:
    rig.saved(100, 200)
    rig.log.close()
    _shorten(rig.folder / "log.sqlite", 150)
    rig.log = SqliteLog(rig.folder / "log.sqlite")
    with pytest.raises(LogMismatch, match="lost records"):
        rig.restored()


def test_a_log_that_was_written_over_is_refused(rig: Rig) -> None:
    rig.saved(100, 200)
    rig.log.close()
    _shorten(rig.folder / "log.sqlite", 150)
    rig.log = SqliteLog(rig.folder / "log.sqlite")
    rig.fill(300)
    with pytest.raises(LogMismatch, match="record 199"):
        rig.restored()


@pytest.mark.parametrize("events", [10, 400])
def test_a_log_begun_anew_is_refused(rig: Rig, tmp_path: Path, events: int) -> None:
    rig.saved(200)
    rig.log.close()
    other = Rig(tmp_path / _made(tmp_path / "other"))
    other.fill(events)
    learner = other.learner()
    with pytest.raises(LogMismatch, match="another log"):
        learner.restore(rig.store)
    other.log.close()


def _made(folder: Path) -> str:
    folder.mkdir()
    return folder.name


def _shorten(path: Path, end: int) -> None:
    import sqlite3

    connection = sqlite3.connect(path)
    connection.execute("delete from records where position >= ?", (end,))
    connection.commit()
    connection.close()


def test_a_half_written_snapshot_is_no_snapshot(rig: Rig) -> None:
    rig.saved(100)
    whole = rig.file(MODEL, 100).read_bytes()
    partial = rig.folder / "snapshots" / "tmpabc.partial"
    partial.write_bytes(whole[:50])
    assert rig.restored().next_offset == 100
    FolderSnapshots(rig.folder / "snapshots", read_only=True)
    assert partial.exists()
    FolderSnapshots(rig.folder / "snapshots")
    assert not partial.exists()


def test_pruning_keeps_the_newest_and_lets_older_versions_go_first(rig: Rig) -> None:
    rig.saved(50, 100, 150, 200)
    rig.store.prune(MODEL, 3)
    assert [name.position for name in rig.store.names(MODEL)] == [200, 150, 100]
    assert len(rig.store.names(PROFILES)) == 4
    newest = rig.store.read(rig.store.names(MODEL)[0])
    rig.store.write(replace(newest, learning_version=LEARNING_VERSION + 1, position=20))
    rig.store.prune(MODEL, 2)
    assert [name.position for name in rig.store.names(MODEL)] == [200, 20]


class FullDisk(SqliteDeadLetters):
    full = True

    def put(self, letters: Any) -> None:
        if self.full:
            raise LogUnavailable("dead letters: disk full")
        super().put(letters)


def test_when_dead_letters_cannot_be_kept_learning_waits_and_goes_on(rig: Rig) -> None:
    dead = FullDisk(rig.folder / "dead.sqlite")
    learner = rig.learner(dead=dead)
    learner.learn(5)
    before = learner.next_offset
    for _ in range(3):
        with pytest.raises(LogUnavailable):
            learner.learn(50)
    assert learner.next_offset == before
    assert learner.capture() is None, "half a turn is no state"
    dead.full = False
    assert learner.learn(50) == 50
    assert finished(learner) == rig.rebuilt()
    assert len(list(dead.letters())) == learner.profiles.counts()["dead_letters"]
    dead.close()


def test_dead_letters_are_durable_before_the_model_learns(rig: Rig) -> None:
    order: list[str] = []

    class Noting(SqliteDeadLetters):
        def put(self, letters: Any) -> None:
            order.append("dead")
            super().put(letters)

    dead = Noting(rig.folder / "dead.sqlite")
    rig.learner(dead=dead).learn(50, lambda batch, learned: order.append("learned"))
    assert order[0] == "dead" and "learned" in order
    dead.close()


def test_a_changed_setting_takes_effect_at_its_place_in_the_log(rig: Rig) -> None:
    changed = LearningSettings(repeats=True)
    record = {"type": "setting", "learning": msgspec.to_builtins(changed)}
    rig.log.append([NewRecord(msgspec.json.encode(record))])
    rig.log.append([NewRecord(body(n + 400), imported=True) for n in range(50)])
    live = rig.saved(250, 310)
    assert finished(live) == rig.rebuilt() == finished(rig.restored())
    assert live.stage.model.settings == changed


@pytest.mark.parametrize(
    "learning",
    [
        {"embeddings": {"dims": 128}},
        {"content": {"dims": 32}},
        {"cooccurrence": {}},
        {"events": {}},
    ],
)
def test_a_setting_that_does_not_fit_the_tables_takes_effect_as_far_as_it_can(
    rig: Rig, learning: dict[str, Any]
) -> None:
    record = {"type": "setting", "learning": {**learning, "repeats": True}}
    rig.log.append([NewRecord(msgspec.json.encode(record))])
    rig.log.append([NewRecord(body(n + 400), imported=True) for n in range(50)])
    learner = rig.learner()
    assert finished(learner) == rig.rebuilt()
    settings = learner.stage.model.settings
    assert settings.repeats is True
    assert (settings.embeddings.dims, settings.content.dims) == (64, 64)
    assert set(settings.cooccurrence) == {"fast", "slow", "forward", "recent"}


def pieces(rig: Rig) -> list[Piece]:
    learner = rig.learner()
    return learner.profiles.step(rig.log.read(0, 300)).pieces


def test_the_model_drops_what_it_has_and_takes_the_rest(rig: Rig) -> None:
    parts = pieces(rig)
    once, twice = ModelStage(Model(LearningSettings())), ModelStage(Model(LearningSettings()))
    for at, piece in enumerate(parts):
        once.apply(0, piece)
        twice.apply(0, piece)
        for repeat in parts[max(0, at - 2) : at + 1]:
            twice.apply(0, repeat)
    assert once.model.digest() == twice.model.digest()
    assert once.marks == twice.marks


def test_a_batch_that_begins_below_the_mark_is_applied_from_the_mark_on(rig: Rig) -> None:
    [whole, *_] = [p for p in pieces(rig) if isinstance(p, ExampleBatch) and len(p.item_ids) > 5]
    first, then = ModelStage(Model(LearningSettings())), ModelStage(Model(LearningSettings()))
    before = int(whole.previous[0])
    first.marks[0] = then.marks[0] = before
    first.apply(0, whole)
    learned: list[int] = []
    half = whole.after(int(whole.positions[0]))
    assert len(half.item_ids) == len(whole.item_ids) - 1
    then.apply(0, _head(whole, 3))
    then.apply(0, whole, lambda batch, _: learned.extend(batch.positions.tolist()))
    assert learned == whole.positions[3:].tolist()
    assert first.model.digest() == then.model.digest()


def _head(batch: ExampleBatch, count: int) -> ExampleBatch:
    e = batch.examples
    columns = [column[:count] for column in e[:-1]]
    past = e.past._replace(
        history_start=e.past.history_start[: count + 1],
        seen_start=e.past.seen_start[: count + 1],
        attribute_start=e.past.attribute_start[: count + 1],
    )
    return replace(
        batch, examples=type(e)._make([*columns, past]), item_ids=batch.item_ids[:count],
        user_ids=batch.user_ids[:count], positions=batch.positions[:count],
        previous=batch.previous[:count],
    )  # fmt: skip


def test_a_hole_between_the_stages_stops_learning(rig: Rig) -> None:
    parts = pieces(rig)
    stage = ModelStage(Model(LearningSettings()))
    stage.apply(0, parts[0])
    digest = stage.model.digest()
    for later in parts[2:]:
        with pytest.raises(SequenceGap, match="stage one must emit again"):
            stage.apply(0, later)
    assert stage.model.digest() == digest
    for piece in parts[1:]:
        stage.apply(0, piece)


def test_marks_are_kept_per_partition(rig: Rig) -> None:
    stage = ModelStage(Model(LearningSettings()))
    for partition in (0, 3):
        for piece in pieces(rig):
            stage.apply(partition, piece)
    assert stage.marks[0] == stage.marks[3]
