"""Who decides what is shown: the oracle, bestsellers, chance; the system is another of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from producers.simulation.chance import chance

Event = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """One page asked for. `truth` (float64[items]) is for the oracle's eyes only."""

    user: int
    opened: set[int]
    there: NDArray[np.bool_]  # [items]
    truth: NDArray[np.float64]
    recommendation_id: str
    number: int
    time: float


@dataclass(frozen=True)
class Page:
    """Items by place, the chances they had to be there, and the ranker's scores."""

    items: list[int]
    recommendation_id: str
    served_by: str = ""
    model_id: str = ""
    propensities: Sequence[float] = ()
    scores: Sequence[float] = ()


class Policy(Protocol):
    """Shows pages and hears what became of them, in order of time."""

    def show(self, request: Request, k: int) -> Page: ...

    def hear(self, events: Sequence[Event]) -> None:
        """Records as a log has them: impressions, and events as `POST /v1/events` takes them."""
        ...


class Oracle:
    """Knows everybody's mind: for one page nothing can be better in expectation."""

    def show(self, request: Request, k: int) -> Page:
        best = np.argsort(-request.truth, kind="stable")[:k]
        return Page(best.tolist(), request.recommendation_id, "oracle")

    def hear(self, events: Sequence[Event]) -> None:
        """Nothing is news."""


class Chance:
    """Any item there is that the person has not opened, all alike."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def show(self, request: Request, k: int) -> Page:
        order = chance(self._seed, "random policy", request.number).permutation(len(request.truth))
        return Page(_unopened(order, request, k), request.recommendation_id, "random")

    def hear(self, events: Sequence[Event]) -> None:
        """Nothing is learned."""


class MostPopular:
    """What has had most events so far, less what the person has opened; ties by item."""

    def __init__(self, items: int) -> None:
        self._counts = np.zeros(items, np.int64)

    def show(self, request: Request, k: int) -> Page:
        order = np.argsort(-self._counts, kind="stable")
        return Page(_unopened(order, request, k), request.recommendation_id, "bestsellers")

    def hear(self, events: Sequence[Event]) -> None:
        for event in feedback_of(events):
            self._counts[int(event["item_id"].rpartition("-")[2])] += 1


def feedback_of(records: Sequence[Event]) -> list[Event]:
    """What people did; the rest is the system's own, and the catalogue."""
    return [record for record in records if record["type"] not in ("impression", "item")]


def _unopened(order: NDArray[np.int64], request: Request, k: int) -> list[int]:
    found: list[int] = []
    for item in order.tolist():
        if request.there[item] and item not in request.opened:
            found.append(item)
            if len(found) == k:
                break
    return found
