"""For those who run the service: is it alive, is it ready, how is it doing."""

from __future__ import annotations

from starlette.responses import Response

from api import schemas
from api.call import Call, Incoming
from api.errors import Refused
from api.metrics import Metrics
from api.responses import answered
from stream.service import Service


class Health:
    """The handlers of probes and metrics."""

    def __init__(self, service: Service, metrics: Metrics) -> None:
        self._service = service
        self._metrics = metrics

    async def alive(self, incoming: Incoming) -> Response:
        """Asks nothing of anyone: a restart must not be the answer to a slow neighbour."""
        return answered({"status": "ok"})

    async def ready(self, incoming: Incoming) -> Response:
        reason = self._service.ready()
        if reason is not None:
            raise Refused(503, f"not ready: {reason}", headers={"Retry-After": "1"})
        return answered({"status": "ready"})

    async def numbers(self, incoming: Incoming) -> Response:
        return Response(self._metrics.text(), headers={"Content-Type": self._metrics.content_type})


def calls(service: Service, metrics: Metrics) -> list[Call]:
    health = Health(service, metrics)
    return [
        Call("GET", "/livez", health.alive, "Is the process alive", tag="health",
             returns=schemas.Status, access="open"),
        Call("GET", "/readyz", health.ready, "Is it ready to serve", tag="health",
             returns=schemas.Status, refuses=(503,), access="open"),
        Call("GET", "/metrics", health.numbers, "Numbers for Prometheus", tag="health",
             returns=str),
    ]  # fmt: skip
