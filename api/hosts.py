"""Which names this server answers to: a page elsewhere must not reach it by a name of its own."""

from __future__ import annotations

from collections.abc import Sequence
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
        if self._any or scope["type"] != "http" or _host(scope) in self._hosts:
            await self._app(scope, receive, send)
            return
        said = "this server does not answer to that Host; api.trusted_hosts names those it does"
        await envelope(Refused(421, said), scope[SEEN].request_id)(scope, receive, send)


def _host(scope: Scope) -> bytes:
    """The name without its port."""
    given = next((value for name, value in scope["headers"] if name == b"host"), b"")
    host, colon, port = given.lower().rpartition(b":")
    return host if colon and port.isdigit() else given.lower()
