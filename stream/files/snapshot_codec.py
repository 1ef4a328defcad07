"""The bytes and file names of snapshots; where they lie is the stores' business.

`magic | length of header | header (JSON) | tables and objects | blake2b of all before`.
"""

from __future__ import annotations

import hashlib
import re
import struct
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
import numpy as np

from stream.errors import SnapshotCorrupt
from stream.ports import Pace, Snapshot, SnapshotName

_MAGIC: Final = b"freshet-snapshot-1\n"
_SUM: Final = 32
# Bytes of a part at most: a few milliseconds' work.
_PART: Final = 1 << 20
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


class Encoding:
    """The parts of a snapshot's bytes, one after the other; `digest` is known after the last.

    `pace` is told how long each part took to sum and to write.
    """

    def __init__(self, snapshot: Snapshot, pace: Pace) -> None:
        self._snapshot = snapshot
        self._pace = pace
        self._sum = hashlib.blake2b(digest_size=_SUM)

    def parts(self) -> Iterator[Any]:
        for part in _parts(self._snapshot):
            began = time.perf_counter()
            self._sum.update(part)
            yield part
            self._pace(time.perf_counter() - began)
        yield self._sum.digest()

    @property
    def digest(self) -> str:
        return self._sum.hexdigest()[:16]

    @property
    def file_name(self) -> str:
        s = self._snapshot
        return f"{s.stage}-v{s.learning_version}-{s.position:015d}-{self.digest}.snap"

    def name(self, path: str) -> SnapshotName:
        return SnapshotName(self._snapshot.stage, self._snapshot.position, self.digest, path)


def decode(data: bytes, file_name: str) -> Snapshot:
    """The snapshot in a file's bytes. Raises SnapshotCorrupt."""
    body, stored = data[:-_SUM], data[-_SUM:]
    if hashlib.blake2b(body, digest_size=_SUM).digest() != stored:
        raise SnapshotCorrupt(f"{file_name} fails its checksum")
    try:
        return _parse(body)
    except (ValueError, TypeError, struct.error, msgspec.MsgspecError) as error:
        raise SnapshotCorrupt(f"{file_name} is malformed: {error}") from error


def names_of(stage: str, paths: Iterable[str]) -> list[SnapshotName]:
    """Those of the files that are snapshots of a stage, highest position first."""
    found = []
    for path in paths:
        match = _NAME.fullmatch(_last(path))
        if match and match["stage"] == stage:
            found.append(SnapshotName(stage, int(match["position"]), match["digest"], path))
    return sorted(found, key=lambda name: (-name.position, name.digest))


def beyond(names: Iterable[SnapshotName], keep: int) -> list[SnapshotName]:
    """All but the newest `keep`; the learning version comes before the position.

    By position alone, a state that is built anew under a newer version would lose its snapshots
    to the old ones, which lie higher.
    """
    return sorted(names, key=lambda name: -_version_of(name))[keep:]


def _version_of(name: SnapshotName) -> int:
    match = _NAME.fullmatch(_last(name.path))
    return int(match["version"]) if match else 0


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _parts(snapshot: Snapshot) -> Iterator[Any]:
    header = _Header(
        snapshot.stage, snapshot.position, snapshot.identity, snapshot.witness,
        snapshot.learning_version,
        [_Table(name, a.dtype.str, list(a.shape)) for name, a in snapshot.tables.items()],
        [(name, len(data)) for name, data in snapshot.objects.items()],
    )  # fmt: skip
    encoded = msgspec.json.encode(header)
    yield _MAGIC + struct.pack("<Q", len(encoded)) + encoded
    for array in snapshot.tables.values():
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        yield from (data[at : at + _PART] for at in range(0, len(data), _PART))
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
