"""Slow, silent and greedy clients on real sockets: each is given up, and nobody else notices."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from uvicorn.server import ServerState

from api import connections, limits
from api.app import create_app
from api.connections import refusing
from api.guard import Front
from api.load import Bounds
from tests.unit.api.conftest import FakeService

#: Time-outs are cut to this where a test waits for them.
SHORT_S = 0.3
#: That of a head, which has to come in time where one is sent.
HEAD_S = 1.0
ONE = httpx.Limits(max_connections=1)


class Served(NamedTuple):
    port: int
    state: ServerState


def until(reached: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < end, otherwise
        time.sleep(0.01)


@contextmanager
def served(app: FastAPI) -> Iterator[Served]:
    """The app on a port."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(
        app, http=refusing(app.state.refusal), ws="none", loop="uvloop", log_config=None,
        lifespan="off", timeout_keep_alive=1,
    ))  # fmt: skip
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        until(lambda: server.started, "the server did not start")
        yield Served(listening.getsockname()[1], server.server_state)
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, shop: FakeService) -> Iterator[Served]:
    monkeypatch.setattr(connections, "HEAD_S", HEAD_S)
    monkeypatch.setattr(connections, "READ_S", SHORT_S)
    monkeypatch.setattr(limits.read_body, "__defaults__", (SHORT_S,))
    with served(create_app(shop)) as made:
        yield made


@pytest.fixture
def connect(server: Served) -> Iterator[Callable[[], socket.socket]]:
    opened: list[socket.socket] = []

    def connected() -> socket.socket:
        opened.append(socket.create_connection(("127.0.0.1", server.port), timeout=120))
        return opened[-1]

    yield connected
    for one in opened:
        one.close()


def told(client: socket.socket) -> bytes:
    """All the server says until it closes; a reset is an end too."""
    said = b""
    while True:
        try:
            piece = client.recv(65_536)
        except ConnectionError:
            return said
        if not piece:
            return said
        said += piece


def refusal(said: bytes) -> tuple[int, dict[str, Any]]:
    head, _, body = said.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]


def dribble(client: socket.socket, piece: bytes = b"x", every_s: float = SHORT_S / 10) -> None:
    """Send a byte at a time until the server has enough of it."""
    try:
        for _ in range(10_000):
            client.sendall(piece)
            time.sleep(every_s)
    except OSError:
        return


def test_half_a_head_is_given_up(connect: Any) -> None:
    client = connect()
    client.sendall(b"GET /v1/trending HTTP/1.1\r\nhost: x\r\nx-a: ")
    status, error = refusal(told(client))
    assert (status, error["code"]) == (408, "timeout")
    assert set(error) == {"code", "message", "field", "request_id"}


def test_a_head_that_comes_byte_by_byte_is_given_up(connect: Any) -> None:
    client = connect()
    client.sendall(b"GET / HTTP/1.1\r\nx-a: ")
    sending = threading.Thread(target=dribble, args=(client,))
    sending.start()
    assert b" 408 " in told(client)
    client.close()
    sending.join()


def test_who_says_nothing_is_let_go_without_a_word(connect: Any) -> None:
    assert told(connect()) == b""


def test_a_kept_connection_that_sends_empty_lines_is_given_up(connect: Any) -> None:
    client = connect()
    client.sendall(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
    sending = threading.Thread(target=dribble, args=(client, b"\r\n"))
    sending.start()
    said = told(client)
    assert said.startswith(b"HTTP/1.1 200 ")
    client.close()
    sending.join()


def test_an_idle_kept_connection_is_closed(connect: Any) -> None:
    client = connect()
    client.sendall(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
    assert told(client).count(b"HTTP/1.1 ") == 1


def test_a_body_that_comes_byte_by_byte_is_answered_and_given_up(connect: Any) -> None:
    client = connect()
    client.sendall(b"POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: 9999\r\n\r\n")
    sending = threading.Thread(target=dribble, args=(client, b" "))
    sending.start()
    said = told(client)
    assert said.startswith(b"HTTP/1.1 408 ")
    client.close()
    sending.join()


def test_a_head_without_end_is_refused_before_it_fills_memory(connect: Any) -> None:
    client = connect()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections, "HEAD_S", 30.0)
        try:
            client.sendall(b"GET / HTTP/1.1\r\n")
            for _ in range(100_000):
                client.sendall(b"x-a: " + b"y" * 1000 + b"\r\n")
        except ConnectionError:
            pass
        else:
            pytest.fail("100 MB of a head were taken")


def test_what_is_no_http_gets_the_envelope(connect: Any) -> None:
    client = connect()
    client.sendall(b"\x16\x03\x01 secret \r\n\r\n")
    said = told(client)
    status, error = refusal(said)
    assert (status, error["code"]) == (400, "not_http")
    assert b"secret" not in said


def test_an_address_without_end_is_refused(connect: Any) -> None:
    client = connect()
    client.sendall(b"GET /v1/trending?k=" + b"1" * 70_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n")
    status, error = refusal(told(client))
    assert (status, error["code"]) == (414, "too_large")


def test_who_reads_nothing_is_given_up(connect: Any, server: Served) -> None:
    client = connect()
    name = b"GET /docs/static/swagger-ui-bundle.js HTTP/1.1\r\nhost: x\r\n\r\n"
    client.sendall(name * 40)  # far more than the sockets between us hold
    until(lambda: server.state.total_requests > 0, "nothing was asked")
    until(lambda: not server.state.connections, "it waits for who does not read")
    whole = 40 * 1_000_000
    assert len(told(client)) < whole


def test_others_are_answered_meanwhile(connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 30.0)
    for _ in range(50):
        connect().sendall(b"GET /v1/trending HT")
    for _ in range(20):
        client = connect()
        client.sendall(b"GET /v1/trending HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert told(client).startswith(b"HTTP/1.1 200 ")


def test_a_full_queue_refuses_again_and_again_on_a_kept_connection(shop: FakeService) -> None:
    app = create_app(shop, front=Front(bounds=Bounds(queue=0)))
    with (
        served(app) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", limits=ONE, timeout=120) as http,
    ):  # fmt: skip
        ids = set()
        for method in ("GET", "GET", "POST", "GET"):
            answer = http.request(method, "/v1/trending", json={} if method == "POST" else None)
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "1"
            assert answer.headers["x-content-type-options"] == "nosniff"
            error = answer.json()["error"]
            assert error["request_id"] == answer.headers["x-request-id"]
            ids.add(error["request_id"])
        assert len(ids) == 4
        assert http.get("/livez").status_code == 200
        numbers = http.get("/metrics").text
    assert 'freshet_shed_total{how="refused"} 4.0' in numbers
    assert '_count{route="unmatched",status_class="5xx"} 4.0' in numbers


def test_requests_that_come_at_once_are_refused_in_their_order(shop: FakeService) -> None:
    app = create_app(shop, front=Front(bounds=Bounds(queue=0)))
    with (
        served(app) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=120) as client,
    ):
        target = b"GET /%b HTTP/1.1\r\nhost: x\r\n\r\n"
        client.sendall(target % b"v1/trending" + target % b"livez" + target % b"v1/trending")
        said = told(client)
    assert [int(part[:3]) for part in said.split(b"HTTP/1.1 ")[1:]] == [503, 200, 503]
