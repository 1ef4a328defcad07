"""Connections that keep nobody waiting: what uvicorn's protocol leaves open-ended has an end here.

A client may be slow; it may not hold a connection, memory or a place in the queue for nothing.
"""

from __future__ import annotations

from asyncio import BaseTransport, Event, TimerHandle
from typing import Any, Final
from urllib.parse import unquote

import msgspec
from httptools import parse_url
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.exchange import Exchange
from api.load import PLACE
from api.observe import new_request_id
from api.shed import EXEMPT, Refusal

#: From the first byte of a head (of a connection, for its first) to its end.
HEAD_S: Final = 10.0
#: A kept connection without a request is closed after this.
IDLE_S: Final = 5
#: A client that reads nothing of its answer for this long is given up.
READ_S: Final = 30.0
#: Twice the longest query; headers are small beside it.
HEAD_BYTES: Final = 1 << 17
#: What the parser takes; its numbers have 16 bits.
URL_BYTES: Final = (1 << 16) - 1
_WITH_BODY: Final = (b"content-length", b"transfer-encoding", b"expect")


class _Answered:
    """Stands for a request that was answered without a task."""

    response_complete = True
    disconnected = False
    message_event = Event()


_ANSWERED: Final[Any] = _Answered()


class Connection(HttpToolsProtocol):
    """One client's connection, for uvicorn's `http=` beside `ws="none"`.

    Of uvicorn's options it does without `root_path` and `limit_concurrency`.
    """

    #: What answers at once while there are too many requests in hand; None: nothing.
    refusal: Refusal | None = None
    _head_due: TimerHandle | None = None
    _read_due: TimerHandle | None = None
    _idle_due: TimerHandle | None = None
    _idle_since = 0.0
    _head_bytes = 0

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        self.resume_writing()
        if self._idle_due is not None:
            self._idle_due.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._between_requests():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse(431, "too_large", f"the head must be at most {HEAD_BYTES} bytes")
                return
        super().data_received(data)
        if self._head_due is None and self._between_requests():
            self._await_head()

    def on_headers_complete(self) -> None:
        self._head_came()
        place = len(self.tasks)
        refusal = self.refusal
        if refusal is not None and refusal.is_due(place) and self._is_simple():
            self.transport.write(refusal.answer())
            self.cycle = _ANSWERED
            self.on_response_complete()
            return
        is_next, exchange = self._between_requests(), self._exchange(place)
        self.cycle = exchange
        if is_next:
            self._start_asgi_task(exchange, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))

    def _exchange(self, place: int) -> Exchange:
        """Of the head that has come. A request keeps its place, whenever its turn is."""
        scope: Any = self.scope
        parser, url = self.parser, parse_url(self.url)
        scope["method"] = parser.get_method().decode("ascii")
        scope["http_version"] = version = parser.get_http_version()
        scope["raw_path"] = url.path
        path = url.path.decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["query_string"] = url.query or b""
        scope[PLACE] = place
        return Exchange(
            scope, self.transport, self.flow, self.logger, self.access_logger, self.access_log,
            self.server_state.default_headers, Event(), self.expect_100_continue,
            version != "1.0" and parser.should_keep_alive(), self.on_response_complete,
        )  # fmt: skip

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._read_due is None:
            self._read_due = self.loop.call_later(READ_S, self.transport.abort)

    def resume_writing(self) -> None:
        if self._read_due is not None:
            self._read_due.cancel()
            self._read_due = None
        super().resume_writing()

    def on_response_complete(self) -> None:
        """As uvicorn has it, but for a timer that is made anew when it is due, not every time."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self._idle_due is None:
            self._await_request(self.timeout_keep_alive)

    def _await_request(self, seconds: float) -> None:
        self._idle_due = self.loop.call_later(seconds, self._idle)

    def _idle(self) -> None:
        self._idle_due = None
        if self._head_due is not None or not self._between_requests():
            return  # there is a request, whose answer's end asks again
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._await_request(left)
            return
        self.timeout_keep_alive_handler()
        self._abort_if_unread()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is answered like everything else."""
        if len(getattr(self, "url", b"")) > URL_BYTES:
            self._refuse(414, "too_large", f"the address must be at most {URL_BYTES} bytes")
            return
        self._refuse(400, "not_http", "this is not a valid HTTP request")

    def _is_simple(self) -> bool:
        """Whether the head is all there is of a request, and what follows may be answered too."""
        return (
            self.parser.get_method() == b"GET"
            and self.parser.should_keep_alive()
            and not self.parser.should_upgrade()
            and not any(name in _WITH_BODY for name, _ in self.headers)
            and self._between_requests()
            and not self.flow.write_paused
            and self.url.partition(b"?")[0].decode("latin-1") not in EXEMPT
        )

    def _between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _await_head(self) -> None:
        if not self.transport.is_closing():
            self._head_due = self.loop.call_later(HEAD_S, self._too_slow)

    def _head_came(self) -> None:
        self._head_bytes = 0
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _too_slow(self) -> None:
        self._head_due = None
        if not self._head_bytes:  # nothing was asked: an answer would be taken for another's
            self.transport.close()
            return
        self._refuse(408, "timeout", f"the request did not arrive within {HEAD_S:g} s")

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Say why in the envelope, and close."""
        if self.transport.is_closing():
            return
        body = msgspec.json.encode({"error": {
            "code": code, "message": message, "field": None, "request_id": new_request_id(),
        }})  # fmt: skip
        head = (
            f"HTTP/1.1 {status} {_PHRASES[status]}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nx-content-type-options: nosniff\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
        self._abort_if_unread()

    def _abort_if_unread(self) -> None:
        """A closed connection with unread bytes would stay until they are read."""
        if self.transport.get_write_buffer_size():
            self.loop.call_later(READ_S, self.transport.abort)


_PHRASES: Final[dict[int, Any]] = {
    400: "Bad Request",
    408: "Request Timeout",
    414: "URI Too Long",
    431: "Request Header Fields Too Large",
}


def refusing(by: Refusal | None) -> type[Connection]:
    """Connections that ask before anything is done for a request."""

    class Refusing(Connection):
        refusal = by

    return Refusing
