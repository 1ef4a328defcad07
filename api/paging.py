"""Page tokens: all that the next page of a list depends on, so that any process can serve it.

A token holds what was wanted and the items of the pages before, by their keys; nothing is kept
here. Whoever changes one gets another list of their own, and no more than a query could ask for.
"""

from __future__ import annotations

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from binascii import crc32
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from api.errors import Refused
from api.wanted import FIELDS, Options, Wanted
from models.facets import Filters

#: Items of earlier pages a token may hold: beyond, a list has come to its end. 500 are more than
#: anybody scrolls through, and 5 KB of an address.
REMEMBERED: Final = 500
# What a query may hold beside it.
_LONGEST: Final = 1 << 15
_CHECK_BYTES: Final = 4
_VERSION: Final = b"1"


class _Held(Struct, array_like=True):
    user: int
    k: int
    shown: bytes
    exclude: bytes
    include: bytes | None
    category: str | None
    in_stock: bool
    price_min: float | None
    price_max: float | None
    fields: tuple[int, ...] | None
    diversity: float
    explain: bool
    consent: bool


_encoder, _decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(_Held)


def next_page(user: int, wanted: Wanted, consent: bool, listed: Sequence[int]) -> str | None:
    """The token for what comes after `listed` (keys of this page's items); None at the end."""
    f = wanted.filters
    if len(listed) < wanted.k or len(f.shown) + len(listed) > REMEMBERED:
        return None
    fields = None if wanted.fields is None else tuple(FIELDS.index(n) for n in wanted.fields)
    held = _Held(
        user, wanted.k, _packed((*f.shown, *listed)), _packed(f.exclude),
        None if f.include is None else _packed(f.include), f.category, f.in_stock,
        f.price_min, f.price_max, fields, wanted.diversity, wanted.explain, consent,
    )  # fmt: skip
    body = _encoder.encode(held)
    token = urlsafe_b64encode(_VERSION + _check(body) + body).rstrip(b"=").decode()
    return token if len(token) <= _LONGEST else None


def turned(token: str, user: int, wanted: Wanted, options: Options) -> tuple[Wanted, bool]:
    """What the next page wants, and whether it may be kept; what is given beside the token may
    only say the same again, but for `k`. Raises Refused naming `next` or what differs.
    """
    held = _held(token)
    if held.user != user:
        raise Refused(422, "next belongs to the list of somebody else", "next")
    fields = None if held.fields is None else tuple(FIELDS[at] for at in held.fields)
    include = None if held.include is None else _unpacked(held.include)
    filters = Filters(
        held.category, _unpacked(held.exclude), include, held.in_stock, held.price_min,
        held.price_max, _unpacked(held.shown),
    )  # fmt: skip
    page = Wanted(held.k, filters, fields, held.diversity, held.explain)
    _require_same(page, wanted)
    k = held.k if options.k == Options().k else options.k
    return replace(page, k=k), held.consent and options.consent


def _require_same(page: Wanted, given: Wanted) -> None:
    plain = Wanted()
    for name in ("fields", "diversity", "explain"):
        _compare(name, getattr(given, name), getattr(page, name), getattr(plain, name))
    for name in ("category", "include", "exclude", "in_stock", "price_min", "price_max"):
        told, held = getattr(given.filters, name), getattr(page.filters, name)
        if isinstance(told, tuple) and isinstance(held, tuple):
            told, held = set(told), set(held)
        _compare(name, told or None, held or None, None)


def _compare(name: str, told: object, held: object, default: object) -> None:
    if told not in (default, held):
        raise Refused(422, f"{name} differs from that of the first page, which next holds", name)


def _held(token: str) -> _Held:
    try:
        if len(token) > _LONGEST or not token.isascii():
            raise ValueError
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        body = raw[1 + _CHECK_BYTES :]
        if raw[: 1 + _CHECK_BYTES] != _VERSION + _check(body):
            raise ValueError
        held = _decoder.decode(body)
        if not _is_sane(held):
            raise ValueError
        return held
    except (ValueError, NotBase64, msgspec.MsgspecError):
        message = "next is not a page this service has given out"
        raise Refused(422, message, "next") from None


def _is_sane(held: _Held) -> bool:
    columns = (held.shown, held.exclude, held.include or b"")
    return (
        1 <= held.k <= 100
        and 0.0 <= held.diversity <= 1.0
        and all(len(column) % 8 == 0 for column in columns)
        and all(0 <= at < len(FIELDS) for at in held.fields or ())
    )


def _check(body: bytes) -> bytes:
    """Against slips, not against forgers, who gain nothing."""
    return crc32(body).to_bytes(_CHECK_BYTES)


def _packed(keys: Sequence[int | str]) -> bytes:
    if not keys:
        return b""
    known = [key for key in keys if isinstance(key, int)]
    return struct.pack(f"<{len(known)}Q", *known)


def _unpacked(raw: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(raw) // 8}Q", raw)
