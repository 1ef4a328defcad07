"""Simulated shoppers: they have tastes, look at what they are shown, and act on it.

Everything follows from the seed and from the recommendations they are given.
"""

import math
import random
from collections.abc import Callable, Iterator
from typing import Any

from producers.shelves import Shelves
from producers.shopper import Shopper

Recommend = Callable[[str, int], list[str]]

LIST_LENGTH = 10
HISTORY_DAYS = 30

# Chance that the card at a place is looked at, as a power of the place: the first always, the
# tenth about every third time. At 1 place means nothing; near 0 only the first card lives.
_ATTENTION = 0.89
_CLICKS_PER_VISIT = 3
_BROWSING = 0.3
_DISLIKE = 0.025
_REVIEW = 0.35
_DRIFT = 0.02
# More shoppers come at these hours; in UTC, for a shop in Spain.
_EVENING_HOURS = range(16, 22)
_NIGHT_HOURS = range(6)


class Crowd:
    """A fixed number of shoppers who visit one after the other, the keen ones more often."""

    def __init__(self, items: list[dict[str, Any]], shoppers: int, seed: int, start: int = 0):
        """`start` continues at another point of chance, with the same people and first tastes."""
        self._shelves = Shelves(items)
        births = random.Random(f"{seed}:births")
        self.shoppers = [Shopper.born(n, self._shelves, births) for n in range(1, shoppers + 1)]
        self._keenness = [shopper.keenness for shopper in self.shoppers]
        self._chance = random.Random(f"{seed}:visits:{start}")

    def step(self, recommend: Recommend) -> list[dict[str, Any]]:
        """The next shopper's visit: at least one event, in order, without ids and timestamps."""
        chance = self._chance
        shopper = chance.choices(self.shoppers, self._keenness)[0]
        if chance.random() < _DRIFT:
            shopper.drift(self._shelves, chance)
        events = self._review(shopper)
        events += self._look(shopper, recommend(shopper.user_id, LIST_LENGTH))
        if not events or chance.random() < _BROWSING:
            events += self._browse(shopper)
        return events

    def history(self, n: int, now: float) -> Iterator[dict[str, Any]]:
        """Yield `n` past events of the last 30 days in order of time, the last one at `now`.

        The shoppers saw bestsellers then. Their drift and purchases carry over into `step`.
        """
        visits: list[list[dict[str, Any]]] = []
        total = 0
        while total < n:
            visit = self.step(self._bestsellers)[: n - total]
            visits.append(visit)
            total += len(visit)
        moments = sorted(self._moment(now) for _ in visits)
        events: list[dict[str, Any]] = []
        free_from: dict[str, float] = {}
        for visit, moment in zip(visits, moments, strict=True):
            # One person's visits do not overlap: nobody reviews what they have yet to buy.
            time = max(moment, free_from.get(visit[0]["user_id"], moment))
            for event in visit:
                events.append({**event, "timestamp": time})
                time += self._chance.uniform(4, 40)
            free_from[visit[0]["user_id"]] = time
        events.sort(key=lambda event: event["timestamp"])
        # A shift by one constant makes the last event the newest possible one.
        shift = now - events[-1]["timestamp"] if events else 0.0
        oldest = now - HISTORY_DAYS * 86400
        for event in events:
            shifted = max(oldest, min(now, event["timestamp"] + shift))
            yield {**event, "timestamp": shifted}

    def _review(self, shopper: Shopper) -> list[dict[str, Any]]:
        if not shopper.unreviewed or self._chance.random() > _REVIEW:
            return []
        item_id = shopper.unreviewed.pop(0)
        opinion = 2.2 + 3.0 * shopper.liking(self._shelves.item(item_id))
        stars = min(5, max(1, round(opinion + self._chance.gauss(0, 0.8))))
        return [_event(shopper, item_id, "rating", float(stars))]

    def _look(self, shopper: Shopper, shown: list[str]) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        clicks = 0
        for place, item_id in enumerate(shown):
            looked = self._chance.random() < _ATTENTION**place
            if not looked or item_id not in self._shelves or clicks == _CLICKS_PER_VISIT:
                continue
            liking = shopper.liking(self._shelves.item(item_id))
            if self._chance.random() < 0.75 * liking**1.5:
                events += self._act(shopper, item_id, "click", liking)
                clicks += 1
            elif liking < 0.15 and self._chance.random() < _DISLIKE:
                events.append(_event(shopper, item_id, "dislike"))
        return events

    def _browse(self, shopper: Shopper) -> list[dict[str, Any]]:
        category = shopper.wanted_category(self._chance)
        item_id = self._shelves.find(category, shopper.liking, self._chance)
        liking = shopper.liking(self._shelves.item(item_id))
        return self._act(shopper, item_id, "view", liking)

    def _act(
        self, shopper: Shopper, item_id: str, first: str, liking: float
    ) -> list[dict[str, Any]]:
        """From a first look to cart and purchase, each step likelier where there is taste."""
        events = [_event(shopper, item_id, first)]
        if item_id in shopper.owned or not self._shelves.in_stock(item_id):
            return events
        if self._chance.random() < 0.06 + 0.34 * liking:
            events.append(_event(shopper, item_id, "add_to_cart"))
            if self._chance.random() < 0.25 + 0.35 * liking:
                events.append(_event(shopper, item_id, "purchase"))
                shopper.buy(item_id)
        return events

    def _bestsellers(self, user_id: str, k: int) -> list[str]:
        return self._shelves.popular(k, self._chance)

    def _moment(self, now: float) -> float:
        """A time in the last 30 days less an hour, evenings preferred to nights."""
        while True:
            moment = now - 3600 - self._chance.random() * (HISTORY_DAYS * 86400 - 7200)
            hour = math.floor(moment / 3600) % 24
            odds = 1.0 if hour in _EVENING_HOURS else 0.15 if hour in _NIGHT_HOURS else 0.6
            if self._chance.random() < odds:
                return moment


def _event(shopper: Shopper, item_id: str, kind: str, value: float | None = None) -> dict[str, Any]:
    event: dict[str, Any] = {
        "type": kind,
        "user_id": shopper.user_id,
        "item_id": item_id,
    }
    if value is not None:
        event["value"] = value
    return event
