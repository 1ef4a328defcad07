"""Lists that were shown, told to the service, which keeps them off the way of requests."""

from __future__ import annotations

import structlog

from api.ladder import Answer
from stream.canary import is_canary
from stream.impressions import Impression, Shown
from stream.service import Service

logger = structlog.get_logger(__name__)


class ShownLists:
    """Remembers a share of all lists."""

    def __init__(self, service: Service, share: float) -> None:
        self._service = service
        self._below = int(share * 2**32)

    def remember(self, user_id: str, list_id: str, answer: Answer) -> None:
        """Hand one list to the service. Nothing that happens here harms the answer."""
        if not answer.places or is_canary(user_id) or not self._is_chosen(list_id):
            return
        try:
            self._service.append_impressions([self._impression(user_id, list_id, answer)])
        except Exception:
            logger.warning("a list that was shown is not kept", exc_info=True)

    def _is_chosen(self, list_id: str) -> bool:
        """By the list's id, which is random: neither by the user nor by what is in it."""
        return int(list_id[:8], 16) < self._below

    def _impression(self, user_id: str, list_id: str, answer: Answer) -> Impression:
        shown = zip(answer.item_ids, answer.places, strict=True)
        items = [
            Shown(
                item_id, place, listed.propensity,
                # Of what is trending, the score is a share and not the ranker's.
                None if listed.reason == "trending" else listed.score,
            )
            for place, (item_id, listed) in enumerate(shown)
        ]  # fmt: skip
        return Impression(
            user_id=user_id, recommendation_id=list_id, items=items,
            served_by=answer.served_by, model_id=self._service.namespace,
        )  # fmt: skip
