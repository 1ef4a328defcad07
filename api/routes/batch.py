"""Lists for many users at once, for mail and the like: made beside what people wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import structlog
from msgspec.structs import replace
from starlette.responses import Response

from api import schemas
from api.aside import Aside
from api.bodies import crowd_of
from api.call import Call, Incoming
from api.ladder import Ladder
from api.metrics import Metrics
from api.responses import answered
from api.wanted import Wanted, wanted_of
from stream.errors import StreamError
from stream.service import Reading, Service

# Rows asked for together, and how long for one: a thousand at once would hold up others' reads.
_TOGETHER: Final = 50
_ROW_S: Final = 0.5
_EXAMPLE: Final = {"user_ids": ["ada", "ben"], "k": 5, "fields": ["title"]}

logger = structlog.get_logger(__name__)


class Lists:
    """The handler of many lists."""

    def __init__(self, service: Service, metrics: Metrics, ladder: Ladder, aside: Aside) -> None:
        self._service = service
        self._metrics = metrics
        self._ladder = ladder
        self._aside = aside

    async def for_many(self, incoming: Incoming) -> Response:
        user_ids, options = crowd_of(await incoming.body())
        wanted = wanted_of(options, self._service.model.key_of)
        # A thousand lists with all that the catalogue holds would be a hundred megabytes.
        wanted = replace(wanted, fields=wanted.fields or ())
        readings: list[Reading | None] = []
        for start in range(0, len(user_ids), _TOGETHER):
            part = user_ids[start : start + _TOGETHER]
            readings += await asyncio.gather(*map(self._read, part))
        return await self._aside.run(lambda: self._answer(user_ids, readings, wanted))

    async def _read(self, user_id: str) -> Reading | None:
        try:
            return await asyncio.wait_for(self._service.read(user_id), _ROW_S)
        except (StreamError, TimeoutError) as error:
            logger.warning("cannot read a user's row", reason=str(error) or "too late")
        except Exception:
            logger.warning("cannot read a user's row", exc_info=True)
        return None

    def _answer(
        self, user_ids: Sequence[str], readings: Sequence[Reading | None], wanted: Wanted
    ) -> Response:
        answers = self._ladder.many(user_ids, readings, wanted)
        lists: list[dict[str, Any]] = []
        for user_id, answer in zip(user_ids, answers, strict=True):
            self._metrics.served(answer.served_by, answer.degraded)
            lists.append(
                {
                    "user_id": user_id,
                    "items": answer.items,
                    "served_by": answer.served_by,
                    "degraded": answer.degraded,
                }
            )
        return answered({"lists": lists})


def calls(service: Service, metrics: Metrics, ladder: Ladder, aside: Aside) -> list[Call]:
    lists = Lists(service, metrics, ladder, aside)
    return [
        Call(
            "POST", "/v1/recommendations:batch", lists.for_many,
            "Recommend items to many users; nothing is explored or remembered as shown",
            tag="recommendations", takes=[schemas.Crowd], example=_EXAMPLE,
            returns=schemas.UserLists, refuses=(400, 408, 413, 415),
        ),
    ]  # fmt: skip
