"""A catalogue as shoppers walk through it: by category, by tag, and by what sells."""

import random
from collections.abc import Callable
from typing import Any

from producers.errors import OptionError

# How many products a browsing shopper compares before opening the best of them.
_COMPARED = 4


class Shelves:
    """Looks only; all chance comes from the caller, so that a seed decides everything."""

    def __init__(self, items: list[dict[str, Any]]) -> None:
        self._items = {item["item_id"]: item for item in items if item.get("available", True)}
        if not self._items:
            raise OptionError("shoppers need a catalogue with at least one available item")
        self._by_category: dict[str, list[str]] = {}
        self._tags: dict[str, list[str]] = {}
        for item_id, item in self._items.items():
            for category in item.get("categories") or [""]:
                self._by_category.setdefault(category, []).append(item_id)
                self._tags.setdefault(category, []).extend(item.get("tags", []))
        self._categories = list(self._by_category)
        # A long tail like that of shops: the n-th best sells as 1 over the root of n.
        ranked = sorted(self._items, key=lambda item_id: -self._items[item_id].get("rating", 0.0))
        self._ranked = ranked
        self._sales = [(place + 1) ** -0.5 for place in range(len(ranked))]

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._items

    def item(self, item_id: str) -> dict[str, Any]:
        return self._items[item_id]

    def in_stock(self, item_id: str) -> bool:
        return bool(self._items[item_id].get("stock", 1) > 0)

    def some_categories(self, count: int, chance: random.Random) -> list[str]:
        return chance.sample(self._categories, min(count, len(self._categories)))

    def some_tags(self, categories: list[str], count: int, chance: random.Random) -> list[str]:
        """Tags of these categories without repeats, frequent ones likelier; oldest first."""
        pool = [tag for category in categories for tag in self._tags[category]]
        chosen: dict[str, None] = {}
        for _ in range(4 * count):
            if pool and len(chosen) < count:
                chosen.setdefault(chance.choice(pool))
        return list(chosen)

    def find(
        self,
        category: str,
        liking: Callable[[dict[str, Any]], float],
        chance: random.Random,
    ) -> str:
        """The one a shopper opens in a category after comparing a few."""
        shelf = self._by_category[category]
        compared = [chance.choice(shelf) for _ in range(_COMPARED)]
        return max(compared, key=lambda item_id: liking(self._items[item_id]))

    def popular(self, count: int, chance: random.Random) -> list[str]:
        return list(dict.fromkeys(chance.choices(self._ranked, self._sales, k=count)))
