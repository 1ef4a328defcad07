"""Snapshots behind any fsspec URL: a shared file system, or a bucket of an object store."""

from __future__ import annotations

import secrets
from typing import Any, Final

from stream.errors import SnapshotCorrupt
from stream.files import snapshot_codec
from stream.ports import Pace, Snapshot, SnapshotName, unhindered

# What is put here under its name appears whole, and a move would be a copy.
_WHOLE: Final = frozenset({"memory", "s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss", "r2"})


class RemoteSnapshots:
    """`SnapshotStore` over fsspec: temp name, then move; or one put of the whole object.

    `options` are the file system's own, credentials say. Raises OSError where it cannot be
    written, ValueError or ImportError for a protocol that fsspec does not know or has no
    driver for.
    """

    def __init__(self, url: str, read_only: bool = False, **options: Any) -> None:
        from fsspec.core import url_to_fs  # type: ignore[import-untyped]

        self._fs, folder = url_to_fs(url, **options)
        self._folder = folder.rstrip("/")
        protocols = self._fs.protocol
        names = {protocols} if isinstance(protocols, str) else set(protocols)
        self._put_whole = bool(names & _WHOLE)
        if not read_only:
            self._fs.makedirs(self._folder, exist_ok=True)
            self._probe()

    def write(self, snapshot: Snapshot, pace: Pace = unhindered) -> SnapshotName:
        encoding = snapshot_codec.Encoding(snapshot, pace)
        if self._put_whole:
            data = b"".join(encoding.parts())
            name = encoding.name(f"{self._folder}/{encoding.file_name}")
            self._fs.pipe_file(name.path, data)
            return name
        partial = self._partial()
        try:
            with self._fs.open(partial, "wb") as file:
                for part in encoding.parts():
                    file.write(part)
            name = encoding.name(f"{self._folder}/{encoding.file_name}")
            self._fs.mv(partial, name.path)
        except BaseException:
            self._remove(partial)
            raise
        return name

    def names(self, stage: str) -> list[SnapshotName]:
        self._fs.invalidate_cache()
        try:
            paths = self._fs.ls(self._folder, detail=False)
        except FileNotFoundError:
            return []
        return snapshot_codec.names_of(stage, paths)

    def read(self, name: SnapshotName) -> Snapshot:
        file_name = name.path.rpartition("/")[2]
        try:
            data = self._fs.cat_file(name.path)
        except OSError as error:
            raise SnapshotCorrupt(f"{file_name} cannot be read: {error}") from error
        return snapshot_codec.decode(data, file_name)

    def prune(self, stage: str, keep: int) -> None:
        for name in snapshot_codec.beyond(self.names(stage), keep):
            self._remove(name.path)

    def _probe(self) -> None:
        """Write and remove a byte: better refused at the start than at the first snapshot."""
        probe = self._partial()
        self._fs.pipe_file(probe, b"?")
        self._remove(probe)

    def _partial(self) -> str:
        return f"{self._folder}/{secrets.token_hex(8)}.partial"

    def _remove(self, path: str) -> None:
        try:
            self._fs.rm_file(path)
        except FileNotFoundError:
            return  # never written, or somebody else was quicker
