"""Which names this server answers to: a page elsewhere must not reach it by a name of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import Refused, envelope
from api.observe import SEEN

#: Names of this machine, for a server that only this machine can reach.
LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")


class TrustedHosts:
    """ASGI middleware: a `Host` that is not in the list is refused; `*` stands for any."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self._app = app
        self._hosts = {host.lower().encode() for host in hosts}
        self._any = b"*" in self._hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._any or scope["type"] != "http" or _named(scope["headers"]) in self._hosts:
            await self._app(scope, receive, send)
            return
        said = "this server does not answer to that Host; api.trusted_hosts names those it does"
        await envelope(Refused(421, said), scope[SEEN].request_id)(scope, receive, send)


def _named(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    for name, value in headers:
        if name == b"host":
            return _without_port(value)
    return b""


@lru_cache(64)  # clients call by few names
def _without_port(given: bytes) -> bytes:
    host, colon, port = given.lower().rpartition(b":")
    return host if colon and port.isdigit() else given.lower()
