"""Bodies: from bytes to checked events and records, with every mistake named by its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Raw, structs

from api.errors import Refused, within
from api.limits import BATCH
from api.query import unknown_name
from api.wanted import OPTIONS, Options, options_of_body
from stream.canary import refuse_canary
from stream.errors import InvalidEvent
from stream.events import (
    Item,
    User,
    check_id,
    decode,
    parse_feedback,
    parse_item,
    parse_user,
    time_of,
)
from stream.manifest import Manifest
from stream.profiles import Profiles, UserRow
from stream.records import LogRecord
from stream.service import Checked, accept, check_time

T = TypeVar("T")
S = TypeVar("S", Item, User)

_object = msgspec.json.Decoder(dict[str, Raw])
_array = msgspec.json.Decoder(list[Raw])
_anything = msgspec.json.Decoder(Any)
_texts = msgspec.json.Decoder(list[str])

_ITEM_FIELDS: Final = tuple(n for n in Item.__struct_fields__ if n != "deleted")
_USER_FIELDS: Final = User.__struct_fields__
# Options of a list that is shown to somebody now.
_ONE_LIST: Final = ("explain", "consent", "next")
#: Who a session's events belong to, while they are asked about.
_SOMEBODY: Final = b'"session"'


@dataclass(frozen=True)
class Session:
    """Events that came with a request for recommendations, and what is wanted."""

    records: list[LogRecord]
    options: Options

    def row(self, manifest: Manifest) -> UserRow | None:
        """What stage one would know of a user with these events; nothing of it is kept."""
        small = structs.replace(manifest, dedup_window=1024, scoring="all")
        profiles = Profiles(small)
        profiles.step(self.records)
        return profiles.row("session") if self.records else None


def events_of(
    body: bytes, received_at: float, manifest: Manifest, imported: bool
) -> list[Checked | None]:
    """Check one event or a batch, in order; None stands where consent is withheld.

    Raises InvalidEvent or Refused naming the first thing wrong; then none may be learned.
    """
    fields = _fields(body)
    if "events" not in fields:
        return [accept(body, received_at, manifest, imported)]
    _only(fields, ("events",), "the batch")
    return _each(
        "events",
        _batch(fields["events"], "events"),
        lambda raw: accept(raw, received_at, manifest, imported),
    )


def items_of(body: bytes) -> list[Item]:
    """Check a batch of catalogue records."""
    return _records(body, "items", parse_item, _ITEM_FIELDS)


def users_of(body: bytes) -> list[User]:
    """Check a batch of users' attributes."""
    return _records(body, "users", _client_user, _USER_FIELDS)


def _client_user(raw: Raw) -> User:
    user = parse_user(raw)
    refuse_canary(user.user_id)
    return user


def session_of(body: bytes, now: float, manifest: Manifest) -> Session:
    """Check a session's events like feedback, but that they need no `user_id` and may be old."""
    fields = _fields(body)
    _only(fields, ("events", *OPTIONS), "the request")
    if "events" not in fields:
        raise InvalidEvent("events", "is required")
    options = options_of_body(fields)
    raws = _batch(fields["events"], "events", empty=True)
    events = _each("events", raws, lambda raw: _session_event(raw, now, manifest))
    given = [event for event in events if event is not None]
    return Session([LogRecord(at, now, True, event) for at, event in enumerate(given)], options)


def crowd_of(body: bytes) -> tuple[list[str], Options]:
    """Users whose lists are wanted, and the options of all of them."""
    fields = _fields(body)
    known = [name for name in OPTIONS if name not in _ONE_LIST]
    _only(fields, ("user_ids", *known), "the request")
    if "user_ids" not in fields:
        raise InvalidEvent("user_ids", "is required")
    try:
        user_ids: list[str] = decode(_texts, fields["user_ids"])
    except InvalidEvent as error:
        raise within("user_ids", error) from None
    if not 1 <= len(user_ids) <= BATCH:
        raise InvalidEvent("user_ids", f"must have 1 to {BATCH} elements")
    for at, user_id in enumerate(user_ids):
        check_id(f"user_ids.{at}", user_id)
    return user_ids, options_of_body(fields)


def _session_event(raw: Raw, now: float, manifest: Manifest) -> bytes | None:
    fields = decode(_object, raw)
    body = msgspec.json.encode({"user_id": Raw(_SOMEBODY), **fields})
    event = parse_feedback(body)
    time = time_of(event.timestamp, now)
    check_time(max(time, now), now, manifest)
    if event.consent is False:
        return None
    return msgspec.json.encode({**fields, "user_id": Raw(_SOMEBODY)})


def _fields(body: bytes) -> dict[str, Raw]:
    try:
        # The decoder skips what nobody reads; what goes into the log must be text all through.
        body.decode()
    except UnicodeDecodeError:
        raise InvalidEvent("", "is not valid JSON: it is not UTF-8") from None
    try:
        fields: dict[str, Raw] = decode(_object, body)
    except InvalidEvent as error:
        # The decoder stops at the first byte of another type: what follows may be no JSON.
        if not error.field:
            decode(_anything, body)
        raise
    return fields


def _only(fields: dict[str, Raw], known: Sequence[str], whole: str) -> None:
    for name in fields:
        if name not in known:
            raise Refused(422, f"{whole} {unknown_name(name, known)}")


def _batch(raw: Raw, name: str, empty: bool = False) -> list[Raw]:
    try:
        batch: list[Raw] = decode(_array, raw)
    except InvalidEvent as error:
        raise within(name, error) from None
    if not batch and not empty:
        raise InvalidEvent(name, "must not be empty")
    if len(batch) > BATCH:
        raise InvalidEvent(name, f"must have at most {BATCH} elements; send smaller batches")
    return batch


def _each(name: str, batch: list[Raw], check: Callable[[Raw], T]) -> list[T]:
    checked = []
    for at, raw in enumerate(batch):
        try:
            checked.append(check(raw))
        except InvalidEvent as error:
            raise within(f"{name}.{at}", error) from None
    return checked


def _records(body: bytes, name: str, parse: Callable[[Raw], S], known: Sequence[str]) -> list[S]:
    fields = _fields(body)
    _only(fields, (name,), "the batch")
    if name not in fields:
        raise InvalidEvent(name, "is required")

    def check(raw: Raw) -> S:
        for field in decode(_object, raw):
            if field not in known:
                raise InvalidEvent("", unknown_name(field, known))
        return parse(raw)

    return _each(name, _batch(fields[name], name), check)
