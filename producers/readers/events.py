"""JSON lines: one record a line, events as they would be posted; unknown fields are kept.

A line may also be a catalogue record (`"type": "item"`), a user's attributes (`"user"`), or an
`impression`, which is left out: a system writes those of its own lists.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from producers.errors import ReadError
from producers.readers import cells
from producers.readers.dataset import Dataset, Record
from producers.readers.feedback import LOWEST_RATING, TOP_RATING
from producers.readers.lines import numbered_lines

# These name an event or a session, not an item.
_WITHOUT_ITEM = ("retract", "identify")


# Records of a log that are no events of a client.
_DESCRIBING = ("item", "user")
_SHOWN = "impression"


def read_events(path: Path) -> Dataset:
    """An event without `event_id` gets `<dataset>:<line>`."""
    if not any(text.strip() for _, text in numbered_lines(path)):
        raise ReadError(path.name, "one JSON event a line, but the file is empty")
    items, users = (_described(path, kind) for kind in _DESCRIBING)
    return Dataset(path.stem, _events(path), items, users)


def _records(path: Path, strict: bool = True) -> Iterator[Record]:
    """All lines; one that is no object is passed over or, where `strict`, refused."""
    for line, text in numbered_lines(path):
        if text.strip():
            try:
                yield Record(path.name, line, _object(text, path.name, line))
            except ReadError:
                if strict:
                    raise


def _events(path: Path) -> Iterator[dict[str, Any]]:
    for record in _records(path):
        if record.get("type") not in (*_DESCRIBING, _SHOWN):
            record.setdefault("event_id", f"{path.stem}:{record.line}")
            _check(record)
            yield record


def _described(path: Path, kind: str) -> Iterator[dict[str, Any]]:
    # What is broken is told in its place among the events, when those before it are sent.
    for record in _records(path, strict=False):
        if record.get("type") == kind:
            del record["type"]
            try:
                _string(record.get(f"{kind}_id"))
            except cells.CellError as error:
                column = f"{kind}_id"
                raise ReadError(
                    path.name, error.expected, line=record.line, column=column
                ) from None
            yield record


def _object(text: str, file: str, line: int) -> dict[str, Any]:
    try:
        content = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise ReadError(file, "one JSON object with finite numbers", line=line) from None
    if not isinstance(content, dict):
        raise ReadError(file, "a JSON object, one event", line=line)
    return content


def _check(event: Record) -> None:
    """Raise ReadError; the time becomes seconds."""
    field = "type"
    try:
        kind = _string(event.get("type"))
        for field in ("event_id", "user_id", "item_id"):
            if field in event or not (field == "item_id" and kind in _WITHOUT_ITEM):
                _string(event.get(field))
        field = "value"
        _check_value(kind, event.get("value"))
        field = "timestamp"
        if event.get("timestamp") is not None:
            event["timestamp"] = _seconds(event["timestamp"])
    except cells.CellError as error:
        raise ReadError(event.file, error.expected, line=event.line, column=field) from None


def _string(value: Any) -> str:
    if isinstance(value, int | float):
        raise cells.CellError("a string (put the number in quotes)")
    if not isinstance(value, str):
        raise cells.CellError("a string")
    return cells.identifier(value)


def _check_value(kind: str, value: Any) -> None:
    if kind == "rating":
        cells.within(_float(value), LOWEST_RATING, TOP_RATING)
    elif value is not None:
        _float(value)


def _seconds(value: Any) -> float:
    if isinstance(value, str):
        return cells.rfc3339(value)
    return cells.epoch_seconds(_float(value, "seconds since the epoch or an RFC 3339 time"))


def _float(value: Any, expected: str = "a number") -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise cells.CellError(expected)
    try:
        return float(value)
    except OverflowError:
        raise cells.CellError(expected) from None
