"""A sink into a system in the same process, by the checks that HTTP applies."""

import asyncio
import time
from typing import Any

import msgspec

from models.answers import Asked, nobody
from producers.errors import IngestRefused, SinkUnavailable
from stream.errors import InvalidEvent, LogUnavailable
from stream.events import parse_item, parse_user
from stream.service import Receipt, Service, accept, control_body


class Direct:
    """`Sink` of a `Service`; may be used from any thread but that of a running event loop."""

    def __init__(self, service: Service, *, imported: bool) -> None:
        self._service = service
        self._imported = imported

    def put_items(self, items: list[dict[str, Any]]) -> None:
        self._control([self._checked("item", parse_item, item) for item in items])

    def put_users(self, users: list[dict[str, Any]]) -> None:
        self._control([self._checked("user", parse_user, user) for user in users])

    def send(self, events: list[dict[str, Any]]) -> tuple[int, int]:
        now, manifest = time.time(), self._service.manifest
        checked = []
        for event in events:
            try:
                one = accept(msgspec.json.encode(event), now, manifest, self._imported)
            except InvalidEvent as error:
                raise _refused(event, error) from None
            if one is not None:
                checked.append(one)
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

    def _checked(self, kind: str, parse: Any, record: dict[str, Any]) -> bytes:
        try:
            return control_body(kind, parse(msgspec.json.encode(record)))
        except InvalidEvent as error:
            raise _refused(record, error) from None


def _durable(append: Any) -> Receipt:
    try:
        receipt: Receipt = asyncio.run(append)
    except LogUnavailable as error:
        raise SinkUnavailable(str(error), error.retry_after_s) from error
    return receipt


def _refused(record: dict[str, Any], error: InvalidEvent) -> IngestRefused:
    file, line = getattr(record, "file", None), getattr(record, "line", None)
    place = f"{file}, line {line}: " if file else ""
    return IngestRefused(f"{place}{error}", field=error.field, file=file, line=line)
