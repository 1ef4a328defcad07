"""Training examples as bytes: what one source record gave, as one record of `examples`.

A pure function of the partition's prefix: no worker, no clock and no batch border shows in
them, so that a record emitted twice is the same to the byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import Struct

from models.examples import Examples, Past
from models.impressions import Lists, Outcomes, no_lists
from stream.errors import InvalidEvent
from stream.examples import ClosedLists, Control, ExampleBatch, Piece

#: 2 added attributes and lists, 3 the rungs of these. Records of 1 are read as of users nobody has
#: described, who took nothing from a list; those of 2 as of lists from nobody knows which rung.
VERSION: Final = 3

_COLUMNS: Final = tuple(
    (name, np.dtype(dtype))
    for name, dtype in (
        ("item_key", "<u8"), ("event_key", "<u8"), ("user_key", "<u8"), ("type", "u1"),
        ("value", "<f8"), ("time", "<f8"), ("flags", "u1"), ("prior", "<u2"),
    )
)  # fmt: skip
_PAST: Final = tuple(
    (name, np.dtype(dtype))
    for name, dtype in (
        ("history_start", "<i8"), ("history_key", "<u8"), ("history_time", "<f8"),
        ("history_type", "u1"), ("history_value", "<f8"),
        ("seen_start", "<i8"), ("seen_key", "<u8"), ("seen_mask", "<u2"),
        ("attribute_start", "<i8"), ("attribute_key", "<u8"),
    )
)  # fmt: skip
# Columns of the past in version 1.
_PAST_OF_1: Final = 8
_LISTS: Final = tuple(
    (name, np.dtype(dtype))
    for name, dtype in (("start", "<i8"), ("key", "<u8"), ("place", "u1"), ("rung", "i1"))
)
# Columns of the lists in version 2.
_LISTS_OF_2: Final = 3
_OUTCOMES: Final = tuple(
    (name, np.dtype(dtype))
    for name, dtype in (
        ("start", "<i8"), ("served", "u1"), ("key", "<u8"), ("place", "u1"),
        ("propensity", "<f4"), ("score", "<f4"), ("taken", "<u2"),
    )
)  # fmt: skip
_EXAMPLES: Final = "examples"
_CONTROL: Final = "control"
_CLOSED: Final = "lists"


class _Batch(Struct, array_like=True, tag=_EXAMPLES):
    previous: int
    positions: bytes
    item_ids: list[str]
    user_ids: list[str]
    types: list[str]
    columns: list[bytes]
    past: list[bytes]
    lists: list[bytes] = []  # empty: none names a list that is known


class _Closed(Struct, array_like=True, tag=_CLOSED):
    outcomes: list[bytes]
    types: list[str]
    position: int
    previous: int


class _Forwarded(Struct, array_like=True, tag=_CONTROL):
    kind: str
    body: dict[str, Any]
    position: int
    previous: int


class _Record(Struct, array_like=True):
    version: int
    partition: int
    pieces: list[_Batch | _Forwarded | _Closed]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Record)


def encode(partition: int, pieces: list[Piece]) -> bytes:
    """Return the bytes of all that one source record of `partition` gave."""
    return _encoder.encode(_Record(VERSION, partition, [_packed(piece) for piece in pieces]))


def decode(data: bytes) -> tuple[int, list[Piece]]:
    """Return (source partition, pieces). Raises InvalidEvent for bytes of another making."""
    try:
        record = _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise InvalidEvent("", f"is no record of examples: {error}") from None
    if not 1 <= record.version <= VERSION:
        raise InvalidEvent("version", f"must be 1 to {VERSION}, what this build reads")
    return record.partition, [_unpacked(piece) for piece in record.pieces]


def _packed(piece: Piece) -> _Batch | _Forwarded | _Closed:
    if isinstance(piece, Control):
        return _Forwarded(piece.kind, piece.body, piece.position, piece.previous)
    if isinstance(piece, ClosedLists):
        columns = _bytes_of(piece.outcomes, _OUTCOMES)
        return _Closed(columns, piece.types, piece.position, piece.previous)
    e, named = piece.examples, bool((piece.lists.rung >= 0).any())
    return _Batch(
        int(piece.previous[0]),
        piece.positions.astype("<i8").tobytes(),
        piece.item_ids,
        piece.user_ids,
        piece.types,
        _bytes_of(e, _COLUMNS),
        _bytes_of(e.past, _PAST),
        _bytes_of(piece.lists, _LISTS) if named else [],
    )


def _bytes_of(columns: Any, dtypes: Iterable[tuple[str, np.dtype[Any]]]) -> list[bytes]:
    return [getattr(columns, name).astype(dtype).tobytes() for name, dtype in dtypes]


def _unpacked(piece: _Batch | _Forwarded | _Closed) -> Piece:
    if isinstance(piece, _Forwarded):
        return Control(piece.kind, piece.body, piece.position, piece.previous)
    if isinstance(piece, _Closed):
        outcomes = Outcomes(*_columns_of(piece.outcomes, _OUTCOMES))
        return ClosedLists(outcomes, piece.types, piece.position, piece.previous)
    positions = _array(piece.positions, np.dtype("<i8"))
    previous = np.concatenate([np.array([piece.previous], np.int64), positions[:-1]])
    told = piece.past
    if len(told) == _PAST_OF_1:
        told = [*told, bytes(8 * (len(positions) + 1)), b""]
    past = Past(*_columns_of(told, _PAST))
    return ExampleBatch(
        Examples._make([*_columns_of(piece.columns, _COLUMNS), past]),
        piece.item_ids, piece.user_ids, piece.types, positions, previous,
        _lists_of(piece.lists, len(positions)),
    )  # fmt: skip


def _lists_of(told: list[bytes], examples: int) -> Lists:
    if not told:
        return no_lists(examples)
    if len(told) == _LISTS_OF_2:
        told = [*told, no_lists(examples).rung.tobytes()]
    return Lists(*_columns_of(told, _LISTS))


def _columns_of(data: list[bytes], dtypes: Sequence[tuple[str, np.dtype[Any]]]) -> list[Any]:
    return [_array(raw, dtype) for raw, (_, dtype) in zip(data, dtypes, strict=True)]


def _array(data: bytes, dtype: np.dtype[Any]) -> Any:
    # A copy: kernels take writable arrays only, and a second signature would compile anew.
    return np.frombuffer(data, dtype).copy()
