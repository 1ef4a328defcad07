"""Snapshots in a folder: one immutable, checksummed file each.

`magic | length of header | header (JSON) | tables and objects | blake2b of all before`.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import tempfile
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from stream.errors import SnapshotCorrupt
from stream.ports import Snapshot, SnapshotName

_MAGIC: Final = b"freshet-snapshot-1\n"
_SUM: Final = 32
_NAME: Final = re.compile(
    r"(?P<stage>[a-z]+(?:\.[0-9]+)?)-v(?P<version>\d+)-(?P<position>\d{15})-(?P<digest>[0-9a-f]{16})\.snap"
)


class _Table(msgspec.Struct):
    name: str
    dtype: str
    shape: list[int]


class _Header(msgspec.Struct):
    stage: str
    position: int
    identity: str
    witness: str
    learning_version: int
    tables: list[_Table]
    objects: list[tuple[str, int]]


class FolderSnapshots:
    """`SnapshotStore` in a local folder; a file appears whole, by rename, or not at all."""

    def __init__(self, folder: Path, read_only: bool = False) -> None:
        self._folder = folder
        if read_only:
            return
        folder.mkdir(parents=True, exist_ok=True)
        for left_over in folder.glob("*.partial"):
            left_over.unlink(missing_ok=True)

    def write(self, snapshot: Snapshot) -> SnapshotName:
        """Write temp, fsync, rename, fsync of the folder: at every moment a whole file or none."""
        digest = hashlib.blake2b(digest_size=_SUM)
        descriptor, partial = tempfile.mkstemp(dir=self._folder, suffix=".partial")
        try:
            with os.fdopen(descriptor, "wb") as file:
                for part in _parts(snapshot):
                    digest.update(part)
                    file.write(part)
                file.write(digest.digest())
                file.flush()
                os.fsync(file.fileno())
            name = self._name(snapshot, digest.hexdigest()[:16])
            os.rename(partial, name.path)
        except BaseException:
            Path(partial).unlink(missing_ok=True)
            raise
        _sync_folder(self._folder)
        return name

    def names(self, stage: str) -> list[SnapshotName]:
        found = []
        for path in self._folder.glob(f"{stage}-v*.snap"):
            match = _NAME.fullmatch(path.name)
            if match and match["stage"] == stage:
                found.append(
                    SnapshotName(stage, int(match["position"]), match["digest"], str(path))
                )
        return sorted(found, key=lambda name: (-name.position, name.digest))

    def read(self, name: SnapshotName) -> Snapshot:
        try:
            data = Path(name.path).read_bytes()
        except OSError as error:
            raise SnapshotCorrupt(f"{Path(name.path).name} cannot be read: {error}") from error
        body, stored = data[:-_SUM], data[-_SUM:]
        if hashlib.blake2b(body, digest_size=_SUM).digest() != stored:
            raise SnapshotCorrupt(f"{Path(name.path).name} fails its checksum")
        try:
            return _parse(body)
        except (ValueError, TypeError, struct.error, msgspec.MsgspecError) as error:
            raise SnapshotCorrupt(f"{Path(name.path).name} is malformed: {error}") from error

    def prune(self, stage: str, keep: int) -> None:
        # By position alone, a state that is built anew under a newer version would lose its
        # snapshots to the old ones, which lie higher.
        names = sorted(self.names(stage), key=lambda name: -_version_of(name))
        for name in names[keep:]:
            Path(name.path).unlink(missing_ok=True)

    def _name(self, snapshot: Snapshot, digest: str) -> SnapshotName:
        stem = f"{snapshot.stage}-v{snapshot.learning_version}-{snapshot.position:015d}-{digest}"
        return SnapshotName(
            snapshot.stage, snapshot.position, digest, str(self._folder / f"{stem}.snap")
        )


def _version_of(name: SnapshotName) -> int:
    match = _NAME.fullmatch(Path(name.path).name)
    return int(match["version"]) if match else 0


def _parts(snapshot: Snapshot) -> Any:
    header = _Header(
        snapshot.stage, snapshot.position, snapshot.identity, snapshot.witness,
        snapshot.learning_version,
        [_Table(name, a.dtype.str, list(a.shape)) for name, a in snapshot.tables.items()],
        [(name, len(data)) for name, data in snapshot.objects.items()],
    )  # fmt: skip
    encoded = msgspec.json.encode(header)
    yield _MAGIC + struct.pack("<Q", len(encoded)) + encoded
    for array in snapshot.tables.values():
        yield np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    yield from snapshot.objects.values()


def _parse(body: bytes) -> Snapshot:
    if not body.startswith(_MAGIC):
        raise ValueError("it is not a snapshot of this version")
    at = len(_MAGIC) + 8
    (length,) = struct.unpack("<Q", body[len(_MAGIC) : at])
    header = msgspec.json.decode(body[at : at + length], type=_Header)
    at += length
    tables = {}
    for table in header.tables:
        dtype = np.dtype(table.dtype)
        count = int(np.prod(table.shape, dtype=np.int64))
        tables[table.name] = np.frombuffer(body, dtype, count, at).reshape(table.shape)
        at += count * dtype.itemsize
    objects = {}
    for name, size in header.objects:
        objects[name] = body[at : at + size]
        at += size
    return Snapshot(
        header.stage, header.position, header.identity, header.witness,
        header.learning_version, tables, objects,
    )  # fmt: skip


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
