"""Snapshots in a folder: one immutable, checksummed file each."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Final

from stream.errors import SnapshotCorrupt
from stream.files import snapshot_codec
from stream.ports import Pace, Snapshot, SnapshotName, unhindered

# Of another process that shares the folder, a file this young may still be in the writing.
_LEFT_OVER_S: Final = 3_600.0
_SYNC_BYTES: Final = 8 << 20


class FolderSnapshots:
    """`SnapshotStore` in a local folder; a file appears whole, by rename, or not at all.

    `shared`: several processes write here, so young unfinished files are left alone.
    Raises OSError where the folder cannot be written.
    """

    def __init__(self, folder: Path, read_only: bool = False, shared: bool = False) -> None:
        self._folder = folder
        if read_only:
            return
        folder.mkdir(parents=True, exist_ok=True)
        self._tidy(_LEFT_OVER_S if shared else None)
        descriptor, probe = tempfile.mkstemp(dir=folder, suffix=".partial")
        os.close(descriptor)
        Path(probe).unlink()

    def write(self, snapshot: Snapshot, pace: Pace = unhindered) -> SnapshotName:
        """Write temp, fsync, rename, fsync of the folder: at every moment a whole file or none."""
        encoding = snapshot_codec.Encoding(snapshot, pace)
        descriptor, partial = tempfile.mkstemp(dir=self._folder, suffix=".partial")
        try:
            with os.fdopen(descriptor, "wb") as file:
                unsynced = 0
                for part in encoding.parts():
                    unsynced += file.write(part)
                    if unsynced >= _SYNC_BYTES:  # little by little: the log is on this disk too
                        os.fdatasync(file.fileno())
                        unsynced = 0
                file.flush()
                os.fsync(file.fileno())
            name = encoding.name(str(self._folder / encoding.file_name))
            os.rename(partial, name.path)
        except BaseException:
            Path(partial).unlink(missing_ok=True)
            raise
        _sync_folder(self._folder)
        return name

    def names(self, stage: str) -> list[SnapshotName]:
        paths = (str(path) for path in self._folder.glob(f"{stage}-v*.snap"))
        return snapshot_codec.names_of(stage, paths)

    def read(self, name: SnapshotName) -> Snapshot:
        file_name = Path(name.path).name
        try:
            data = Path(name.path).read_bytes()
        except OSError as error:
            raise SnapshotCorrupt(f"{file_name} cannot be read: {error}") from error
        return snapshot_codec.decode(data, file_name)

    def prune(self, stage: str, keep: int) -> None:
        for name in snapshot_codec.beyond(self.names(stage), keep):
            Path(name.path).unlink(missing_ok=True)

    def _tidy(self, older_than_s: float | None) -> None:
        for left_over in self._folder.glob("*.partial"):
            try:
                age_s = time.time() - left_over.stat().st_mtime
                if older_than_s is None or age_s > older_than_s:
                    left_over.unlink()
            except FileNotFoundError:
                continue  # its writer was quicker


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
