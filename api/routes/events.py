"""POST /v1/events: feedback in, durable before it is answered."""

from __future__ import annotations

import time
from collections.abc import Sequence

from starlette.responses import Response

from api import schemas
from api.bodies import events_of
from api.call import Call, Incoming
from api.errors import Refused, unavailable
from api.metrics import Metrics
from api.query import Flag
from api.responses import answered
from stream import trace
from stream.errors import InvalidEvent, LogUnavailable
from stream.positions import to_token
from stream.service import Checked, Receipt, Service

EXAMPLE = {"type": "like", "user_id": "ada", "item_id": "tea-1"}


class Events:
    """The handler of feedback."""

    def __init__(self, service: Service, metrics: Metrics) -> None:
        self._service = service
        self._metrics = metrics

    async def post(self, incoming: Incoming) -> Response:
        """Check all, append all, answer; what is refused learned nothing."""
        imported = incoming.query["import"]
        body = await incoming.body()
        checked = self._check(body, imported)
        kept = [event for event in checked if event is not None]
        ids = [None if event is None else event.event_id for event in checked]
        try:
            receipt = await self._append(kept, imported)
        except LogUnavailable as error:
            self._metrics.events("unavailable", (event.type for event in kept))
            raise unavailable(error, ids) from None
        ignored = len(checked) - len(kept)
        self._count(kept, set(receipt.repeats), ignored)
        answer = {
            "accepted": receipt.accepted,
            "duplicates": receipt.duplicates,
            "ignored": ignored,
            "event_ids": ids,
            "position": to_token(receipt.positions),
        }
        return answered(answer, 202)

    def _check(self, body: bytes, imported: bool) -> list[Checked | None]:
        try:
            return events_of(body, time.time(), self._service.manifest, imported)
        except (InvalidEvent, Refused):
            self._metrics.events("refused", [""])  # nobody knows of which type
            raise

    def _count(self, kept: Sequence[Checked], repeats: set[int], ignored: int) -> None:
        accepted = (event.type for at, event in enumerate(kept) if at not in repeats)
        self._metrics.events("accepted", accepted)
        self._metrics.events("duplicate", (kept[at].type for at in repeats))
        self._metrics.events("ignored", [""] * ignored)

    async def _append(self, kept: Sequence[Checked], imported: bool) -> Receipt:
        if not kept:
            return Receipt(0, 0, self._service.position(""))
        with trace.span("append"):
            return await self._service.append_feedback(kept, imported)


def calls(service: Service, metrics: Metrics) -> list[Call]:
    says = "The events are old data: no bounds on their time, no caps on their rate."
    return [
        Call(
            "POST", "/v1/events", Events(service, metrics).post,
            'Send one event, or a batch: {"events": [...]}',
            tag="feedback", query=[Flag("import", says=says)],
            takes=[schemas.Event, schemas.Events], example=EXAMPLE,
            returns=schemas.EventsAccepted, status=202, refuses=(400, 408, 413, 415, 503),
            access="write", admin=("import",),
        )
    ]  # fmt: skip
