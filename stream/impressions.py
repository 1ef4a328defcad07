"""The `impression` record: a list as it was shown. The server writes it, beside the feedback."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct

from stream.errors import InvalidEvent
from stream.events import ID_LENGTH, check_id, decode

#: Name of the record. Clients cannot send it; a broker's records may hold it.
IMPRESSION: Final = "impression"
#: How a record of our own begins; one from a broker may begin otherwise.
BEGINNING: Final = b'{"type":"impression",'
#: Items a list may have.
ITEMS: Final = 100
_FURTHEST: Final = 10_000
_LARGEST: Final = 1e9
_BOUNDS: Final = {
    "place": f"must be from 0 to {_FURTHEST - 1}",
    "propensity": "must be above 0 and at most 1",
    "score": "must be a finite number of at most 1e9",
}


class Shown(Struct, gc=False):
    """One item of a list: `place` counts from 0, `propensity` is the chance it had to be there.

    `score` is the ranker's as it was then. Without it the list teaches nothing about places.
    """

    item_id: str
    place: int
    propensity: float = 1.0
    score: float | None = None


class Impression(Struct, kw_only=True, omit_defaults=True, tag_field="type", tag=IMPRESSION):
    """A list that was shown; without a `timestamp` it was shown when it was received."""

    user_id: str
    recommendation_id: str
    items: Sequence[Shown]
    served_by: str = ""
    model_id: str = ""
    timestamp: str | float | None = None
    consent: bool | None = None


_Id = Annotated[str, Meta(min_length=1, max_length=ID_LENGTH)]
_Name = Annotated[str, Meta(max_length=ID_LENGTH)]


class _SoundItem(Shown, gc=False):
    """One within its bounds: what the decoder checks need not be looked at again."""

    item_id: _Id
    place: Annotated[int, Meta(ge=0, lt=_FURTHEST)]
    propensity: Annotated[float, Meta(gt=0.0, le=1.0)] = 1.0
    score: Annotated[float, Meta(ge=-_LARGEST, le=_LARGEST)] | None = None


class _Sound(Impression, kw_only=True, tag_field="type", tag=IMPRESSION):
    user_id: _Id
    recommendation_id: _Id
    items: Annotated[list[_SoundItem], Meta(min_length=1, max_length=ITEMS)]
    served_by: _Name = ""
    model_id: _Name = ""


_impression = msgspec.json.Decoder(Impression)
_sound = msgspec.json.Decoder(_Sound)
_encode: Final = msgspec.json.Encoder().encode


def impression_record(impression: Impression) -> bytes:
    """The log's bytes of a list that was shown.

    >>> impression_record(Impression(user_id="u", recommendation_id="r", items=[]))[:44]
    b'{"type":"impression","user_id":"u","recommen'
    """
    return _encode(impression)


def sound_impression(raw: bytes | Raw) -> Impression | None:
    """The record where all of it is as it should be; None says nothing of what is wrong."""
    try:
        shown = _sound.decode(raw)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    ids = [item.item_id for item in shown.items]
    names = (shown.user_id, shown.recommendation_id, shown.served_by, shown.model_id, *ids)
    if len(set(ids)) < len(ids) or len({item.place for item in shown.items}) < len(ids):
        return None
    return shown if "".join(names).isprintable() else None


def parse_impression(raw: bytes | Raw) -> Impression:
    """Return the checked record. Raises InvalidEvent naming field and cause."""
    sound = sound_impression(raw)
    return _checked(decode(_impression, raw)) if sound is None else sound


def _checked(impression: Impression) -> Impression:
    """The same, a field at a time, to name what is wrong. Raises InvalidEvent."""
    check_id("user_id", impression.user_id)
    check_id("recommendation_id", impression.recommendation_id)
    for name in ("served_by", "model_id"):
        if getattr(impression, name):
            check_id(name, getattr(impression, name))
    _check_items(impression.items)
    return impression


def _check_items(items: Sequence[Shown]) -> None:
    if not 1 <= len(items) <= ITEMS:
        raise InvalidEvent("items", f"must have 1 to {ITEMS} entries")
    for at, item in enumerate(items):
        field = _unsound(item)
        if field == "item_id":
            check_id(f"items.{at}.item_id", item.item_id)
        elif field is not None:
            raise InvalidEvent(f"items.{at}.{field}", _BOUNDS[field])
    if len({item.item_id for item in items}) < len(items):
        raise InvalidEvent("items", "must not hold one item_id twice")
    if len({item.place for item in items}) < len(items):
        raise InvalidEvent("items", "must not hold one place twice")


def _unsound(item: Shown) -> str | None:
    """The first field that is out of bounds."""
    if not (1 <= len(item.item_id) <= ID_LENGTH and item.item_id.isprintable()):
        return "item_id"
    if not 0 <= item.place < _FURTHEST:
        return "place"
    if not 0.0 < item.propensity <= 1.0:
        return "propensity"
    if item.score is not None and not abs(item.score) <= _LARGEST:
        return "score"
    return None
