"""The bytes of a user's row and embedding: a position, then MessagePack or float32.

The layout is documented in docs/redis.md and fixed by golden bytes; a change takes a new schema.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from models.examples import Past
from stream.errors import StoreUnavailable
from stream.profiles import Profiles, UserRow

SCHEMA: Final = 2
# 2 added the keys of attributes; a row of 1 has none.
_READ: Final = (1, 2)
_PREFIX: Final = struct.Struct("<q")
Vector = NDArray[np.float32]


class _Row(Struct, omit_defaults=True, kw_only=True):
    """What lies behind the position. Arrays are raw and little-endian, newest entry first."""

    schema: int
    types: list[str] = []
    counts: list[int] = []
    last_time: float = 0.0
    items: bytes = b""
    times: bytes = b""
    kinds: bytes = b""
    values: bytes = b""
    seen: bytes = b""
    masks: bytes = b""
    attributes: dict[str, Any] = {}
    attribute_keys: bytes = b""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Row)


@dataclass(frozen=True)
class StoredRow:
    """A decoded row; `row` is None for a user of whom nothing can be learned."""

    position: int
    row: UserRow | None
    attributes: dict[str, Any]


def encode_row(
    position: int, row: UserRow | None, attributes: dict[str, Any] | None = None
) -> bytes:
    """Bytes of a row as it is once every event below `position` is applied."""
    packed = _Row(schema=SCHEMA, attributes=attributes or {})
    if row is not None:
        past, values = row.past, row.past.history_value
        packed = _Row(
            schema=SCHEMA, types=row.types, counts=[row.counts.get(n, 0) for n in row.types],
            last_time=row.last_time, items=_raw(past.history_key, "<u8"),
            times=_raw(past.history_time, "<f8"), kinds=_raw(past.history_type, "u1"),
            # Most histories hold no value at all.
            values=b"" if np.isnan(values).all() else _raw(values, "<f4"),
            seen=_raw(past.seen_key, "<u8"), masks=_raw(past.seen_mask, "<u2"),
            attributes=attributes or {}, attribute_keys=_raw(past.attribute_key, "<u8"),
        )  # fmt: skip
    return _PREFIX.pack(position) + _encoder.encode(packed)


def decode_row(raw: bytes) -> StoredRow:
    """Raises StoreUnavailable (kind corrupt) for bytes that are no row of a known schema."""
    try:
        (position,) = _PREFIX.unpack_from(raw)
        packed = _decoder.decode(memoryview(raw)[_PREFIX.size :])
        if packed.schema not in _READ:
            raise StoreUnavailable(
                f"a row has schema {packed.schema}, this build reads {SCHEMA}; "
                "`freshet store rebuild` writes all rows anew",
                "corrupt",
            )
        return StoredRow(position, _user_row(packed), packed.attributes)
    except (struct.error, ValueError, msgspec.MsgspecError) as error:
        raise StoreUnavailable(f"a row cannot be read: {error}", "corrupt") from None


def _user_row(packed: _Row) -> UserRow | None:
    counts = {n: c for n, c in zip(packed.types, packed.counts, strict=True) if c}
    if not counts and not packed.attribute_keys:
        return None
    history, seen, told = (
        len(column) // 8 for column in (packed.items, packed.seen, packed.attribute_keys)
    )
    past = Past(
        np.array([0, history]), _array(packed.items, "<u8", history),
        _array(packed.times, "<f8", history), _array(packed.kinds, "u1", history),
        _array(packed.values, "<f4", history) if packed.values else np.full(history, np.nan),
        np.array([0, seen]), _array(packed.seen, "<u8", seen), _array(packed.masks, "<u2", seen),
        np.array([0, told]), _array(packed.attribute_keys, "<u8", told),
    )  # fmt: skip
    past = past._replace(history_value=past.history_value.astype(np.float64))
    return UserRow(past, packed.types, counts, packed.last_time)


def _raw(column: NDArray[Any], dtype: str) -> bytes:
    return column.astype(dtype, copy=False).tobytes()


def _array(raw: bytes, dtype: str, length: int) -> NDArray[Any]:
    """A copy, for kernels take only arrays that may be written. Raises ValueError."""
    found = np.frombuffer(raw, dtype)
    if len(found) != length:
        raise ValueError(f"a column holds {len(found)} entries where {length} belong")
    return found.copy()


def encode_embedding(position: int, vector: Vector) -> bytes:
    """Bytes of a user's embedding as the model had it at `position` of the examples."""
    return _PREFIX.pack(position) + _raw(vector, "<f4")


def decode_embedding(raw: bytes) -> tuple[int, Vector]:
    """Raises StoreUnavailable (kind corrupt)."""
    if len(raw) < _PREFIX.size or len(raw) % 4:
        raise StoreUnavailable(f"an embedding of {len(raw)} bytes cannot be read", "corrupt")
    return _PREFIX.unpack_from(raw)[0], np.frombuffer(raw, "<f4", offset=_PREFIX.size).copy()


def rows_of(profiles: Profiles, position: int) -> Iterator[tuple[str, bytes]]:
    """Every user of a partition, encoded, for a refill; `position` is what `profiles` is at."""
    for user_id in profiles.all_user_ids():
        row, attributes = profiles.row(user_id), profiles.attributes(user_id)
        yield user_id, encode_row(position, row, attributes)
