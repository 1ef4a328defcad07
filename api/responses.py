"""How answers are written: JSON by msgspec, never kept by caches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.responses import Response

_encode: Final = msgspec.json.Encoder().encode


class Answered(Response):
    """An answer whose headers are there as they are sent: lower case, each once."""

    def __init__(self, body: bytes, status: int, headers: Mapping[str, str]) -> None:
        self.status_code = status
        self.body = body
        self.background = None
        self.raw_headers = [(k.encode(), v.encode("latin-1")) for k, v in headers.items()]


def answered(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer. Lists are of this moment, so nobody may keep them."""
    sent = _encode(body)
    written = {
        "content-length": str(len(sent)), "content-type": "application/json",
        "cache-control": "no-store",
    }  # fmt: skip
    if headers:
        written.update((name.lower(), value) for name, value in headers.items())
    return Answered(sent, status, written)
