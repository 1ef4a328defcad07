"""A generated wellness shop, in the layout that the `shop` reader takes.

The same seed writes the same bytes. The words are in `wellness.toml`.
"""

import csv
import random
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from producers.readers.shop import SHOP_COLUMNS
from stream.whole import whole_file

# Most products have no discount, as in shops that want to live.
_DISCOUNTS = (0, 0, 0, 0, 5, 10, 15, 20, 25, 30)
_SOLD_OUT_SHARE = 0.03
_PRICE_ENDINGS = (0.0, 0.5, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class _Design:
    """One combination of words before it gets a price and a stock."""

    title: str
    category: str
    description: str
    tags: tuple[str, ...]
    low: float
    high: float


def write_catalogue(path: Path, products: int = 2000, seed: int = 7) -> Path:
    """Write `products` lines with ids from 1, whole or not at all; return `path`.

    Titles are distinct while the words suffice (about 2,800) and repeat after that.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\n")
        writer.writerow(SHOP_COLUMNS)
        writer.writerows(_rows(products, seed))
    return path


def _rows(products: int, seed: int) -> Iterator[list[str]]:
    chance = random.Random(seed)
    designs = list(_designs())
    for number in range(products):
        if number % len(designs) == 0:
            chance.shuffle(designs)
        yield [str(number + 1), *_product(designs[number % len(designs)], chance)]


def _product(design: _Design, chance: random.Random) -> list[str]:
    tags = list(design.tags)
    chance.shuffle(tags)
    return [
        design.title,
        design.category,
        design.description,
        ", ".join(tags),
        f"{_price(design, chance):.2f}",
        f"{max(2.5, round(chance.triangular(2.4, 5.0, 4.3), 1)):.1f}",
        str(chance.choice(_DISCOUNTS)),
        str(_stock(chance)),
    ]


def _price(design: _Design, chance: random.Random) -> float:
    whole = int(chance.uniform(design.low, design.high))
    return max(1, whole) + chance.choice(_PRICE_ENDINGS)


def _stock(chance: random.Random) -> int:
    if chance.random() < _SOLD_OUT_SHARE:
        return 0
    return 1 + int(499 * chance.random() ** 2)


def _designs() -> Iterator[_Design]:
    for category in _words():
        for title, low, high, kind_tag, what in category["kinds"]:
            for twist, twist_tag, why in category["twists"]:
                for form, factor in category["formats"]:
                    tags = dict.fromkeys((kind_tag, twist_tag, category["tag"]))
                    yield _Design(
                        title=f"{title} {twist}, {form}",
                        category=category["name"],
                        description=f"{what} {why}",
                        tags=tuple(tags),
                        low=low * factor,
                        high=high * factor,
                    )


def _words() -> list[dict[str, Any]]:
    text = resources.files("producers").joinpath("wellness.toml").read_text(encoding="utf-8")
    words: list[dict[str, Any]] = tomllib.loads(text)["category"]
    return words
