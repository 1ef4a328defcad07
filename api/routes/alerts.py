"""GET /v1/alerts: every alert and how it stands."""

from __future__ import annotations

from starlette.responses import Response

from api import schemas
from api.alerts.watcher import Watched, Watcher
from api.call import Call, Incoming
from api.responses import answered


class Alerts:
    """The handler of alerts."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    async def get(self, incoming: Incoming) -> Response:
        return answered({"alerts": [_told(watched) for watched in self._watcher.alerts()]})


def _told(watched: Watched) -> dict[str, object]:
    return {
        "name": watched.rule.name,
        "severity": watched.rule.severity,
        "state": watched.state,
        "since": watched.since or None,
        "value": watched.value,
        "summary": watched.rule.summary,
    }


def calls(watcher: Watcher) -> list[Call]:
    return [
        Call(
            "GET", "/v1/alerts", Alerts(watcher).get, "Every alert and how it stands",
            tag="health", returns=schemas.Alerts,
        )
    ]  # fmt: skip
