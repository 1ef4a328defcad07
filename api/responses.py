"""How answers are written: JSON by msgspec, never kept by caches."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec
from starlette.responses import Response

_encode: Final = msgspec.json.Encoder().encode
_JSON: Final = (b"content-type", b"application/json")
_NO_STORE: Final = (b"cache-control", b"no-store")
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class Answered(Response):
    """An answer whose headers are there as they are sent: lower case, each once."""

    def __init__(self, body: bytes, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.status_code = status
        self.body = body
        self.background = None
        self.raw_headers = headers


def answered(body: Any, status: int = 200, headers: Mapping[str, str] = _NONE) -> Response:
    """A JSON answer. Lists are of this moment, so nobody may keep them."""
    sent = _encode(body)
    written = [(b"content-length", b"%d" % len(sent)), _JSON, _NO_STORE]
    for name, value in headers.items():
        header = (name.lower().encode(), value.encode("latin-1"))
        if header[0] == b"cache-control":
            written[2] = header
        else:
            written.append(header)
    return Answered(sent, status, written)
