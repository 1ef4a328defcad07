"""A record of the log: bytes as they were accepted, and what the log adds."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from stream.events import decode


class _Kind(Struct):
    type: str


_kind = msgspec.json.Decoder(_Kind)


class NewRecord(Struct, frozen=True):
    """A record to append. `identity` is the event's key for the dedup window, None for control.

    `context` is the trace it belongs to; the log may forget it.
    """

    body: bytes
    imported: bool = False
    identity: int | None = None
    context: bytes | None = None


class LogRecord(Struct, frozen=True):
    """A record as it lies in the log; `received_at` is seconds since the epoch."""

    offset: int
    received_at: float
    imported: bool
    body: bytes
    context: bytes | None = None

    def kind(self) -> str:
        """The record's type. Raises InvalidEvent when the body is no record."""
        kind: str = decode(_kind, self.body).type
        return kind

    def json(self) -> dict[str, Any]:
        body: dict[str, Any] = msgspec.json.decode(self.body)
        return body
