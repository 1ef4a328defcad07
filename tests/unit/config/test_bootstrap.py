"""The composition root: one folder, one holder, one manifest, and settings by the log."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config import bootstrap
from config.bootstrap import Running
from config.load import load
from config.settings import Settings
from stream.errors import FolderInUse, ManifestMismatch, StreamError
from stream.learner import Learner
from stream.records import NewRecord


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    base = {"core.data_dir": str(tmp_path / "data"), "manifest.dedup_window": 1024}
    return lambda **flags: load({**base, **{k.replace("__", "."): v for k, v in flags.items()}})


@pytest.fixture
def start() -> Iterator[Any]:
    running: list[Running] = []

    def start(settings: Settings) -> Running:
        running.append(bootstrap.embedded(settings))
        running[-1].service.catch_up()
        running[-1].service.use(settings.learning)
        return running[-1]

    yield start
    for each in running:
        each.lock.release()


def kinds(learner: Learner) -> list[str]:
    return [record.kind() for record in learner._log.read(0, 1_000)]


def finished(learner: Learner) -> str:
    while learner.learn(100):
        pass
    return learner.state_hash()


def fill(running: Running, first: int, count: int) -> None:
    running.service._log.append(
        [
            NewRecord(json.dumps({
                "type": "view", "user_id": f"u{n % 7}", "item_id": f"i{n % 11}",
                "event_id": str(n),
            }).encode())
            for n in range(first, first + count)
        ]
    )  # fmt: skip
    running.service.catch_up()


def test_a_fresh_folder_begins_with_manifest_and_setting(configured: Any, start: Any) -> None:
    running = start(configured())
    running.close()
    reader = bootstrap.reader(configured(), snapshots=False)
    assert kinds(reader) == ["manifest", "setting"]
    assert reader.manifest.dedup_window == 1024


def test_starting_again_unchanged_appends_nothing(configured: Any, start: Any) -> None:
    for _ in range(3):
        start(configured()).close()
    assert len(kinds(bootstrap.reader(configured(), snapshots=False))) == 2


def test_every_namespace_has_a_folder_of_its_own(configured: Any, tmp_path: Path) -> None:
    assert bootstrap.folder_of(configured()).root == tmp_path / "data"
    other = bootstrap.folder_of(configured(core__namespace="other"))
    assert other.root == tmp_path / "data" / "other"
    assert other.log != bootstrap.folder_of(configured()).log


def test_two_namespaces_do_not_get_in_each_other_s_way(configured: Any, start: Any) -> None:
    one, other = start(configured()), start(configured(core__namespace="other"))
    fill(one, 0, 5)
    assert other.service.status()["applied"] == 0
    one.close()
    other.close()


def test_a_second_process_is_told_who_holds_the_folder(configured: Any, start: Any) -> None:
    import os

    running = start(configured())
    with pytest.raises(FolderInUse, match=rf"pid {os.getpid()}\b"):
        bootstrap.embedded(configured())
    running.close()
    start(configured()).close()


def test_a_failed_start_lets_go_of_the_folder(configured: Any, start: Any) -> None:
    start(configured()).close()
    for _ in range(2):
        with pytest.raises(ManifestMismatch):
            bootstrap.embedded(configured(manifest__history=50))
    start(configured()).close()


def test_a_changed_manifest_is_refused_naming_every_key(configured: Any, start: Any) -> None:
    start(configured()).close()
    with pytest.raises(ManifestMismatch) as caught:
        bootstrap.embedded(configured(manifest__history=50, manifest__seed=9))
    assert caught.value.keys == ["manifest.history", "manifest.seed"]
    assert "manifest.history, manifest.seed cannot change" in str(caught.value)


@pytest.mark.parametrize(
    ("part", "width"), [("embeddings", "dims"), ("factors", "dims"), ("ratings", "n_factors")]
)
def test_dimensions_are_fixed_once_there_are_items(
    part: str, width: str, configured: Any, start: Any
) -> None:
    running = start(configured())
    fill(running, 0, 3)
    running.close()
    with pytest.raises(ManifestMismatch, match=rf"learning\.{part}\.{width} cannot change"):
        start(configured(**{f"learning__{part}__{width}": 16 if width == "dims" else 8}))


def test_changed_settings_enter_by_the_log_and_a_rebuild_repeats_them(
    configured: Any, start: Any
) -> None:
    before, after = configured(), configured(learning__repeats=True)
    running = start(before)
    fill(running, 0, 50)
    running.close()
    running = start(after)
    fill(running, 50, 50)
    live = running.service._learner.state_hash()
    running.close()
    # Who reads takes the settings from the log, whatever its own file says.
    rebuilt = bootstrap.reader(before, snapshots=False)
    assert finished(rebuilt) == live == finished(bootstrap.reader(before, snapshots=True))
    assert kinds(rebuilt).count("setting") == 2
    assert rebuilt.stage.model.settings.repeats is True
    assert rebuilt.profiles.counts()["other"] == 3


def test_reading_a_folder_without_a_log_is_an_error_that_helps(configured: Any) -> None:
    with pytest.raises(StreamError, match="--data-dir"):
        bootstrap.reader(configured(), snapshots=True)


def test_reading_writes_nothing(configured: Any, start: Any, tmp_path: Path) -> None:
    running = start(configured())
    fill(running, 0, 20)
    running.close()
    files = {
        path: path.read_bytes()
        for path in (tmp_path / "data").rglob("*")
        if path.is_file() and path.suffix in (".sqlite", ".snap")
    }
    for snapshots in (True, False):
        finished(bootstrap.reader(configured(), snapshots=snapshots))
    assert {path: path.read_bytes() for path in files} == files


def test_duplicates_are_told_exactly_after_a_restart(configured: Any, start: Any) -> None:
    import asyncio
    import time

    from stream.service import accept

    def send(running: Running, first: int, count: int) -> tuple[int, int]:
        events = [
            accept(
                json.dumps({"type": "view", "user_id": "u", "item_id": "i", "event_id": str(n)})
                .encode(), time.time(), running.service.manifest, True,
            )
            for n in range(first, first + count)
        ]  # fmt: skip
        receipt = asyncio.run(
            running.service.append_feedback([e for e in events if e is not None], imported=True)
        )
        return receipt.accepted, receipt.duplicates

    running = start(configured())
    assert send(running, 0, 30) == (30, 0)
    running.service.catch_up()
    running.close()
    running = start(configured())
    assert send(running, 20, 30) == (20, 10)
    # Not learned, not saved: what was appended is known to the next start all the same.
    running.service._log.close()
    running.lock.release()
    running = start(configured())
    assert send(running, 40, 20) == (10, 10)
    running.service.catch_up()
    assert running.service.status()["duplicates"] == 20
    assert running.service.status()["applied"] == 60
    running.close()
