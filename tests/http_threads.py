"""A real HTTP server beside the test that asks it, in a thread of the same process."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from api.connections import Connection
from stream.embedded import Embedded

# Server and test share the interpreter: at the default of 5 ms each answer waits for its turn.
_SWITCH_S = 0.0005


# A learner that was started loads its kernels before it reads: seconds, on a slow machine.
_READY_S = 120.0


def await_ready(service: Embedded) -> None:
    """Wait until a service that was started says that it has read its log."""
    until = time.monotonic() + _READY_S
    while (reason := service.ready()) is not None:
        assert time.monotonic() < until, reason
        time.sleep(0.01)


@contextmanager
def in_a_thread(application: Any, port: int | None = None) -> Iterator[str]:
    """Serve an ASGI application; yield its URL."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port or 0))
    config = uvicorn.Config(
        application, http=Connection, log_config=None, lifespan="off", ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_S)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
        sys.setswitchinterval(before)
