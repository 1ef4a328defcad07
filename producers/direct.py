"""A sink into a system in the same process, by the checks that HTTP applies."""

import asyncio
from typing import Any

from models.answers import Asked, nobody
from producers.checks import checked_events, checked_items, checked_users
from producers.errors import SinkUnavailable
from stream.errors import LogUnavailable
from stream.service import Receipt, Service


class Direct:
    """`Sink` of a `Service`; may be used from any thread but that of a running event loop."""

    def __init__(self, service: Service, *, imported: bool) -> None:
        self._service = service
        self._imported = imported

    def put_items(self, items: list[dict[str, Any]]) -> None:
        self._control(checked_items(items))

    def put_users(self, users: list[dict[str, Any]]) -> None:
        self._control([body for _, body in checked_users(users)])

    def send(self, events: list[dict[str, Any]]) -> tuple[int, int]:
        checked = checked_events(events, self._service.manifest, self._imported)
        receipt = _durable(self._service.append_feedback(checked, self._imported))
        return receipt.accepted, receipt.duplicates

    def recommend(self, user_id: str, k: int) -> list[str]:
        """Item ids as this user would be shown now."""
        model, row = self._service.model, asyncio.run(self._service.read(user_id)).row
        asked = Asked(row.past, row.types, k) if row is not None else nobody(k)
        listed = model.recommend(asked) if row is not None else model.trending(k)
        return [model.id_of(place.row) for place in listed]

    def _control(self, bodies: list[bytes]) -> None:
        _durable(self._service.append_control(bodies))


def _durable(append: Any) -> Receipt:
    try:
        receipt: Receipt = asyncio.run(append)
    except LogUnavailable as error:
        raise SinkUnavailable(str(error), error.retry_after_s) from error
    return receipt
