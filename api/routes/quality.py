"""How well the lists do, live."""

from __future__ import annotations

from starlette.responses import Response

from api import quality_schemas
from api.call import Call, Incoming
from api.responses import answered
from stream.service import Service


class Quality:
    """The handler of live quality; in the cluster the figures are this process's replica's."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def get(self, incoming: Incoming) -> Response:
        return answered(self._service.model.quality())


def calls(service: Service) -> list[Call]:
    quality = Quality(service)
    return [
        Call(
            "GET", "/v1/quality", quality.get, "Live quality, and the drifts that were found",
            tag="quality", returns=quality_schemas.Quality,
        ),
    ]  # fmt: skip
