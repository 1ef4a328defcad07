"""Lists: for a user, for a session, like an item, and what is trending. Always answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import structlog
from msgspec.structs import replace
from starlette.responses import Response

from api import schemas
from api.aside import Aside
from api.bodies import session_of
from api.call import Call, Incoming
from api.deadline import within
from api.kept import Kept, matches, tag_of
from api.ladder import Answer, Ladder
from api.metrics import Metrics
from api.paging import next_page, turned
from api.query import Number, Page, Param, Position
from api.responses import answered
from api.shown import ShownLists
from api.wanted import (
    CONSENT,
    EXPLAIN,
    FILTERS,
    SHAPE,
    K,
    Options,
    Wanted,
    options_of_query,
    wanted_of,
)
from stream.errors import DependencyLeftAlone, StreamError
from stream.ids import fresh_id
from stream.positions import to_token
from stream.service import Reading, Service

FRESHNESS: Final[tuple[Param, ...]] = (
    Position("after", "Wait until what this position token covers is in the answer."),
    Number("wait_ms", 0, 5000, 1000, "How long to wait for `after`."),
)
_OPTIONS: Final[tuple[Param, ...]] = (
    *FILTERS, *SHAPE, EXPLAIN, CONSENT,
    Page("next", "The `next` of an answer: the page after it, of the same list."),
)  # fmt: skip
_SESSION: Final = {"events": [{"type": "view", "item_id": "tea-1"}], "k": 10}

# One deadline for all that a list waits for; `after` has its own.
_DEADLINE_S: Final = 0.15

logger = structlog.get_logger(__name__)


async def reached(service: Service, user_id: str, query: dict[str, Any]) -> bool:
    """Wait for `after`; False when it was not reached in `wait_ms`, or nobody can tell."""
    if query["after"] is None:
        return True
    try:
        return await service.wait(user_id, query["after"], query["wait_ms"] / 1000)
    except DependencyLeftAlone:
        pass  # the breaker has told
    except StreamError as error:
        logger.warning("cannot wait for a position", reason=str(error))
    except Exception:
        logger.warning("cannot wait for a position", exc_info=True)
    return False


@dataclass(frozen=True)
class Serving:
    """How lists are served: the share of them that is remembered as shown, and answers kept."""

    impressions: float = 0.0
    cache_entries: int = 0


class _Request(NamedTuple):
    """Whose list, as what, and whether it may leave a trace. `user_id` None: a session's."""

    user_id: str | None
    wanted: Wanted
    consent: bool
    if_none_match: str = ""


class Recommendations:
    """The handlers of lists."""

    def __init__(
        self, service: Service, metrics: Metrics, ladder: Ladder, serving: Serving, aside: Aside
    ) -> None:
        self._service = service
        self._metrics = metrics
        self._ladder = ladder
        self._aside = aside
        self._kept = Kept(serving.cache_entries)
        self._shown = ShownLists(service, serving.impressions)

    async def for_user(self, incoming: Incoming) -> Response:
        user_id, query = incoming.ids["user_id"], incoming.query
        options = options_of_query(query)
        request = self._request(user_id, options, incoming.header(b"if-none-match"))
        in_time = await reached(self._service, user_id, query)
        reading = await self._read(user_id)
        known = reading.positions if reading else self._service.position(user_id)
        # The model's version is read before the list: what it tells of is in the list.
        head = self._head(known)
        list_id = fresh_id()
        key = (user_id, head["position"], head["model_version"], request.wanted)
        answer = self._kept.get(key)
        if answer is None:
            draw = list_id if request.consent else None
            drawn = replace(request.wanted, draw=draw, user_id=user_id)
            answer = await self._make(lambda: self._ladder.personal(reading, drawn), drawn)
            if request.consent:
                self._kept.put(key, answer)
        return self._recommended(request, list_id, head, answer, in_time)

    def _request(self, user_id: str | None, options: Options, if_none_match: str) -> _Request:
        key_of = self._service.model.key_of
        wanted, consent = wanted_of(options, key_of), options.consent
        if options.next is not None:
            wanted, consent = turned(options.next, key_of(user_id or ""), wanted, options)
        return _Request(user_id, wanted, consent, if_none_match)

    async def _make(self, make: Callable[[], Answer], wanted: Wanted) -> Answer:
        """On a thread where it takes long: what explains weighs thousands of coalitions."""
        return await self._aside.run(make) if wanted.explain else make()

    async def _read(self, user_id: str) -> Reading | None:
        """The user's row, None where it cannot be had in time: a lower rung then answers."""
        if self._ladder.hurried():
            return None
        try:
            return await within(_DEADLINE_S, self._service.read(user_id))
        except DependencyLeftAlone:
            pass  # the breaker has told
        except (StreamError, TimeoutError) as error:
            logger.warning("cannot read a user's row", reason=str(error) or "too late")
        except Exception:
            logger.warning("cannot read a user's row", exc_info=True)
        return None

    async def for_session(self, incoming: Incoming) -> Response:
        manifest = self._service.manifest
        session = session_of(await incoming.body(), time.time(), manifest)
        request = self._request(None, session.options, "")
        head = self._head(self._service.position(""))
        answer = await self._make(
            lambda: self._ladder.session(lambda: session.row(manifest), request.wanted),
            request.wanted,
        )
        return self._recommended(request, fresh_id(), head, answer, True)

    async def similar(self, incoming: Incoming) -> Response:
        return self._listed(self._ladder.similar(incoming.ids["item_id"], incoming.query["k"]))

    async def trending(self, incoming: Incoming) -> Response:
        return self._listed(self._ladder.trending(incoming.query["k"]))

    def _head(self, positions: dict[int, int]) -> dict[str, Any]:
        service = self._service
        return {
            "position": to_token(positions),
            "model_version": service.model.version,
            "age_ms": max(int((time.monotonic() - service.published_at()) * 1000), 0),
        }

    def _recommended(
        self, request: _Request, list_id: str, head: dict[str, Any], answer: Answer, in_time: bool
    ) -> Response:
        degraded = answer.degraded or not in_time
        self._metrics.served(answer.served_by, degraded)
        tag = tag_of(answer, degraded)
        headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
        if request.if_none_match and matches(tag, request.if_none_match):
            return Response(status_code=304, headers=headers)
        if request.user_id is not None and request.consent:
            self._shown.remember(request.user_id, list_id, answer)
        body = {
            "user_id": request.user_id,
            "recommendation_id": list_id,
            "items": answer.items,
            "served_by": answer.served_by,
            "degraded": degraded,
            **head,
            "next": self._next(request, answer),
        }
        return answered(body, headers=headers)

    def _next(self, request: _Request, answer: Answer) -> str | None:
        user = self._service.model.key_of(request.user_id or "")
        return next_page(user, request.wanted, request.consent, answer.keys)

    def _listed(self, answer: Answer) -> Response:
        self._metrics.served(answer.served_by, answer.degraded)
        return answered({"items": answer.items, "served_by": answer.served_by})


def calls(
    service: Service, metrics: Metrics, ladder: Ladder, serving: Serving, aside: Aside
) -> list[Call]:
    lists = Recommendations(service, metrics, ladder, serving, aside)
    return [
        Call(
            "GET", "/v1/users/{user_id}/recommendations", lists.for_user,
            "Recommend items to a user, known or not",
            tag="recommendations", query=[K, *FRESHNESS, *_OPTIONS],
            returns=schemas.Recommendations, also=(304,),
        ),
        Call(
            "POST", "/v1/sessions/recommendations", lists.for_session,
            "Recommend items after these events; nothing is stored or learned",
            tag="recommendations", takes=[schemas.Session], example=_SESSION,
            returns=schemas.Recommendations, refuses=(400, 408, 413, 415),
        ),
        Call(
            "GET", "/v1/items/{item_id}/similar", lists.similar, "Items like this one",
            tag="recommendations", query=[K], returns=schemas.Listed,
        ),
        Call(
            "GET", "/v1/trending", lists.trending, "Items with the most recent attention",
            tag="recommendations", query=[K], returns=schemas.Listed,
        ),
    ]  # fmt: skip
