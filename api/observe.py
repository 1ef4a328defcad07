"""Around every request: its id, the headers every answer carries, its time, its last resort."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import Final

import structlog
from msgspec import Struct
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import ClientGone, Refused, envelope
from api.metrics import Metrics
from stream import trace

#: Key of the scope under which routes find `Seen`.
SEEN: Final = "freshet.seen"
#: Only what the server itself holds may run or be shown; nobody may frame it.
POLICY: Final = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)

Marks = tuple[tuple[bytes, bytes], ...]


def marks_with(policy: str) -> Marks:
    """Headers that every answer carries, with what a page of its own may load and run."""
    return (
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"content-security-policy", policy.encode()),
    )


#: Headers of every answer, unless its call has marks of its own.
MARKS: Final = marks_with(POLICY)
#: The route of what no call has taken.
UNMATCHED: Final = "unmatched"
_CLIENT_GONE: Final = 499  # a status of nginx's: the client left before the answer

logger = structlog.get_logger(__name__)


class Seen(Struct):
    """What is known of a request so far. `route` is a template, never a path with ids."""

    request_id: str
    route: str = UNMATCHED
    status: int = 0
    ids: Mapping[str, str] = {}  # of the path, for the log
    marks: Marks = MARKS


def new_request_id() -> str:
    """16 digits that tell requests apart; nothing is guarded by them, so no secret is drawn."""
    return f"{random.getrandbits(64):016x}"


class Observe:
    """ASGI middleware around all others. Its order: the answer is sent, then it is counted."""

    def __init__(self, app: ASGIApp, metrics: Metrics, access: bool = False) -> None:
        self._app = app
        self._metrics = metrics
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seen = scope[SEEN] = Seen(new_request_id())
        # The task is the request's own, and so is its context.
        trace.current.set(trace.of_request(scope["headers"]))
        trace.request.set(seen.request_id)
        span = trace.begin(scope["method"])
        started = time.perf_counter()

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
                request_id = (b"x-request-id", seen.request_id.encode())
                message["headers"] = [*message["headers"], request_id, *seen.marks]
            await send(message)

        try:
            await self._app(scope, receive, send_marked)
        except ClientGone:
            seen.status = _CLIENT_GONE
        except Exception:
            logger.exception("unexpected error", request_id=seen.request_id, route=seen.route)
            if seen.status:
                raise
            refused = Refused(500, "an unexpected error, which was logged under this request_id")
            await envelope(refused, seen.request_id)(scope, receive, send_marked)
        finally:
            seconds = time.perf_counter() - started
            if span is not None:
                span.end(route=seen.route, status=seen.status)
            self._metrics.observe(seen.route, seen.status or _CLIENT_GONE, seconds)
            if self._access:
                logger.info(
                    "request", method=scope["method"], route=seen.route,
                    status=seen.status or _CLIENT_GONE, ms=round(seconds * 1e3, 2), **seen.ids,
                )  # fmt: skip
