"""A call of the API, declared once: routing, reading and the OpenAPI document follow from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from msgspec import Struct
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from api.errors import Refused, envelope, refusal_of, unavailable
from api.guard import Access, Guard
from api.limits import read_body
from api.observe import SEEN, Seen
from api.query import Param, Query
from api.raw_path import id_from_path
from stream.errors import InvalidEvent, LogUnavailable


class Incoming(Struct, frozen=True):
    """A request after its path and query were read and found right."""

    ids: dict[str, str]
    query: dict[str, Any]
    scope: Scope
    receive: Receive

    async def body(self) -> bytes:
        """The body. Raises Refused where it is too large or no JSON type."""
        return await read_body(self.scope, self.receive)

    def header(self, name: bytes) -> str:
        """The first header of this name, which is in lower case; empty where there is none."""
        for given, value in self.scope["headers"]:
            if given == name:
                return str(value, "latin-1")
        return ""


Handler = Callable[[Incoming], Awaitable[Response]]


@dataclass(frozen=True)
class Call:
    """Method, path, handler, and what they ask of the caller; the rest is for the reader of /docs.

    `admin` names flags of the query that only an admin may set. `takes` and `returns` are types
    of `api.schemas`; `also` are statuses of success beside `status`, `refuses` those of
    refusals beside 422.
    """

    method: str
    path: str
    handle: Handler
    summary: str
    tag: str = ""
    query: Sequence[Param] = ()
    takes: Sequence[type] = ()
    example: Any = None
    returns: type = str
    status: int = 200
    also: Sequence[int] = ()
    refuses: Sequence[int] = ()
    hidden: bool = False
    access: Access = "read"
    admin: Sequence[str] = ()

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Names of the path's parts that vary."""
        parts = self.path.split("/")
        return tuple(part[1:-1] for part in parts if part.startswith("{"))

    @cached_property
    def reads(self) -> Callable[[bytes], dict[str, Any]]:
        """What makes values of a query. Raises Refused or InvalidEvent."""
        return Query(self.query).read


class Endpoint:
    """The ASGI app of one path: reads, calls, and turns every refusal into the envelope."""

    def __init__(self, path: str, calls: dict[str, Call], guard: Guard) -> None:
        self._path = path
        self._calls = calls
        self._guard = guard

    @property
    def methods(self) -> list[str]:
        return sorted(self._calls)

    def takes(self, method: str) -> bool:
        return method in self._calls or (method == "HEAD" and "GET" in self._calls)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        seen: Seen = scope[SEEN]
        seen.route = self._path
        call = self._calls.get(scope["method"]) or self._calls["GET"]  # HEAD
        try:
            self._guard.admit(scope, call.access)
            incoming = _read(call, scope, receive)
            seen.ids = incoming.ids
            if call.admin and any(incoming.query[name] for name in call.admin):
                self._guard.require(scope, "admin")
            response = await call.handle(incoming)
        except InvalidEvent as error:
            response = envelope(refusal_of(error), seen.request_id)
        except LogUnavailable as error:
            response = envelope(unavailable(error), seen.request_id)
        except Refused as error:
            response = envelope(error, seen.request_id)
        await response(scope, receive, send)


def _read(call: Call, scope: Scope, receive: Receive) -> Incoming:
    segments = scope["path_params"]
    ids = {name: id_from_path(name, segments[name]) for name in call.ids}
    return Incoming(ids, call.reads(scope["query_string"]), scope, receive)


def endpoints_of(calls: Iterable[Call], guard: Guard) -> dict[str, Endpoint]:
    """By path, in the order of the calls."""
    by_path: dict[str, dict[str, Call]] = {}
    for call in calls:
        by_path.setdefault(call.path, {})[call.method] = call
    return {path: Endpoint(path, methods, guard) for path, methods in by_path.items()}


def routes_of(endpoints: Mapping[str, Endpoint]) -> list[Route]:
    """One route a path, so that 405 names all that the path allows."""
    return [
        Route(path.replace("}", ":raw}"), endpoint, methods=endpoint.methods)
        for path, endpoint in endpoints.items()
    ]
