"""The arena: every array that learning writes lives here under a name.

That alone gives snapshots, the state hash and the memory account. No learning here.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from models.errors import StateMismatch

Array = NDArray[Any]

# Rows of a fresh table. Zero would make every first event grow every table; a huge start
# would cost an empty system memory.
FIRST_CAPACITY: Final = 64
# Bytes of fresh memory touched in one go.
_TOUCHED: Final = 1 << 20


class Table:
    """One named array. An axis is the name of an extent (it grows) or a fixed length."""

    def __init__(
        self, name: str, dtype: DTypeLike, axes: tuple[str | int, ...], fill: float
    ) -> None:
        self.name = name
        self.dtype = np.dtype(dtype)
        self.axes = axes
        self.fill = fill
        self.array: Array = np.empty(0)


class Arena:
    """Typed tables over shared, growing extents.

    `used` (int64, one element an extent) is the truth about how many rows count; kernels
    raise it in place. Capacity is a matter of speed only: it is neither hashed nor stored.

    >>> arena = Arena("items")
    >>> arena.add("popularity", np.float32, "items")
    >>> _ = arena.reserve("items", 3)
    >>> arena.used[0] = 3
    >>> arena["popularity"][2] = 1.5
    >>> [(name, used.tolist()) for name, used in arena.content()][1]
    ('popularity', [0.0, 0.0, 1.5])
    """

    def __init__(self, *extents: str) -> None:
        self._extents = {name: index for index, name in enumerate(extents)}
        self._capacity = dict.fromkeys(extents, 0)
        self._tables: dict[str, Table] = {}
        self._blobs: dict[str, list[bytes]] = {}
        self._rows_of: dict[str, str] = {}  # blobs by name: the extent they are the rows of
        self._lent: dict[str, Array] = {}
        self._spare: dict[str, Array] = {}  # by table: what `keep` fills next
        self.used: NDArray[np.int64] = np.zeros(len(extents), np.int64)
        self.generation = 0

    def add(self, name: str, dtype: DTypeLike, *axes: str | int, fill: float = 0) -> None:
        """Declare a table; declaration order is the order of the hash and of the snapshot."""
        table = Table(name, dtype, axes, fill)
        table.array = self._allocate(table)
        self._tables[name] = table

    def add_blobs(self, name: str, extent: str | None = None) -> list[bytes]:
        """Declare a list of byte strings (ids, documents); the list itself is the table.

        One with an `extent` has one for each of its rows, and `keep` replaces it.
        """
        if extent is not None:
            self._rows_of[name] = extent
        return self._blobs.setdefault(name, [])

    def __getitem__(self, name: str) -> Array:
        return self._tables[name].array

    def count(self, extent: str) -> int:
        return int(self.used[self._extents[extent]])

    def set_count(self, extent: str, rows: int) -> None:
        """Say that `rows` rows count; there must be room for them."""
        self.used[self._extents[extent]] = rows

    def capacity(self, extent: str) -> int:
        return self._capacity[extent]

    def reserve(self, extent: str, rows: int, *, exact: bool = False) -> bool:
        """Make room for `rows` rows in all; True when arrays were replaced (views are stale)."""
        if rows <= self._capacity[extent]:
            return False
        self._resize(extent, rows if exact else _room_for(rows))
        return True

    def keep(self, extent: str, rows: Array) -> None:
        """Let only `rows` stay, in that order.

        Arrays, blobs and counts are replaced: those that a reader holds are not touched.
        """
        spare, self._spare = self._spare, {}
        for table in self._tables.values():
            if extent in table.axes:
                old, new = table.array, spare.pop(table.name, None)
                fits = new is not None and new.shape == old.shape and new.dtype == old.dtype
                table.array = new if new is not None and fits else self._allocate(table)
                _copy_rows(old, table.array, [axis == extent for axis in table.axes], rows)
        for name, of in self._rows_of.items():
            if of == extent:
                blobs = self._blobs[name]
                self._blobs[name] = [blobs[row] for row in rows.tolist()]
        self.used = self.used.copy()
        self.set_count(extent, len(rows))
        self.generation += 1

    def remove(self, name: str) -> None:
        """Undo `add`: the table leaves the hash and the snapshot."""
        del self._tables[name]
        self._lent.pop(name, None)
        self.generation += 1

    @property
    def prepared(self) -> bool:
        """Whether there is memory for the next `keep`."""
        return bool(self._spare)

    def prepare_keep(self, extent: str, pace: Callable[[float], object]) -> None:
        """Get the memory that the next `keep` fills, on any thread.

        `pace` is told the seconds of each part. Where rows came or left meanwhile so that tables
        were replaced, it is given back.
        """
        generation, made = self.generation, {}
        for name, table in list(self._tables.items()):
            if extent in table.axes:
                made[name] = self._allocate(table)
                _touch(made[name].reshape(-1), table.fill, pace)
        if self.generation == generation:
            self._spare = made

    def drop(self, name: str) -> None:
        """Give a table's memory back: it keeps its place with no rows."""
        self.reshape(name, *(0 for _ in self._tables[name].axes))

    def reshape(self, name: str, *axes: str | int) -> None:
        """Give a table other axes, and all its elements the fill value."""
        self._lent.pop(name, None)
        table = self._tables[name]
        table.axes = axes
        table.array = self._allocate(table)
        self.generation += 1

    def content(self) -> Iterator[tuple[str, Array]]:
        """Yield (name, used part) of all that is state, in declaration order."""
        yield "used", self.used
        for table in self._tables.values():
            yield table.name, table.array[self._used_part(table)]
        for name, blobs in self._blobs.items():
            yield f"{name}.bytes", np.frombuffer(b"".join(blobs), np.uint8)
            yield f"{name}.lengths", np.array([len(blob) for blob in blobs], np.int64)

    def digest(self) -> bytes:
        """16 bytes over names, dtypes, shapes and contents; any changed element changes it."""
        return digest_of(self.content())

    def nbytes(self) -> int:
        """Bytes allocated: spare capacity and memory that is lent included."""
        arrays = sum(table.array.nbytes for table in self._tables.values())
        arrays += sum(memory.nbytes for memory in self._lent.values())
        return arrays + sum(len(b) + 33 for blobs in self._blobs.values() for b in blobs)

    def dump(self, *, lent: bool = False) -> dict[str, Array]:
        """Copies of all that is state; the caller may write them while learning goes on.

        With `lent` they lie in memory that the next such dump takes again: where pages are
        fresh, getting them takes ten times as long as the copying.
        """
        if not lent:
            return {name: np.array(array, order="C") for name, array in self.content()}
        return {name: self._lend(name, array) for name, array in self.content()}

    def prepare_lending(self, pace: Callable[[float], object]) -> None:
        """Get the memory of lent dumps, on any thread; `pace` is told the seconds of each part."""
        for name, table in list(self._tables.items()):
            used = table.array[self._used_part(table)]
            _touch(self._memory_of(name, used)[: used.size], 0, pace)

    def _lend(self, name: str, array: Array) -> Array:
        copy = self._memory_of(name, array)[: array.size].reshape(array.shape)
        np.copyto(copy, array)
        return copy

    def _memory_of(self, name: str, array: Array) -> Array:
        memory = self._lent.get(name)
        if memory is None or memory.dtype != array.dtype or memory.size < array.size:
            memory = self._lent[name] = np.empty(_room_for(array.size), array.dtype)
        return memory

    def load(self, dump: Mapping[str, Array]) -> None:
        """Take over a dump of the same declaration.

        Raises StateMismatch when a table is missing or has another type or shape.
        """
        for name in ("used", *self._tables):
            if name not in dump:
                raise StateMismatch(f"table {name} is missing from the dump")
        if dump["used"].shape != self.used.shape:
            raise StateMismatch("the dump counts other extents")
        self.used[:] = dump["used"]
        for extent in self._extents:
            self.reserve(extent, self.count(extent))
        for table in self._tables.values():
            self._load_table(table, dump[table.name])
        for name, blobs in self._blobs.items():
            blobs[:] = _split(dump[f"{name}.bytes"], dump[f"{name}.lengths"])
        self.generation += 1

    def _load_table(self, table: Table, source: Array) -> None:
        target = table.array[self._used_part(table)]
        if source.dtype != table.dtype or source.shape != target.shape:
            raise StateMismatch(
                f"table {table.name} is {source.dtype}{source.shape} in the dump,"
                f" {table.dtype}{target.shape} here"
            )
        target[...] = source

    def _used_part(self, table: Table) -> tuple[slice, ...]:
        return tuple(
            slice(0, axis if isinstance(axis, int) else self.count(axis)) for axis in table.axes
        )

    def _allocate(self, table: Table) -> Array:
        shape = tuple(a if isinstance(a, int) else self._capacity[a] for a in table.axes)
        return (
            np.full(shape, table.fill, table.dtype) if table.fill else np.zeros(shape, table.dtype)
        )

    def _resize(self, extent: str, capacity: int) -> None:
        self._capacity[extent] = capacity
        self._spare = {}
        for table in self._tables.values():
            if extent in table.axes:
                old, table.array = table.array, self._allocate(table)
                table.array[tuple(slice(0, size) for size in old.shape)] = old
        self.generation += 1


def _copy_rows(old: Array, new: Array, along: Sequence[bool], rows: Array) -> None:
    """Copy `rows` of the axes `along` to the beginning of those of `new`."""
    if not any(along[1:]):  # in place: another copy would take as long again
        np.take(old, rows, 0, out=new[: len(rows)], mode="clip")
        return
    for axis in np.flatnonzero(along):
        old = old.take(rows, axis)
    new[tuple(slice(0, size) for size in old.shape)] = old


def _touch(fresh: Array, fill: float, pace: Callable[[float], object]) -> None:
    """Fill an array of one axis in parts: that is when the system gives its memory."""
    step = max(_TOUCHED // fresh.itemsize, 1)
    for at in range(0, fresh.size, step):
        began = time.perf_counter()
        fresh[at : at + step] = fill
        pace(time.perf_counter() - began)


def _room_for(rows: int) -> int:
    capacity = FIRST_CAPACITY
    while capacity < rows:
        capacity *= 2
    return capacity


def digest_of(content: Iterable[tuple[str, Array]]) -> bytes:
    """What `Arena.digest` gives for this content, or for a dump's items."""
    digest = hashlib.blake2b(digest_size=16)
    for name, array in content:
        digest.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.digest()


def _split(data: Array, lengths: Array) -> list[bytes]:
    ends = np.cumsum(lengths)
    raw = data.tobytes()
    return [
        raw[end - length : end] for end, length in zip(ends.tolist(), lengths.tolist(), strict=True)
    ]
