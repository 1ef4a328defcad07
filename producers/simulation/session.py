"""One visit: what a person looks at, opens and buys of the pages they are shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from producers.simulation.chance import chance
from producers.simulation.fatigue import Fatigue
from producers.simulation.policies import Event, Page, Policy, Request
from producers.simulation.visits import Visit
from producers.simulation.world import World, item_id, user_id

# Pages a visit has at most, and the chance to go on to another.
_PAGES: Final = 5
_GOES_ON: Final = 0.5
# The chance to look for something without the lists, first and again, and how many items are
# compared then.
_SEARCHES: Final = (0.6, 0.3)
_COMPARED: Final = 30
_PAGE_S: Final = 40.0


@dataclass(frozen=True)
class Seen:
    """A page and what became of it; `truth` is the chance of a click on each item if looked at."""

    page: Page
    truth: NDArray[np.float64]
    clicked: list[int]
    bought: list[int]
    time: float


class Shoppers:
    """All people of a world under one policy; each such run has memories of its own."""

    def __init__(self, world: World, policy: Policy, k: int, start: float) -> None:
        self._world, self._policy, self._k, self._start = world, policy, k, start
        self._looks = world.nature.examination(k)
        self._fatigue = Fatigue()
        self._events = 0
        self._elapsed_s = 0.0

    def visit(self, visit: Visit) -> Iterator[Seen | list[Event]]:
        """Yield every page seen, and every lot of records the policy has heard, in order."""
        world, user = self._world, visit.user
        yield from self._restock(visit.elapsed_s)
        luck = chance(world.seed, "visit", visit.number)
        draws = luck.random((_PAGES, self._k, 3))
        goes_on = luck.random(_PAGES)
        appeal = world.appeal(user, visit.elapsed_s)
        for likely in _SEARCHES:
            found = luck.integers(0, world.size.items, _COMPARED)
            if luck.random() < likely * world.nature.searches:
                best = int(found[int(np.argmax(appeal[found]))])
                if appeal[best] > 0.0:  # else nothing of it is there
                    yield self._browse(visit, best)
        for page in range(_PAGES):
            now = visit.elapsed_s + page * _PAGE_S
            truth = self._fatigue.tire(user, appeal, now)
            shown = self._ask(visit, page, truth, now)
            seen, events = self._look(visit, shown, truth, draws[page], now)
            yield seen
            records = [_impression(user, shown, self._start + now), *events]
            self._policy.hear(records)
            yield records
            if goes_on[page] >= _GOES_ON:
                return

    def _restock(self, elapsed_s: float) -> Iterator[list[Event]]:
        """Tell the policy what came and what left since the last visit."""
        changes = self._world.changes(self._elapsed_s, elapsed_s)
        self._elapsed_s = elapsed_s
        if changes:
            records: list[Event] = [{"type": "item", **item} for item in changes]
            self._policy.hear(records)
            yield records

    def _ask(self, visit: Visit, page: int, truth: NDArray[np.float64], now: float) -> Page:
        there = self._world.shelf.holds(visit.elapsed_s)
        request = Request(
            visit.user, self._fatigue.opened(visit.user), there, truth,
            f"sim-{self._world.seed}-{visit.number}-{page}", visit.number * _PAGES + page,
            self._start + now,
        )  # fmt: skip
        return self._policy.show(request, self._k)

    def _browse(self, visit: Visit, item: int) -> list[Event]:
        events = [self._event("view", visit.user, item, self._start + visit.elapsed_s - 20.0)]
        self._fatigue.opened(visit.user).add(item)
        self._policy.hear(events)
        return events

    def _look(
        self,
        visit: Visit,
        shown: Page,
        truth: NDArray[np.float64],
        draws: NDArray[np.float64],
        now: float,
    ) -> tuple[Seen, list[Event]]:
        user, events = visit.user, list[Event]()
        clicked, bought = list[int](), list[int]()
        for place, item in enumerate(shown.items):
            looks, opens, buys = draws[place]
            if looks >= self._looks[place]:
                continue
            if opens >= truth[item]:
                self._fatigue.pass_over(user, item, now)
                continue
            at = self._start + now + 1.0 + place
            clicked.append(item)
            self._fatigue.opened(user).add(item)
            events.append(self._event("click", user, item, at, shown))
            if (user, item) in self._fatigue.bought:
                continue
            if buys < self._world.conversion(user, item, visit.elapsed_s):
                bought.append(item)
                self._fatigue.bought.add((user, item))
                events.append(self._event("purchase", user, item, at + 0.5, shown))
        return Seen(shown, truth, clicked, bought, now), events

    def _event(
        self, kind: str, user: int, item: int, time: float, shown: Page | None = None
    ) -> Event:
        self._events += 1
        event: dict[str, Any] = {
            "type": kind, "user_id": user_id(user), "item_id": item_id(item), "timestamp": time,
            "event_id": f"sim-{self._world.seed}-{int(self._start)}-{self._events}",
        }  # fmt: skip
        if shown is not None:
            event["recommendation_id"] = shown.recommendation_id
        return event


def _impression(user: int, shown: Page, time: float) -> Event:
    """The record of a page that was shown, as the log of a system has it."""
    chances: Sequence[float] = shown.propensities or [1.0] * len(shown.items)
    scores: Sequence[float | None] = shown.scores or [None] * len(shown.items)
    return {
        "type": "impression", "user_id": user_id(user), "timestamp": time,
        "recommendation_id": shown.recommendation_id, "served_by": shown.served_by,
        "model_id": shown.model_id,
        "items": [
            {"item_id": item_id(item), "place": place, "propensity": chance, "score": score}
            for place, (item, chance, score) in enumerate(
                zip(shown.items, chances, scores, strict=True)
            )
        ],
    }  # fmt: skip
