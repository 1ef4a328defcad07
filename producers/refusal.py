"""From a refusing answer, or none, to an error that names the line of the data file."""

from typing import Any

import httpx
import msgspec

from producers.errors import IngestRefused, SinkUnavailable
from producers.readers.dataset import Record

_Batch = list[dict[str, Any]]


def refusal(response: httpx.Response, kind: str, part: _Batch, url: str) -> IngestRefused:
    error = _envelope(response)
    status = response.status_code
    field = error.get("field") if isinstance(error.get("field"), str) else None
    message = str(error.get("message") or f"status {status}")
    element = _element(field, kind, part)
    if element is None:
        hint = {401: " (an API key is needed)", 403: " (the key may not import)"}.get(status, "")
        return IngestRefused(f"{url} refused: {message}{hint}", status=status, field=field)
    inner = ".".join((field or "").split(".")[2:])
    where = f"{place(element)}, {inner}" if inner else place(element)
    text = f"{where}: {message}"
    return IngestRefused(text, status=status, field=field, **source(element))


def unreachable(error: httpx.TransportError, url: str) -> SinkUnavailable:
    """What to raise where there was no answer at all."""
    if isinstance(error, httpx.ConnectError):
        return SinkUnavailable(f"nobody listens at {url}: is the server running?")
    return SinkUnavailable(f"no answer from {url} ({type(error).__name__})")


def _envelope(response: httpx.Response) -> dict[str, Any]:
    try:
        error = msgspec.json.decode(response.content)["error"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return {}
    return error if isinstance(error, dict) else {}


def _element(field: str | None, kind: str, part: _Batch) -> dict[str, Any] | None:
    """The element that a field path such as `events.3.value` speaks of."""
    steps = (field or "").split(".")
    if len(steps) < 2 or steps[0] != kind or not (steps[1].isascii() and steps[1].isdigit()):
        return None
    index = int(steps[1])
    return part[index] if index < len(part) else None


def place(element: dict[str, Any]) -> str:
    """Where an element comes from, in words."""
    if isinstance(element, Record):
        return f"{element.file}, line {element.line}"
    names = ("event_id", "item_id", "user_id")
    return next((f"{name} {element[name]}" for name in names if name in element), "an element")


def source(element: dict[str, Any]) -> dict[str, Any]:
    """The same as arguments of IngestRefused."""
    if isinstance(element, Record):
        return {"file": element.file, "line": element.line}
    return {}
