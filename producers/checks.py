"""Records as sinks of the log take them: checked by the same functions as over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

from producers.errors import IngestRefused
from stream.errors import InvalidEvent
from stream.events import parse_item, parse_user
from stream.manifest import Manifest
from stream.service import Checked, accept, control_body

Record = dict[str, Any]


def checked_events(
    events: list[Record], manifest: Manifest, imported: bool, limit: int | None = None
) -> list[Checked]:
    """The events for the log, without those whose consent is withheld. Raises IngestRefused."""
    now = time.time()
    checked = (
        _tried(event, lambda raw: accept(raw, now, manifest, imported), limit) for event in events
    )
    return [one for one in checked if one is not None]


def checked_items(items: list[Record], limit: int | None = None) -> list[bytes]:
    """The log's bytes of catalogue records. Raises IngestRefused."""
    return [control_body("item", _tried(item, parse_item, limit)) for item in items]


def checked_users(users: list[Record], limit: int | None = None) -> list[tuple[str, bytes]]:
    """(user id, the log's bytes) of users' attributes. Raises IngestRefused."""
    checked = [_tried(user, parse_user, limit) for user in users]
    return [(user.user_id, control_body("user", user)) for user in checked]


def _tried(record: Record, check: Callable[[bytes], Any], limit: int | None) -> Any:
    """The checked record of at most `limit` bytes."""
    raw = msgspec.json.encode(record)
    try:
        if limit is not None and len(raw) > limit:
            raise InvalidEvent("", f"must stay below {limit} bytes")
        return check(raw)
    except InvalidEvent as error:
        raise _refused(record, error) from None


def _refused(record: Record, error: InvalidEvent) -> IngestRefused:
    """The error with the record's place in its file."""
    file, line = getattr(record, "file", None), getattr(record, "line", None)
    place = f"{file}, line {line}: " if file else ""
    return IngestRefused(f"{place}{error}", field=error.field, file=file, line=line)
