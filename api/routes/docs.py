"""/docs: the OpenAPI document and a reader of it, from packaged files alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from starlette.responses import Response

from api.assets import Assets
from api.call import Call, Incoming
from api.observe import POLICY, SEEN, marks_with
from api.responses import answered

# The reader writes styles into its elements; scripts stay as strict as everywhere.
_MARKS: Final = marks_with(f"{POLICY}; style-src 'self' 'unsafe-inline'")


class Docs:
    """The handlers of the documentation."""

    def __init__(self, document: Callable[[], dict[str, Any]], assets: Assets) -> None:
        self._document = document
        self._assets = assets

    async def page(self, incoming: Incoming) -> Response:
        incoming.scope[SEEN].marks = _MARKS
        return self._assets.answer("docs.html", incoming.header(b"if-none-match"))

    async def static(self, incoming: Incoming) -> Response:
        return self._assets.answer(incoming.ids["file"], incoming.header(b"if-none-match"))

    async def openapi(self, incoming: Incoming) -> Response:
        return answered(self._document())


def calls(document: Callable[[], dict[str, Any]], assets: Assets) -> list[Call]:
    docs = Docs(document, assets)
    return [
        Call("GET", "/docs", docs.page, "Documentation", hidden=True, access="open"),
        Call("GET", "/docs/static/{file}", docs.static, "A file of it", hidden=True, access="open"),
        Call(
            "GET", "/openapi.json", docs.openapi, "The OpenAPI document", hidden=True, access="open"
        ),
    ]
