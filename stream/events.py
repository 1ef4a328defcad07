"""The event: its fields, its checks, and what each mistake is called.

The HTTP tier and stage one check with the same functions, so that what is answered 2xx is
never refused later. No message repeats what was sent.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from stream.errors import InvalidEvent

ID_LENGTH: Final = 128
CONTEXT_KEYS: Final = 20
TEXT_LENGTH: Final = 10_000
LIST_LENGTH: Final = 100
_LARGEST: Final = 1e9

#: Records of the log that are not feedback. Feedback may not carry these names.
CONTROL: Final = frozenset({"manifest", "setting", "item", "user", "impression"})
#: Names with a place in the format whose meaning comes later.
RESERVED: Final = frozenset({"load", "forget", "retract", "identify"})

Scalar = str | int | float | bool | None


class Feedback(Struct, kw_only=True):
    """One event as it is sent; unknown fields stay in the log's bytes."""

    type: str
    user_id: str
    item_id: str
    value: float | None = None
    event_id: str | None = None
    timestamp: str | float | None = None
    session_id: str | None = None
    recommendation_id: str | None = None
    context: dict[str, Scalar] | None = None
    consent: bool | None = None
    schema: int | None = None


class Item(Struct, kw_only=True, omit_defaults=True):
    """A catalogue record; `deleted` is the log's own mark."""

    item_id: str
    title: str | None = None
    categories: list[str] = []
    description: str | None = None
    tags: list[str] = []
    price: float | None = None
    discount_percent: float | None = None
    stock: float | None = None
    rating: float | None = None
    attributes: dict[str, Scalar] = {}
    available: bool = True
    deleted: bool | UnsetType = UNSET


class User(Struct, kw_only=True):
    """A user's attributes."""

    user_id: str
    attributes: dict[str, Scalar] = {}


_FIELDS: Final = frozenset(
    {"events", "items", "users", "k", *Feedback.__struct_fields__, *Item.__struct_fields__}
    | set(User.__struct_fields__)
)
_feedback = msgspec.json.Decoder(Feedback)
_item = msgspec.json.Decoder(Item)
_user = msgspec.json.Decoder(User)
_TYPE_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_PATH = re.compile(r" - at `(?:key in )?\$(?P<path>[^`]*)`$")
_EXPECTED = re.compile(
    r"^Expected `(?P<expected>[^`]+)`(?:, got `(?P<got>[^`]+)`)?"
    r"(?: (?P<bound>[<>]=? [^ ]+?)(?:\.0)? - at )?"
)


def parse_feedback(raw: bytes | Raw) -> Feedback:
    """Return the checked event. Raises InvalidEvent naming field and cause."""
    event = decode(_feedback, raw)
    _check_schema(event.schema)
    if not _TYPE_NAME.fullmatch(event.type):
        raise InvalidEvent("type", "must be 1-64 of a-z, 0-9 and _, beginning with a letter")
    if event.type in RESERVED:
        raise InvalidEvent("type", "is reserved and not learned yet")
    if event.type in CONTROL:
        raise InvalidEvent("type", "names a record that is not feedback")
    check_id("user_id", event.user_id)
    check_id("item_id", event.item_id)
    for name in ("event_id", "session_id", "recommendation_id"):
        given = getattr(event, name)
        if given is not None:
            check_id(name, given)
    _check_value(event)
    if event.context is not None:
        check_scalars("context", event.context)
    return event


def _check_schema(schema: int | None) -> None:
    if schema is not None and schema != 1:
        raise InvalidEvent("schema", "must be 1, the only schema there is")


def _check_value(event: Feedback) -> None:
    if event.value is None:
        if event.type == "rating":
            raise InvalidEvent("value", "is required for a rating, a number from 1 to 5")
        return
    if not math.isfinite(event.value) or abs(event.value) > _LARGEST:
        raise InvalidEvent("value", "must be a finite number of at most 1e9")
    if event.type == "rating" and not 1.0 <= event.value <= 5.0:
        raise InvalidEvent("value", "must be from 1 to 5 for a rating")


def parse_item(raw: bytes | Raw) -> Item:
    """Return the checked catalogue record. Raises InvalidEvent."""
    item = decode(_item, raw)
    check_id("item_id", item.item_id)
    for name in ("title", "description"):
        text = getattr(item, name)
        if text is not None and len(text) > TEXT_LENGTH:
            raise InvalidEvent(name, f"must be at most {TEXT_LENGTH} characters")
    for name in ("categories", "tags"):
        _check_texts(name, getattr(item, name))
    for name in ("price", "discount_percent", "stock", "rating"):
        number = getattr(item, name)
        if number is not None and not (math.isfinite(number) and 0 <= number <= _LARGEST):
            raise InvalidEvent(name, "must be a finite number from 0 to 1e9")
    check_scalars("attributes", item.attributes)
    return item


def parse_user(raw: bytes | Raw) -> User:
    """Return the checked user record. Raises InvalidEvent."""
    user = decode(_user, raw)
    check_id("user_id", user.user_id)
    check_scalars("attributes", user.attributes)
    return user


def _check_texts(name: str, texts: list[str]) -> None:
    if len(texts) > LIST_LENGTH:
        raise InvalidEvent(name, f"must have at most {LIST_LENGTH} entries")
    for at, text in enumerate(texts):
        check_id(f"{name}.{at}", text)


def check_id(field: str, text: str) -> None:
    """Raise InvalidEvent unless `text` is 1-128 printable code points."""
    if not 1 <= len(text) <= ID_LENGTH:
        raise InvalidEvent(field, f"must be 1 to {ID_LENGTH} characters")
    if not text.isprintable():
        raise InvalidEvent(field, "must hold printable characters only")


def check_scalars(field: str, scalars: dict[str, Scalar]) -> None:
    """Raise InvalidEvent unless there are at most 20 short, finite scalars."""
    if len(scalars) > CONTEXT_KEYS:
        raise InvalidEvent(field, f"must have at most {CONTEXT_KEYS} keys")
    for key, value in scalars.items():
        if not 1 <= len(key) <= ID_LENGTH or not key.isprintable():
            raise InvalidEvent(field, f"keys must be 1 to {ID_LENGTH} printable characters")
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidEvent(field, "numbers must be finite")
        if isinstance(value, int) and abs(value) > 2**63:
            raise InvalidEvent(field, "numbers must be below 2^63")
        if isinstance(value, str) and len(value) > TEXT_LENGTH:
            raise InvalidEvent(field, f"texts must be at most {TEXT_LENGTH} characters")


def time_of(timestamp: str | float | None, received_at: float) -> float:
    """Seconds since the epoch; the time of receipt where there is none. Raises InvalidEvent.

    >>> time_of("1970-01-01T01:00:10+01:00", 0.0), time_of(None, 3.5)
    (10.0, 3.5)
    """
    if timestamp is None:
        return received_at
    if isinstance(timestamp, str):
        return _parse_time(timestamp)
    if not math.isfinite(timestamp) or not 0 <= timestamp < 253_402_300_800:
        raise InvalidEvent("timestamp", "must be seconds since 1970, below the year 10000")
    return float(timestamp)


def _parse_time(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text) if len(text) <= 64 else None
    except ValueError:
        moment = None
    if moment is None:
        raise InvalidEvent("timestamp", "must be RFC 3339, as in 2026-01-31T12:00:00Z, or seconds")
    if moment.tzinfo is None:
        raise InvalidEvent("timestamp", "must name its zone, as in 2026-01-31T12:00:00Z")
    seconds = moment.timestamp()
    if seconds < 0:
        raise InvalidEvent("timestamp", "must not be before 1970")
    return seconds


def decode(decoder: msgspec.json.Decoder[Any], raw: bytes | Raw) -> Any:
    """Decode JSON; every way it can fail becomes an InvalidEvent without a value in it."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise _named(str(error)) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise _unreadable(bytes(raw)) from None


def _unreadable(raw: bytes) -> InvalidEvent:
    """Say why bytes are no event: Python's more lenient parser finds the place, if there is one."""
    try:
        return _offence(json.loads(raw), "") or InvalidEvent("", "is not valid JSON")
    except RecursionError:
        return InvalidEvent("", "is not valid JSON: nested too deep")
    except ValueError:
        return InvalidEvent("", "is not valid JSON")


def _offence(value: Any, path: str) -> InvalidEvent | None:
    if (
        isinstance(value, str)
        and not value.isascii()
        and any("\ud800" <= c <= "\udfff" for c in value)
    ):
        return InvalidEvent(path, "must not hold half of a surrogate pair")
    if isinstance(value, float) and not math.isfinite(value):
        return InvalidEvent(path, "must be a finite number")
    inside: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        inside = value.items()
    elif isinstance(value, list):
        inside = enumerate(value)
    for key, child in inside:
        # A key nobody vouches for is not repeated either.
        name = str(key) if isinstance(key, int) or key in _FIELDS else "…"
        if isinstance(key, str) and (error := _offence(key, path)):
            return error
        if error := _offence(child, f"{path}.{name}".lstrip(".")):
            return error
    return None


def _named(message: str) -> InvalidEvent:
    """Translate msgspec's message, which names the place but says it in its own way.

    >>> str(_named("Expected `str`, got `int` - at `$.events[3].user_id`"))
    'events.3.user_id: must be a string, not a number: put it in quotes'
    >>> str(_named("Object missing required field `item_id`"))
    'item_id: is required'
    >>> str(_named("Expected `float` >= 0.0 - at `$.share`"))
    'share: must be a number >= 0'
    """
    place = _PATH.search(message)
    path = _dotted(place["path"]) if place else ""
    missing = re.match(r"Object missing required field `([^`]+)`", message)
    if missing:
        return InvalidEvent(f"{path}.{missing[1]}".lstrip("."), "is required")
    unknown = re.match(r"Object contains unknown field", message)
    if unknown:
        return InvalidEvent(path, "has a field that is not known here")
    if message.startswith("Invalid enum value"):
        return InvalidEvent(path, "is none of the values that are known here")
    expected = _EXPECTED.match(message)
    if not expected:
        return InvalidEvent(path, "is out of range or malformed")
    kind, got = _SAID.get(expected["expected"], expected["expected"]), expected["got"]
    if expected["expected"].startswith("str") and got in ("int", "float"):
        return InvalidEvent(path, "must be a string, not a number: put it in quotes")
    bound = expected["bound"]
    return InvalidEvent(path, f"must be {kind}" + (f" {bound}" if bound else ""))


_SAID: Final = {
    "str": "a string",
    "str | null": "a string",
    "float": "a number",
    "float | null": "a number",
    "int": "a whole number",
    "int | null": "a whole number",
    "bool": "true or false",
    "bool | null": "true or false",
    "object": "a JSON object",
    "object | null": "a JSON object",
    "array": "a JSON array",
    "array | null": "a JSON array",
    "float | str | null": "RFC 3339 text or seconds as a number",
    "str | float | null": "RFC 3339 text or seconds as a number",
    "bool | int | float | str | null": "a text, a number, true, false or null",
}


def _dotted(path: str) -> str:
    return re.sub(r"\[(\d+)\]", r".\1", path).replace("[...]", "").strip(".")
