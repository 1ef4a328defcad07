"""Lists: for a user, for a session, like an item, and what is trending. Always answered."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Any, Final

import structlog
from starlette.responses import Response

from api import schemas
from api.bodies import session_of
from api.call import Call, Incoming
from api.ladder import Answer, Ladder, Wanted
from api.metrics import Metrics
from api.query import Name, Number, Param, Position
from api.responses import answered
from stream.errors import DependencyLeftAlone, StreamError
from stream.positions import to_token
from stream.service import Reading, Service

K: Final = Number("k", 1, 100, 10, "How many items at most.")
FRESHNESS: Final[tuple[Param, ...]] = (
    Position("after", "Wait until what this position token covers is in the answer."),
    Number("wait_ms", 0, 5000, 1000, "How long to wait for `after`."),
)
_FILTERS: Final[tuple[Param, ...]] = (
    Name("category", says="Only items of this category."),
    Name("exclude", repeated=True, says="An item that must not be in the list."),
)
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


class Recommendations:
    """The handlers of lists."""

    def __init__(self, service: Service, metrics: Metrics, ladder: Ladder) -> None:
        self._service = service
        self._metrics = metrics
        self._ladder = ladder

    async def for_user(self, incoming: Incoming) -> Response:
        user_id, query = incoming.ids["user_id"], incoming.query
        in_time = await reached(self._service, user_id, query)
        reading = await self._read(user_id)
        known = reading.positions if reading else self._service.position(user_id)
        # The model's version is read before the list: what it tells of is in the list.
        head = self._head(known)
        list_id = secrets.token_hex(12)
        wanted = Wanted(query["k"], query["category"], query["exclude"], list_id, user_id)
        answer = self._ladder.personal(reading, wanted)
        return self._recommended(user_id, list_id, head, answer, in_time)

    async def _read(self, user_id: str) -> Reading | None:
        """The user's row, None where it cannot be had in time: a lower rung then answers."""
        if self._ladder.hurried():
            return None
        try:
            return await asyncio.wait_for(self._service.read(user_id), _DEADLINE_S)
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
        head = self._head(self._service.position(""))
        answer = self._ladder.session(lambda: session.row(manifest), Wanted(session.k))
        return self._recommended(None, secrets.token_hex(12), head, answer, True)

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
        self, user_id: str | None, list_id: str, head: dict[str, Any], answer: Answer,
        in_time: bool,
    ) -> Response:  # fmt: skip
        degraded = answer.degraded or not in_time
        self._metrics.served(answer.served_by, degraded)
        body = {
            "user_id": user_id,
            "recommendation_id": list_id,
            "items": answer.items,
            "served_by": answer.served_by,
            "degraded": degraded,
            **head,
        }
        return answered(body)

    def _listed(self, answer: Answer) -> Response:
        self._metrics.served(answer.served_by, answer.degraded)
        return answered({"items": answer.items, "served_by": answer.served_by})


def calls(service: Service, metrics: Metrics, ladder: Ladder) -> list[Call]:
    lists = Recommendations(service, metrics, ladder)
    return [
        Call(
            "GET", "/v1/users/{user_id}/recommendations", lists.for_user,
            "Recommend items to a user, known or not",
            tag="recommendations", query=[K, *FRESHNESS, *_FILTERS],
            returns=schemas.Recommendations,
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
