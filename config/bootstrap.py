"""The composition root: builds one of each, for every entry point and every test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from config.settings import Settings
from models.model import Model
from stream.append_window import AppendWindow
from stream.embedded import Embedded, prime
from stream.errors import StreamError
from stream.files.folder import DataFolder, FolderLock
from stream.files.snapshots import FolderSnapshots
from stream.learner import Learner, read_manifest
from stream.manifest import Manifest
from stream.saving import SavePolicy
from stream.sqlite.dead_letters import SqliteDeadLetters
from stream.sqlite.log import SqliteLog


def folder_of(settings: Settings) -> DataFolder:
    """The data folder; every namespace but the default has a folder of its own in it."""
    root = Path(settings.core.data_dir)
    name = settings.core.namespace
    return DataFolder(root if name == "default" else root / name)


def begun_folder(settings: Settings) -> DataFolder:
    """The data folder, where there is a log in it. Raises StreamError: a path was mistyped."""
    folder = folder_of(settings)
    if not folder.log.exists():
        raise StreamError(f"{folder.root} holds no log; is --data-dir right?")
    return folder


@dataclass(frozen=True)
class Running:
    """A built embedded system and the lock it holds."""

    service: Embedded
    lock: FolderLock
    folder: DataFolder

    def close(self) -> None:
        """Drain, snapshot, let go of the folder."""
        try:
            self.service.close()
        finally:
            self.lock.release()


def embedded(settings: Settings) -> Running:
    """Build the embedded system over its data folder, restored but not started.

    Raises FolderInUse, ManifestMismatch, LogMismatch.
    """
    folder = folder_of(settings)
    lock = FolderLock(folder)
    try:
        return Running(_service(settings, folder), lock, folder)
    except BaseException:
        lock.release()
        raise


def _service(settings: Settings, folder: DataFolder) -> Embedded:
    window = AppendWindow(settings.manifest.dedup_window)
    log = SqliteLog(folder.log, window)
    try:
        manifest = _agreed_manifest(settings, read_manifest(log))
        snapshots = FolderSnapshots(folder.snapshots)
        dead = SqliteDeadLetters(folder.dead_letters)
        learner = Learner(manifest, log, Model(settings.learning, manifest.seed), dead)
        learner.restore(snapshots)
        prime(window, learner, log)
        s = settings.snapshots
        policy = SavePolicy(s.every_records, s.every_s, s.keep)
        service = Embedded(learner, log, window, snapshots, dead, policy, settings.core.namespace)
        service.begin(settings.learning)
        return service
    except BaseException:
        log.close()
        raise


def _agreed_manifest(settings: Settings, stored: Manifest | None) -> Manifest:
    if stored is None:
        return settings.manifest
    stored.require_same(settings.manifest)
    return stored


def reader(settings: Settings, snapshots: bool) -> Learner:
    """Build a learner that only reads: for `state` and `rebuild`, also beside a running server."""
    folder = begun_folder(settings)
    log = SqliteLog(folder.log, read_only=True)
    manifest = read_manifest(log) or settings.manifest
    learner = Learner(manifest, log, Model(settings.learning, manifest.seed))
    if snapshots and folder.snapshots.exists():
        learner.restore(FolderSnapshots(folder.snapshots, read_only=True))
    return learner
