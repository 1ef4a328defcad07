"""The HTTP tier put together around a service. It starts and stops nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Lifespan
from swagger_ui_bundle import swagger_ui_path

from api import openapi
from api.alerts.watcher import Watch, Watcher
from api.application import Application
from api.aside import Aside
from api.assets import Assets
from api.call import Call, endpoints_of, routes_of
from api.canary import Canary, Flight
from api.dependencies import behind_breakers
from api.direct import Direct
from api.errors import Refused, envelope
from api.guard import Front
from api.hosts import TrustedHosts
from api.ladder import Ladder
from api.load import Load
from api.metrics import Metrics
from api.observe import SEEN, Observe
from api.quality_metrics import QualityCollector
from api.raw_path import RawPath
from api.routes import (
    alerts,
    batch,
    docs,
    events,
    health,
    items,
    page,
    quality,
    recommendations,
    settings,
    users,
)
from api.routes.page import Title
from api.routes.recommendations import Serving
from api.shed import Refusal, Shed
from stream.service import Service

_HERE: Final = Path(__file__).parent
_CORS: Final[dict[str, Any]] = {
    "allow_methods": ["GET", "POST", "PUT", "DELETE"],
    "allow_headers": ["authorization", "content-type", "x-api-key", "traceparent"],
    "expose_headers": ["x-request-id", "retry-after"],
    "max_age": 600,
}
_READER: Final = ("swagger-ui.css", "swagger-ui-bundle.js")


def create_app(
    service: Service,
    *,
    version: str = "0",
    demo: str = "none",
    with_docs: bool = True,
    front: Front = Front(),  # noqa: B008
    watch: Watch = Watch(),  # noqa: B008
    flight: Flight = Flight(),  # noqa: B008
    access: bool = False,
    serving: Serving = Serving(),  # noqa: B008
    lifespan: Lifespan[FastAPI] | None = None,
) -> FastAPI:
    """Return the application. `version` and `demo` are what it says about itself.

    With `access`, every request gets a line in the log. `app.state.watcher` watches over the
    alerts once it is started, `app.state.canary` clicks once it is run, and `app.state.refusal`
    is for connections that refuse what there is no room for; none where that is to be logged.
    """
    metrics = Metrics(service.status, service.freshness, lambda: service.model.settings.events)
    metrics.registry.register(QualityCollector(lambda: service.model))
    watcher = Watcher(watch, metrics.registry.collect)
    load = Load(front.bounds, metrics.registry)
    service = behind_breakers(service, metrics.registry)
    ladder, aside = Ladder(service, load), Aside()
    canary = Canary(flight, service, ladder, metrics.registry)
    calls = [
        *events.calls(service, metrics),
        *recommendations.calls(service, metrics, ladder, serving, aside),
        *batch.calls(service, metrics, ladder, aside),
        *items.calls(service),
        *users.calls(service),
        *settings.calls(service),
        *quality.calls(service),
        *health.calls(service, metrics),
        *alerts.calls(watcher),
        *page.calls(service, Title(version, demo), Assets((_HERE / "pages").iterdir()), canary),
    ]
    document = openapi.document(calls, version)
    if with_docs:
        calls += docs.calls(lambda: document, _reader())
    app = _compose(calls, load, document, front, lifespan)
    # Added last, so that it is around all others.
    app.add_middleware(Observe, metrics=metrics, access=access)
    app.state.watcher, app.state.canary = watcher, canary
    app.state.refusal = None if access else Refusal(load, metrics)
    return app


def _compose(
    calls: list[Call],
    load: Load,
    document: dict[str, Any],
    front: Front,
    lifespan: Lifespan[FastAPI] | None,
) -> FastAPI:
    app = Application(
        title="Freshet",
        version=document["info"]["version"],
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        exception_handlers={HTTPException: _unrouted},
    )
    app.openapi_version = document["openapi"]
    app.openapi_schema = document
    endpoints = endpoints_of(calls, front.guard)
    app.router.routes.extend(routes_of(endpoints))
    app.add_middleware(RawPath)
    app.add_middleware(Direct, endpoints=endpoints)
    app.add_middleware(TrustedHosts, hosts=front.hosts)
    if front.origins:
        app.add_middleware(CORSMiddleware, allow_origins=front.origins, **_CORS)
    app.add_middleware(Shed, load=load)
    return app


def _reader() -> Assets:
    packaged = [Path(str(swagger_ui_path / name)) for name in _READER]
    return Assets([*packaged, *(_HERE / "reader").iterdir()])


async def _unrouted(request: Request, error: Exception) -> Response:
    """404 and 405 of the router, in the envelope."""
    assert isinstance(error, HTTPException)
    said = {404: "there is no such call", 405: "this call does not take that method"}
    message = said.get(error.status_code, "the request cannot be served")
    refused = Refused(error.status_code, message, headers=error.headers)
    return envelope(refused, request.scope[SEEN].request_id)
