"""The catalogue: items in, out, and taken away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from starlette.responses import Response

from api import schemas
from api.bodies import items_of
from api.call import Call, Incoming
from api.errors import Refused
from api.responses import answered
from api.routes.recommendations import FRESHNESS, reached
from stream.events import Item
from stream.positions import to_token
from stream.service import Receipt, Service, control_body

# How long a write of the catalogue waits to be in every list. The record is durable before;
# at zero a GET right after a PUT could still miss it, longer would hold clients for nothing.
APPLIED_WITHIN_S: Final = 1.0

EXAMPLE: Final = {
    "items": [
        {"item_id": "tea-1", "title": "Sencha", "categories": ["Green tea"], "price": 7.5},
        {"item_id": "tea-2", "title": "Assam", "categories": ["Black tea"], "available": True},
    ]
}


class Items:
    """The handlers of the catalogue."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def get(self, incoming: Incoming) -> Response:
        item_id = incoming.ids["item_id"]
        await reached(self._service, item_id, incoming.query)
        document = self._document(item_id)
        answer = {"item_id": item_id, **document, "available": document.get("available", True)}
        return answered(answer)

    async def put(self, incoming: Incoming) -> Response:
        items = items_of(await incoming.body())
        bodies = [control_body("item", item) for item in items]
        receipt = await self._append(bodies, items[0].item_id)
        return answered({"accepted": len(items), "position": to_token(receipt.positions)}, 202)

    async def delete(self, incoming: Incoming) -> Response:
        item_id = incoming.ids["item_id"]
        self._document(item_id)
        gone = Item(item_id=item_id, available=False, deleted=True)
        receipt = await self._append([control_body("item", gone)], item_id)
        return answered({"accepted": 1, "position": to_token(receipt.positions)}, 202)

    def _document(self, item_id: str) -> dict[str, Any]:
        document = self._service.model.reader.document_of(item_id)
        if document is None:
            raise Refused(404, "no such item is in the catalogue", "item_id")
        return document

    async def _append(self, bodies: Sequence[bytes], item_id: str) -> Receipt:
        """Append, then wait until it is applied, so that the next read shows it."""
        receipt = await self._service.append_control(bodies)
        after = {"after": receipt.positions, "wait_ms": APPLIED_WITHIN_S * 1000}
        await reached(self._service, item_id, after)
        return receipt


def calls(service: Service) -> list[Call]:
    items = Items(service)
    return [
        Call(
            "PUT", "/v1/items", items.put, "Put items into the catalogue; each replaces its like",
            tag="catalogue", takes=[schemas.Items], example=EXAMPLE, returns=schemas.Accepted,
            status=202, refuses=(400, 408, 413, 415, 503), access="write",
        ),
        Call(
            "GET", "/v1/items/{item_id}", items.get, "An item of the catalogue",
            tag="catalogue", query=FRESHNESS, returns=schemas.Item, refuses=(404,),
        ),
        Call(
            "DELETE", "/v1/items/{item_id}", items.delete, "Take an item out of the catalogue",
            tag="catalogue", returns=schemas.Accepted, status=202, refuses=(404, 503),
            access="write",
        ),
    ]  # fmt: skip
