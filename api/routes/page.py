"""The page at /: its files, and what it asks beside the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response

from api.assets import Assets
from api.call import Call, Incoming
from api.canary import Canary
from api.query import Number
from api.responses import answered
from stream.service import Service

_LARGEST: Final = 2**53  # what JavaScript counts to exactly


@dataclass(frozen=True)
class Title:
    """What the page says about this installation."""

    version: str = "0"
    demo: str = "none"


class Page:
    """The handlers of the page."""

    def __init__(self, service: Service, title: Title, assets: Assets, canary: Canary) -> None:
        self._service = service
        self._canary = canary
        self._title = title
        self._assets = assets

    async def index(self, incoming: Incoming) -> Response:
        return self._assets.answer("index.html", incoming.header(b"if-none-match"))

    async def static(self, incoming: Incoming) -> Response:
        return self._assets.answer(incoming.ids["file"], incoming.header(b"if-none-match"))

    async def info(self, incoming: Incoming) -> Response:
        service, status = self._service, self._service.status()
        answer = {
            "mode": service.mode,
            "demo": self._title.demo,
            "namespace": service.namespace,
            "version": self._title.version,
            "event_types": list(service.model.settings.events),
            "items": service.model.items,
            "users": int(status.get("users", 0)),
        }
        return answered(answer)

    async def freshness(self, incoming: Incoming) -> Response:
        """What the canary has measured, in seconds; null before it has."""
        canary = self._canary
        return answered({"p50_s": canary.quantile(0.5), "p99_s": canary.quantile(0.99)})

    async def shoppers(self, incoming: Incoming) -> Response:
        recent = self._service.recent_users(incoming.query["limit"])
        return answered({"shoppers": [{"user_id": name, "events": n} for name, n in recent]})

    async def activity(self, incoming: Incoming) -> Response:
        entries, following = self._service.activity(incoming.query["after"])
        activity = [{**entry, "title": self._title_of(entry["item_id"])} for entry in entries]
        return answered({"activity": activity, "next": following})

    def _title_of(self, item_id: str) -> Any:
        return (self._service.model.reader.document_of(item_id) or {}).get("title")


def calls(service: Service, title: Title, assets: Assets, canary: Canary) -> list[Call]:
    page = Page(service, title, assets, canary)
    shown = Number("limit", 1, 100, 24)
    after = Number("after", 0, _LARGEST, 0)
    return [
        Call("GET", "/", page.index, "The page", hidden=True, access="open"),
        Call(
            "GET", "/page/static/{file}", page.static, "A file of the page",
            hidden=True, access="open",
        ),
        Call("GET", "/page/info", page.info, "This installation", hidden=True),
        Call("GET", "/page/freshness", page.freshness, "The canary's figures", hidden=True),
        Call("GET", "/page/shoppers", page.shoppers, "Active users", query=[shown], hidden=True),
        Call("GET", "/page/activity", page.activity, "Events learned", query=[after], hidden=True),
    ]  # fmt: skip
