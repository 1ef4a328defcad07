"""One simulated person: a name, tastes over categories and tags, and what they bought."""

import random
from dataclasses import dataclass, field
from typing import Any

from producers.shelves import Shelves

# fmt: off
_NAMES = (
    "Lucía", "Martín", "Sofía", "Daniel", "Paula", "Hugo", "Carmen", "Mateo",
    "Elena", "Leo", "Irene", "Pablo", "Nuria", "Álvaro", "Marta", "Diego",
    "Clara", "Javier", "Alba", "Adrián", "Rocío", "Marcos", "Inés", "Sergio",
    "Julia", "Iván", "Laura", "Rubén", "Ana", "Óscar",
)
# fmt: on
_PLAIN = str.maketrans("áéíóúüñ", "aeiouun")

# How much each favourite weighs; what is no favourite weighs the last figure.
_CATEGORY_WEIGHTS = (1.0, 0.6, 0.35)
_OTHER_CATEGORY = 0.04
_FAVOURITE_TAGS = 7


@dataclass
class Shopper:
    """`liking` is between 0 and 1; tastes are ordered from the strongest."""

    user_id: str
    name: str
    keenness: float
    categories: list[str]
    tags: list[str]
    budget: float
    owned: set[str] = field(default_factory=set)
    unreviewed: list[str] = field(default_factory=list)

    @classmethod
    def born(cls, number: int, shelves: Shelves, chance: random.Random) -> "Shopper":
        name = _NAMES[(number - 1) % len(_NAMES)]
        categories = shelves.some_categories(len(_CATEGORY_WEIGHTS), chance)
        return cls(
            user_id=f"{name.lower().translate(_PLAIN)}-{number}",
            name=name,
            # A few come daily, most now and then: the usual long tail.
            keenness=min(12.0, chance.paretovariate(1.3)),
            categories=categories,
            tags=shelves.some_tags(categories, _FAVOURITE_TAGS, chance),
            budget=chance.lognormvariate(3.9, 0.5),
        )

    def liking(self, item: dict[str, Any]) -> float:
        """How much this person likes an item: category, shared tags, quality and price."""
        category = max((self._weight(name) for name in item.get("categories", [])), default=0.0)
        shared = sum(tag in self.tags for tag in item.get("tags", []))
        quality = (float(item.get("rating", 3.5)) - 2.5) / 2.5
        dear = 0.15 if float(item.get("price", 0.0)) > self.budget else 0.0
        liking = 0.5 * category + 0.22 * min(2, shared) + 0.1 * quality - dear
        return min(1.0, max(0.0, liking))

    def wanted_category(self, chance: random.Random) -> str:
        weights = _CATEGORY_WEIGHTS[: len(self.categories)]
        return chance.choices(self.categories, weights)[0]

    def drift(self, shelves: Shelves, chance: random.Random) -> None:
        """Lose interest in one favourite and find another, with tags of its own."""
        found = shelves.some_categories(1, chance)[0]
        if found in self.categories:
            self.categories.remove(found)
        else:
            self.categories.pop()
        self.categories.insert(chance.randrange(len(self.categories) + 1), found)
        self.tags = self.tags[2:] + shelves.some_tags([found], 2, chance)

    def buy(self, item_id: str) -> None:
        self.owned.add(item_id)
        self.unreviewed.append(item_id)

    def _weight(self, category: str) -> float:
        if category in self.categories:
            return _CATEGORY_WEIGHTS[self.categories.index(category)]
        return _OTHER_CATEGORY
