"""503 for what the bounded queue has no room for: written ahead, as early as it can be told.

Under overload most of the work would otherwise be refusals.
"""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from api.load import PLACE, Load
from api.metrics import Metrics
from api.observe import MARKS, SEEN, UNMATCHED, new_request_id

#: Asked while nothing else is answered, and what tells of the overload.
EXEMPT: Final = frozenset({"/livez", "/readyz", "/metrics"})

_BEFORE, _AFTER = msgspec.json.encode({"error": {
    "code": "unavailable",
    "message": "more requests wait than can be answered in time; come again later",
    "field": None, "request_id": "@",
}}).split(b"@")  # fmt: skip
_ID_LENGTH: Final = len(new_request_id())
_HEADERS: Final = (
    (b"content-type", b"application/json"),
    (b"content-length", str(len(_BEFORE) + _ID_LENGTH + len(_AFTER)).encode()),
    (b"cache-control", b"no-store"),
    # Long enough for a queue to be worked off, short enough that clients do not give up.
    (b"retry-after", b"1"),
)
_HEAD: Final = b"".join((
    b"HTTP/1.1 503 Service Unavailable\r\n",
    *(b"%b: %b\r\n" % header for header in (*_HEADERS, *MARKS)),
    b"x-request-id: ",
))  # fmt: skip


class Refusal:
    """The whole answer to a request, head and body, from where no work has been done for it yet."""

    def __init__(self, load: Load, metrics: Metrics) -> None:
        self._load = load
        self._metrics = metrics

    def is_due(self, place: int) -> bool:
        """Whether there is no room for a request with so many before it."""
        return self._load.is_full(place)

    def answer(self) -> bytes:
        """What to write; it is counted."""
        self._load.shed("refused")
        self._metrics.observe(UNMATCHED, 503, 0.0)
        request_id = new_request_id().encode()
        return b"".join((_HEAD, request_id, b"\r\n\r\n", _BEFORE, request_id, _AFTER))


class Shed:
    """ASGI middleware: refuses what nobody has refused before, such as requests with a body."""

    def __init__(self, app: ASGIApp, load: Load) -> None:
        self._app = app
        self._load = load

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in EXEMPT:
            await self._app(scope, receive, send)
            return
        load = self._load
        try:
            if load.enter(scope.get(PLACE, load.in_flight)):
                await self._app(scope, receive, send)
                return
            load.shed("refused")
            await _refuse(scope[SEEN].request_id, send)
        finally:
            load.leave()


async def _refuse(request_id: str, send: Send) -> None:
    await send({"type": "http.response.start", "status": 503, "headers": list(_HEADERS)})
    await send({"type": "http.response.body", "body": _BEFORE + request_id.encode() + _AFTER})
