"""The short way to a call: found by its path, past the router and what stands before it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from api.call import Endpoint

_VARIES: Final = re.compile(r"\{(\w+)\}")


class Direct:
    """ASGI middleware: what is no call, or takes another method, is left to the router.

    Paths are matched before percent-decoding, as `api.raw_path` has it for the router.
    """

    def __init__(self, app: ASGIApp, endpoints: Mapping[str, Endpoint]) -> None:
        self._app = app
        # By the number of parts, so that few patterns are tried.
        self._known: dict[int, list[tuple[re.Pattern[str], Endpoint]]] = defaultdict(list)
        for path, endpoint in endpoints.items():
            pattern = re.compile(_VARIES.sub(r"(?P<\1>[^/]*)", path.replace(".", r"\.")))
            self._known[path.count("/")].append((pattern, endpoint))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = scope.get("raw_path") if scope["type"] == "http" else None
        if raw:
            path = raw.decode("latin-1")
            for pattern, endpoint in self._known.get(path.count("/"), ()):
                found = pattern.fullmatch(path)
                if found and endpoint.takes(scope["method"]):
                    scope["path_params"] = found.groupdict()
                    await endpoint(scope, receive, send)
                    return
        await self._app(scope, receive, send)
