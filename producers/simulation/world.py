"""The planted truth: what items are like, what people like, and how that drifts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from producers.simulation.chance import chance
from producers.simulation.nature import Nature
from producers.simulation.shelf import Shelf

Vectors = NDArray[np.float64]

#: Numbers in a vector of taste. With 2 everybody is alike, with 100 nobody like anybody.
DIMS: Final = 8
# Items a category has, about, and between how many there are.
_PER_CATEGORY: Final = 40
_CATEGORIES: Final = (4, 24)
# An item is its category and this much of its own.
_OWN: Final = 0.6
# From a cosine of tastes to the chance of a click on an item that is looked at:
# `_MOST · sigmoid(_STEEP · cosine + quality - _BAR)`. The best item of a thousand is clicked
# about every third time it is looked at, an arbitrary one every fiftieth.
_MOST: Final = 0.5
_STEEP: Final = 4.0
_BAR: Final = 3.6
_QUALITY: Final = 0.8
# How much of the liking is personal: the deviation of `_STEEP · cosine` over all items.
_PERSONAL: Final = _STEEP / math.sqrt(DIMS)
# Some kinds of things are liked by more people: the n-th by 1 over this power of n. At 0 a list
# of bestsellers tells nothing.
_CROWDED: Final = 0.7
# From the same to a purchase after a click.
_BUYS: Final = 0.25
# How far tastes move a day, and how often somebody finds an interest of a new kind.
_DRIFT: Final = 0.06
_NEW_INTEREST: Final = 0.02
_DAY_S: Final = 86_400.0

# fmt: off
_WORDS: Final = (
    "amber", "birch", "cedar", "dune", "ember", "fjord", "grove", "harbor", "indigo", "juniper",
    "kelp", "linen", "meadow", "nectar", "ochre", "pebble", "quartz", "river", "sable", "tundra",
    "umber", "velvet", "willow", "zephyr",
)
# fmt: on


@dataclass(frozen=True)
class Size:
    """How large a world is."""

    users: int
    items: int
    hours: float


class World:
    """People 0 … users - 1 and items 0 … items - 1; everything follows from the seed."""

    def __init__(self, size: Size, seed: int, nature: Nature | None = None) -> None:
        self.size, self.seed = size, seed
        self.nature = nature = nature or Nature()
        born = chance(seed, "world")
        count = min(max(size.items // _PER_CATEGORY, _CATEGORIES[0]), _CATEGORIES[1])
        centres = _unit(born.normal(size=(count, DIMS)))
        self._category = born.integers(0, count, size.items)
        own = _unit(born.normal(size=(size.items, DIMS)))
        self.vectors = _unit(centres[self._category] + _OWN * own)
        # What people do not like each for themselves, they agree on: some things are worth more.
        agreed = (1.0 - nature.taste**2) * (_PERSONAL / _QUALITY) ** 2
        self._quality = _QUALITY * math.sqrt(1.0 + agreed) * born.normal(size=size.items)
        self._steep = _STEEP * nature.taste
        self.shelf = Shelf(size.items, size.hours, seed, nature.life_hours)
        self._tastes = self._drifting(born, centres)

    def _drifting(self, born: np.random.Generator, centres: Vectors) -> list[Vectors]:
        """Everybody's taste (float64[users, DIMS], norm 1) on each day."""
        users, count = self.size.users, len(centres)
        crowded = np.arange(1, count + 1, dtype=np.float64) ** -_CROWDED
        crowded /= crowded.sum()
        first = centres[born.choice(count, users, p=crowded)]
        second = centres[born.choice(count, users, p=crowded)]
        taste = _unit(first + 0.5 * second + 0.3 * _unit(born.normal(size=(users, DIMS))))
        days = [taste]
        for _ in range(int(self.size.hours * 3600 / _DAY_S)):
            moved = taste + _DRIFT * born.normal(size=(users, DIMS))
            found = centres[born.choice(count, users, p=crowded)]
            turned = born.random(users) < _NEW_INTEREST
            taste = _unit(np.where(turned[:, None], 0.6 * moved + found, moved))
            days.append(taste)
        return days

    def taste(self, user: int, elapsed_s: float) -> Vectors:
        day = min(int(elapsed_s / _DAY_S), len(self._tastes) - 1)
        return self._tastes[day][user]

    def liking(self, user: int, elapsed_s: float) -> Vectors:
        """Logit of a person's liking of every item (float64[items])."""
        cosine = (self.vectors * self.taste(user, elapsed_s)).sum(axis=1)
        return self._steep * cosine + self._quality - _BAR

    def appeal(self, user: int, elapsed_s: float) -> Vectors:
        """The chance that this person clicks each item once they look at it, before fatigue.

        0 for what is not there.
        """
        return _MOST * _sigmoid(self.liking(user, elapsed_s)) * self.shelf.holds(elapsed_s)

    def conversion(self, user: int, item: int, elapsed_s: float) -> float:
        """The chance that a click on it ends in a purchase."""
        cosine = float((self.vectors[item] * self.taste(user, elapsed_s)).sum())
        return _BUYS * float(_sigmoid(np.float64(_STEEP * cosine - 1.0)))

    def catalogue(self) -> list[dict[str, Any]]:
        """The items there are at the start, as `PUT /v1/items` takes them."""
        return [self.described(item) for item in np.flatnonzero(self.shelf.holds(0.0)).tolist()]

    def changes(self, after_s: float, until_s: float) -> list[dict[str, Any]]:
        """The items that came (after, until], and then those that left, as they are sent."""
        came, left = self.shelf.between(after_s, until_s)
        gone = [{**self.described(item), "available": False} for item in left]
        return [*(self.described(item) for item in came), *gone]

    def described(self, item: int) -> dict[str, Any]:
        """An item as it is sent; its text tells something of its nature."""
        category = _WORDS[self._category[item]]
        strongest = np.argsort(-np.abs(self.vectors[item]), kind="stable")[:2]
        tags = [f"{'more' if self.vectors[item][d] > 0 else 'less'}-{_WORDS[d]}" for d in strongest]
        return {
            "item_id": item_id(item), "title": f"{category} {item}", "categories": [category],
            "tags": tags,
        }  # fmt: skip


def item_id(item: int) -> str:
    return f"item-{item}"


def user_id(user: int) -> str:
    return f"shopper-{user}"


def _unit(vectors: Vectors) -> Vectors:
    return vectors / np.sqrt((vectors**2).sum(axis=-1, keepdims=True))


def _sigmoid(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))
