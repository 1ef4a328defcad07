"""A log record after its checks, not yet applied."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from stream.canary import is_canary
from stream.errors import InvalidEvent
from stream.events import CONTROL, Feedback, parse_feedback, time_of
from stream.impressions import (
    BEGINNING,
    IMPRESSION,
    Impression,
    parse_impression,
    sound_impression,
)
from stream.manifest import Manifest
from stream.records import LogRecord


class Checked(Struct, frozen=True):
    """An event. `list_id` names the list it was taken from, empty where it names none."""

    record: LogRecord
    event: Feedback
    time: float
    list_id: str = ""
    type_number: int = 0


class CheckedList(Struct, frozen=True):
    """A list that was shown."""

    record: LogRecord
    impression: Impression
    time: float
    list_id: str
    type_number: int = 0


Parsed = Checked | CheckedList


def parsed(record: LogRecord, manifest: Manifest, number_of: Callable[[str], int]) -> Parsed | None:
    """The record's content, None for one of the catalogue or the like. Raises InvalidEvent.

    `number_of` tells the number of an event's type; it is not asked where consent is withheld.
    """
    if record.body.startswith(BEGINNING) and (sound := sound_impression(record.body)):
        return _list(record, sound, manifest)
    kind = record.kind()
    if kind == IMPRESSION:
        return _list(record, parse_impression(record.body), manifest)
    if kind in CONTROL:
        return None
    event = parse_feedback(record.body)
    list_id = _list_id(event.user_id, event.recommendation_id or "")
    time = time_of(event.timestamp, record.received_at)
    number = number_of(event.type) if event.consent is not False else 0
    return Checked(record, event, time, list_id, number)


def is_kept(record: Parsed) -> bool:
    """Whether what it tells may be kept; the HTTP tier has stopped most of the rest.

    A list that was shown to the canary was shown to nobody.
    """
    if isinstance(record, CheckedList):
        shown = record.impression
        return shown.consent is not False and not is_canary(shown.user_id)
    return record.event.consent is not False


def is_in_time(record: LogRecord, time: float, manifest: Manifest) -> bool:
    """Whether a time is near enough to the receipt; imports are old by nature."""
    received = record.received_at
    return record.imported or (
        received - manifest.lateness_s <= time <= received + manifest.future_s
    )


def _list(record: LogRecord, impression: Impression, manifest: Manifest) -> CheckedList:
    time = time_of(impression.timestamp, record.received_at)
    if not is_in_time(record, time, manifest):
        reason = "late" if time < record.received_at else "future"
        raise InvalidEvent(reason, f"timestamp: is too {reason}")
    time = min(time, record.received_at + manifest.future_s)
    list_id = _list_id(impression.user_id, impression.recommendation_id)
    return CheckedList(record, impression, time, list_id)


def _list_id(user_id: str, recommendation_id: str) -> str:
    return f"{len(user_id)}:{user_id}:{recommendation_id}" if recommendation_id else ""
