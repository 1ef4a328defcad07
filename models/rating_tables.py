"""The rating model's tables, and the memory a thread foretells in. No learning here."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.attributes import ATTRIBUTES
from models.index import Slots, build
from models.settings import Ratings as Settings
from models.tables import Arena

#: Newest ratings kept of a user: the factors of what was rated speak for who rated it.
RING: Final = 32
#: Categories with a weight of their own for every user; later ones share the last.
CATEGORIES: Final = 24
#: Numeric attributes of items (year, price) with a slope of their own for every user.
NUMBERS: Final = 2
#: What a user's regression sees of an item: categories, the item's mean, popularity, numbers.
TASTE: Final = CATEGORIES + 2 + NUMBERS
#: Models of River's that may join the stack.
GUESTS: Final = 4
#: Components of the stack, by place; guests follow.
(
    ONE, BIAS, FACTORS, REGRESSION, ATTRIBUTE, RECENT_FAST, RECENT, RECENT_SLOW,
    USER_COUNT, ITEM_COUNT, AWAY, AWAY_FAST, AWAY_RECENT, AWAY_SLOW, FIRST_GUEST,
) = range(15)  # fmt: skip
STACK: Final = FIRST_GUEST + GUESTS
#: Components after all others where neighbours speak: what those of items say, those of users.
NEIGHBOURS: Final = 2
#: Buckets of (attribute, item); pairs that meet in one share a mean, which shrinks towards 0.
CROSSES: Final = 1 << 17

RATERS: Final = "raters"
RATED: Final = "rated"

F4: TypeAlias = NDArray[np.float32]
F8: TypeAlias = NDArray[np.float64]


class Tables(NamedTuple):
    """Everything the rating model reads and writes. `user_` rows are raters, `item_` rated."""

    used: NDArray[np.int64]  # [raters, rated]
    most: NDArray[np.int64]  # [max_users, max_items]
    user_slots: Slots
    user_key: NDArray[np.uint64]
    user_last: NDArray[np.int64]  # number of the rating that was the user's newest
    user_count: NDArray[np.int64]
    user_time: F8  # event time of the newest rating, seconds
    user_bias: F8  # [raters, 2] mean, variance
    user_recent: F8  # [raters, 3] exponential means of the residuals
    user_factors: F4  # [raters, K]
    user_spread: F4  # [raters, K] variance of each factor
    user_taste: F4  # [raters, TASTE]
    user_covariance: F4  # [raters, TASTE, TASTE]
    user_ring: NDArray[np.int32]  # [raters, RING] rated rows, -1: gone
    user_residual: F4  # [raters, RING]
    item_slots: Slots
    item_key: NDArray[np.uint64]
    item_last: NDArray[np.int64]
    item_count: NDArray[np.int64]
    item_bias: F8  # [rated, 2] mean, variance
    item_factors: F4  # [rated, K]
    item_spread: F4  # [rated, K]
    item_echo: F4  # [rated, K] what having rated the item says of a user's factors
    item_categories: NDArray[np.uint32]  # a bit each
    item_numbered: NDArray[np.uint8]  # a bit for every number the item has
    item_numbers: F8  # [rated, NUMBERS] as the catalogue has them
    numbers: F8  # [NUMBERS, 3] count, mean, sum of squares of what items have
    crosses: F4  # [CROSSES, 2] sum of residuals, count
    mean: F8  # [mean rating, its weight, mean log count of the rated, its weight]
    weights: F8  # [components]
    inverse: F8  # [components, components]
    counts: NDArray[np.int64]  # [ratings learned, restored]


class Work(NamedTuple):
    """Memory of one thread; nothing in it outlives a call."""

    x: F8  # [TASTE] the item as the user's regression sees it
    gain: F8  # [max(TASTE, STACK + NEIGHBOURS)]
    who: F8  # [K] the user's factors, with the echo of what they rated
    stack: F8  # [STACK + NEIGHBOURS]
    attributes: NDArray[np.uint64]  # [ATTRIBUTES]
    guests: F8  # [GUESTS] foretold by guests, NaN: none


def declare(arena: Arena, settings: Settings) -> None:
    """Declare every table; the order is part of the snapshot format."""
    factors, stack = settings.n_factors, components(settings)
    for kind, extent in (("user", RATERS), ("item", RATED)):
        arena.add(f"{kind}.key", np.uint64, extent)
        arena.add(f"{kind}.last", np.int64, extent)
        arena.add(f"{kind}.count", np.int64, extent)
        arena.add(f"{kind}.bias", np.float64, extent, 2)
        arena.add(f"{kind}.factors", np.float32, extent, factors)
        arena.add(f"{kind}.spread", np.float32, extent, factors)
    arena.add("user.time", np.float64, RATERS)
    arena.add("user.recent", np.float64, RATERS, 3)
    arena.add("user.taste", np.float32, RATERS, TASTE)
    arena.add("user.covariance", np.float32, RATERS, TASTE, TASTE)
    arena.add("user.ring", np.int32, RATERS, RING, fill=-1)
    arena.add("user.residual", np.float32, RATERS, RING)
    arena.add("item.echo", np.float32, RATED, factors)
    arena.add("item.categories", np.uint32, RATED)
    arena.add("item.numbered", np.uint8, RATED)
    arena.add("item.numbers", np.float64, RATED, NUMBERS)
    arena.add("numbers", np.float64, NUMBERS, 3)
    arena.add("crosses", np.float32, CROSSES, 2)
    arena.add("mean", np.float64, 4)
    arena.add("weights", np.float64, stack)
    arena.add("inverse", np.float64, stack, stack)
    arena.add("counts", np.int64, 2)


def components(settings: Settings) -> int:
    """How long the stack is."""
    return STACK + NEIGHBOURS if any(settings.speaking) else STACK


def view(arena: Arena, settings: Settings) -> Tables:
    """The tables as kernels take them; stale once the arena has grown."""
    a, most = arena, (settings.max_users, settings.max_items)
    users = build(a["user.key"], a.count(RATERS), a.capacity(RATERS))
    items = build(a["item.key"], a.count(RATED), a.capacity(RATED))
    return Tables(
        a.used, np.array(most, np.int64), users, a["user.key"], a["user.last"], a["user.count"],
        a["user.time"], a["user.bias"], a["user.recent"], a["user.factors"], a["user.spread"],
        a["user.taste"], a["user.covariance"], a["user.ring"], a["user.residual"],
        items, a["item.key"], a["item.last"], a["item.count"], a["item.bias"],
        a["item.factors"], a["item.spread"], a["item.echo"], a["item.categories"],
        a["item.numbered"], a["item.numbers"], a["numbers"], a["crosses"], a["mean"],
        a["weights"], a["inverse"], a["counts"],
    )  # fmt: skip


def work(factors: int) -> Work:
    stack = STACK + NEIGHBOURS
    return Work(
        np.zeros(TASTE), np.zeros(max(TASTE, stack)), np.zeros(factors), np.zeros(stack),
        np.zeros(ATTRIBUTES, np.uint64), np.full(GUESTS, np.nan),
    )  # fmt: skip
