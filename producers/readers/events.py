"""JSON lines: one event a line, as it would be posted; unknown fields are kept."""

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


def read_events(path: Path) -> Dataset:
    """An event without `event_id` gets `<dataset>:<line>`."""
    if not any(text.strip() for _, text in numbered_lines(path)):
        raise ReadError(path.name, "one JSON event a line, but the file is empty")
    return Dataset(path.stem, _events(path))


def _events(path: Path) -> Iterator[dict[str, Any]]:
    for line, text in numbered_lines(path):
        if text.strip():
            content = _object(text, path.name, line)
            content.setdefault("event_id", f"{path.stem}:{line}")
            yield Record(path.name, line, _checked(content, path.name, line))


def _object(text: str, file: str, line: int) -> dict[str, Any]:
    try:
        content = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise ReadError(file, "one JSON object with finite numbers", line=line) from None
    if not isinstance(content, dict):
        raise ReadError(file, "a JSON object, one event", line=line)
    return content


def _checked(event: dict[str, Any], file: str, line: int) -> dict[str, Any]:
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
        raise ReadError(file, error.expected, line=line, column=field) from None
    return event


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
