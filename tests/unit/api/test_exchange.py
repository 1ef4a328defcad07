"""Bytes on a connection: what uvicorn would have said, in fewer pieces; and what is leant on."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
from collections.abc import Callable, Coroutine, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from api.connections import Connection

GET = b"GET /a%20b?k=1 HTTP/1.1\r\nhost: x\r\n\r\n"
SIZED = [(b"content-length", b"2"), (b"content-type", b"text/plain")]

App = Callable[[Any, Any, Any], Coroutine[Any, Any, None]]


class Wire(asyncio.Transport):
    """Keeps what is written, in the pieces it came in, and whether the server closed it."""

    was_closed = False

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self._closing = False

    def write(self, data: Any) -> None:
        self.pieces.append(bytes(data))

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


def answering(*bodies: bytes, status: int = 200, headers: Sequence[Any] = SIZED) -> App:
    """An app with this one answer, its body in so many pieces."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        for at, body in enumerate(bodies):
            more = at + 1 < len(bodies)
            await send({"type": "http.response.body", "body": body, "more_body": more})

    return app


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Say what was understood of the request."""
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            break
    known = ("method", "http_version", "path", "raw_path", "query_string", "headers", "scheme")
    said = repr([scope[name] for name in known] + [body]).encode()
    await answering(said, headers=[(b"content-length", str(len(said)).encode())])(
        scope, receive, send
    )


async def failing(scope: Any, receive: Any, send: Any) -> None:
    raise RuntimeError("before a word was said")


def wire_of(protocol: type[HttpToolsProtocol], app: App, *data: bytes, shut: bool = False) -> Wire:
    """Feed a connection; returned once every request has been answered."""

    async def exchange() -> Wire:
        config = uvicorn.Config(app, http=protocol, ws="none", log_config=None, access_log=False)
        state = ServerState()
        state.default_headers = [(b"date", b"today")]
        wire, connection = Wire(), protocol(config, state, {})
        connection.connection_made(wire)
        for piece in data:
            connection.data_received(piece)
            if shut:
                connection.shutdown()
        while state.tasks:
            await asyncio.sleep(0)
        wire.was_closed = wire.is_closing()
        connection.connection_lost(None)
        return wire

    return asyncio.run(exchange())


CASES: list[tuple[App, bytes]] = [
    (answering(b"ok"), GET),
    (answering(b"ok"), GET * 3),
    (answering(b"ok"), GET.replace(b"1.1", b"1.0")),
    (answering(b"ok"), GET.replace(b"GET", b"HEAD")),
    (answering(b"ok"), GET.replace(b"host: x", b"host: x\r\nconnection: close")),
    (answering(b"ok", headers=[*SIZED, (b"Connection", b"close")]), GET),
    (answering(b"ok", headers=[*SIZED, (b"X-Upper", b"Kept")]), GET),
    (answering(b"ok", headers=[list(pair) for pair in SIZED]), GET),
    (answering(b"ok", headers=[(b"content-type", b"text/plain")]), GET),
    (answering(b"ok", headers=[(b"transfer-encoding", b"chunked")]), GET),
    (answering(b"o", b"k"), GET),
    (answering(b"o", b"k", headers=[]), GET),
    (answering(b"", status=304, headers=[(b"etag", b'"a"')]), GET),
    (answering(b"", status=204, headers=[]), GET),
    (answering(b"ok", status=503), GET),
    (failing, GET),
    (echo, GET),
    (echo, GET.replace(b"GET /a%20b", b"GET http://x:1/%C3%BC%2F")),
    (echo, b"POST /p HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody"),
    (echo, b"POST /p HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\nbody"),
    (echo, b"POST /p HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n" + GET),
    (echo, GET.replace(b"host: x", b"host: x\r\nconnection: upgrade\r\nupgrade: websocket")),
]


@pytest.mark.parametrize(("app", "data"), CASES)
def test_every_answer_has_the_bytes_of_uvicorns(app: App, data: bytes) -> None:
    ours, theirs = wire_of(Connection, app, data), wire_of(HttpToolsProtocol, app, data)
    assert b"".join(ours.pieces) == b"".join(theirs.pieces)
    assert theirs.pieces
    assert ours.was_closed is theirs.was_closed


def test_a_whole_answer_is_one_write() -> None:
    assert len(wire_of(Connection, answering(b"ok"), GET).pieces) == 1
    assert len(wire_of(Connection, answering(b"ok"), GET * 3).pieces) == 3


def test_a_connection_that_is_shut_says_so_in_its_last_answer() -> None:
    [head, _] = wire_of(Connection, answering(b"ok"), GET, shut=True).pieces
    assert b"connection: close\r\n" in head


def test_an_answer_shorter_or_longer_than_it_says_closes_the_connection() -> None:
    for body in (b"", b"o", b"longer"):
        wire = wire_of(Connection, answering(body), GET * 2)
        assert b"".join(wire.pieces).count(b"HTTP/1.1 ") == 1
        assert wire.was_closed


@pytest.mark.parametrize("header", [(b"x-a", b"a\r\nx-b: c"), (b"x a", b"b"), (b"x-a", b"\0")])
def test_a_header_that_ends_early_is_never_sent(header: Any) -> None:
    for _ in range(2):
        said = b"".join(wire_of(Connection, answering(b"ok", headers=[*SIZED, header]), GET).pieces)
        assert said.startswith(b"HTTP/1.1 500 ")
        assert b"x-b" not in said and b"x a" not in said and b"\0" not in said


def test_an_app_that_fails_between_head_and_body_is_a_500() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": SIZED})
        raise RuntimeError("in between")

    said = b"".join(wire_of(Connection, app, GET).pieces)
    assert said.startswith(b"HTTP/1.1 500 ")
    assert said.count(b"HTTP/1.1 ") == 1


def test_a_client_that_reads_slowly_is_waited_for() -> None:
    async def exchange() -> tuple[int, int]:
        config = uvicorn.Config(answering(b"ok"), http=Connection, ws="none", access_log=False)
        state, wire = ServerState(), Wire()
        connection = Connection(config, state, {})
        connection.connection_made(wire)
        connection.pause_writing()
        connection.data_received(GET)
        for _ in range(5):
            await asyncio.sleep(0)
        before = len(wire.pieces)
        connection.resume_writing()
        while state.tasks:
            await asyncio.sleep(0)
        connection.connection_lost(None)
        return before, len(wire.pieces)

    before, after = asyncio.run(exchange())
    assert before == 0 and after > 0


class Clock:
    """The loop, with a time of its own; what is called later is called by `pass_to`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._now = 100.0
        self._due: list[tuple[float, Callable[[], None]]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def time(self) -> float:
        return self._now

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Any:
        entry = (self._now + seconds, callback)
        self._due.append(entry)
        return SimpleNamespace(cancel=lambda: self._due.remove(entry))

    def pass_to(self, now: float) -> None:
        while due := [entry for entry in self._due if entry[0] <= now]:
            first = min(due, key=lambda entry: entry[0])
            self._due.remove(first)
            self._now = first[0]
            first[1]()
        self._now = now


def test_a_kept_connection_is_closed_five_seconds_after_its_last_answer() -> None:
    async def exchange() -> list[bool]:
        config = uvicorn.Config(answering(b"ok"), http=Connection, ws="none", access_log=False)
        config.load()
        state, wire, clock = ServerState(), Wire(), Clock()
        connection = Connection(config, state, {}, clock)  # type: ignore[arg-type]
        connection.connection_made(wire)
        closed = []
        for second in (100.0, 104.0, 108.0):
            clock.pass_to(second)
            connection.data_received(GET)
            while state.tasks:
                await asyncio.sleep(0)
            closed.append(wire.is_closing())
        for second in (112.9, 113.0):
            clock.pass_to(second)
            closed.append(wire.is_closing())
        connection.connection_lost(None)
        assert not clock._due, "a timer outlives its connection"
        return closed

    assert asyncio.run(exchange()) == [False, False, False, False, True]


def test_a_request_in_hand_is_not_cut_off_as_idle() -> None:
    async def exchange() -> list[Any]:
        hold = asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await hold.wait()
            await answering(b"ok")(scope, receive, send)

        config = uvicorn.Config(app, http=Connection, ws="none", access_log=False)
        config.load()
        state, wire, clock = ServerState(), Wire(), Clock()
        connection = Connection(config, state, {}, clock)  # type: ignore[arg-type]
        connection.connection_made(wire)
        hold.set()
        connection.data_received(GET)
        while state.tasks:
            await asyncio.sleep(0)
        hold.clear()
        clock.pass_to(104.0)
        connection.data_received(GET)
        clock.pass_to(130.0)
        kept = not wire.is_closing()
        hold.set()
        while state.tasks:
            await asyncio.sleep(0)
        said = len(wire.pieces)
        clock.pass_to(134.9)
        still = not wire.is_closing()
        clock.pass_to(135.0)
        gone = wire.is_closing()
        connection.connection_lost(None)
        return [kept, said, still, gone]

    assert asyncio.run(exchange()) == [True, 2, True, True]


#: What `api.connections` and `api.exchange` stand in for, or call past its public face.
LEANT_ON = {
    HttpToolsProtocol.data_received: "010a7ae59a5d",
    HttpToolsProtocol.on_headers_complete: "1ea8589acfad",
    HttpToolsProtocol.on_response_complete: "64e254f28e38",
    HttpToolsProtocol.connection_lost: "c91a4c9bf2e2",
    HttpToolsProtocol._start_asgi_task: "9c08c2571ae9",
    RequestResponseCycle.__init__: "4d2f220910c3",
    RequestResponseCycle.run_asgi: "0f33f2449a44",
    RequestResponseCycle.send: "abdd8601b326",
}


@pytest.mark.parametrize("function", LEANT_ON, ids=lambda function: function.__qualname__)
def test_what_is_leant_on_of_uvicorns_is_what_was_read(function: Any) -> None:
    digest = hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:12]
    assert digest == LEANT_ON[function], (
        f"uvicorn has another {function.__qualname__}: read it beside api/connections.py and "
        f"api/exchange.py, then write {digest} here"
    )
