"""Ids in paths are matched as they were sent, so that `a%2Fb` stays one id."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from starlette.convertors import Convertor, register_url_convertor
from starlette.types import ASGIApp, Receive, Scope, Send

from stream.errors import InvalidEvent
from stream.events import check_id

_ENCODED = re.compile(r"(?:[^%]|%[0-9A-Fa-f]{2})*", re.DOTALL)


class RawPath:
    """ASGI middleware: routes see the path before percent-decoding."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            raw = scope.get("raw_path")
            scope["path"] = raw.decode("latin-1") if raw else quote(scope["path"])
        await self._app(scope, receive, send)


class RawConvertor(Convertor[str]):
    """A path segment, also an empty one: then the answer can name the id that is missing."""

    regex = "[^/]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: Any) -> str:
        return quote(str(value), safe="")


register_url_convertor("raw", RawConvertor())


def id_from_path(field: str, segment: str) -> str:
    """Decode and check an id of a path. Raises InvalidEvent.

    >>> id_from_path("item_id", "a%2Fb%2C%C3%BC%3F")
    'a/b,ü?'
    """
    text = segment if segment.isascii() and "%" not in segment else _decoded(field, segment)
    check_id(field, text)
    return text


def _decoded(field: str, segment: str) -> str:
    if not _ENCODED.fullmatch(segment):
        raise InvalidEvent(field, "has a % that begins no percent-encoded byte; write it as %25")
    try:
        return unquote_to_bytes(segment.encode("latin-1")).decode()
    except UnicodeDecodeError:
        raise InvalidEvent(field, "must be percent-encoded UTF-8") from None
