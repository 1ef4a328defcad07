"""What neighbours say of a rating: items that are rated alike, and users who rate alike.

Rows meet when one is rated, or rates, while the other is in the ring of newest ratings. Kept
are how often (n) and the sum of products of their residuals, for the `SLOTS` partners a row met
most. Two rows are alike by the shrunken mean `s = Σ rr' / (n + shrinkage)`, and what neighbours
in a ring say is `Σ s r / (1 + Σ |s|)` (after Bell and Koren, ICDM 2007, and Koren, TKDD 2010).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.compiled import inner
from models.partners import SLOTS, claim, follow, slot_of
from models.rating_tables import RATED, RATERS, RING
from models.settings import Ratings as Settings
from models.tables import Arena

#: Meetings before what two items, or two users, have in common counts half.
ITEM_SHRINKAGE: Final = 25.0
USER_SHRINKAGE: Final = 15.0
# Float32 would count no further than 16 million; who met this often may forget half.
_MOST: Final = 1e6


class Pairs(NamedTuple):
    """Rows and their partners, of items or of users; without rows where they are off."""

    partner: NDArray[np.int32]  # [rows, SLOTS] row + 1, 0 = free
    met: NDArray[np.float32]  # [rows, SLOTS] how often
    products: NDArray[np.float32]  # [rows, SLOTS] sum of products of residuals


class Near(NamedTuple):
    """Everything neighbours know, besides the rings of users."""

    items: Pairs
    users: Pairs
    item_ring: NDArray[np.int32]  # [rated, RING] rows of who rated it lately, -1: gone
    item_residual: NDArray[np.float32]  # [rated, RING]


def declare(arena: Arena, settings: Settings) -> None:
    """Declare the tables of those who speak; last, so that without them nothing tells of them."""
    by_items, by_users = settings.speaking
    for kind, extent, on in (("item", RATED, by_items), ("user", RATERS, by_users)):
        if on:
            arena.add(f"{kind}.partner", np.int32, extent, SLOTS)
            arena.add(f"{kind}.met", np.float32, extent, SLOTS)
            arena.add(f"{kind}.products", np.float32, extent, SLOTS)
    if by_users:
        arena.add("item.ring", np.int32, RATED, RING, fill=-1)
        arena.add("item.residual", np.float32, RATED, RING)


def turn(arena: Arena, before: Settings, now: Settings) -> None:
    """Take the tables of those away who speak no more, and give those who begin empty ones.

    All are declared anew, so that their order does not tell what was asked for before.
    """
    stay = {name: arena[name] for name in _names(now) if name in _names(before)}
    for name in _names(before):
        arena.remove(name)
    declare(arena, now)
    for name, table in stay.items():
        arena[name][...] = table


def _names(settings: Settings) -> list[str]:
    by_items, by_users = settings.speaking
    kinds = [kind for kind, on in (("item", by_items), ("user", by_users)) if on]
    names = [f"{kind}.{column}" for kind in kinds for column in Pairs._fields]
    return [*names, "item.ring", "item.residual"] if by_users else names


def view(arena: Arena, settings: Settings) -> Near:
    """The tables as kernels take them; stale once the arena has grown or was turned."""
    nobody = Pairs(
        np.empty((0, SLOTS), np.int32), np.empty((0, SLOTS), np.float32),
        np.empty((0, SLOTS), np.float32),
    )  # fmt: skip
    items, users = (
        Pairs._make(arena[f"{kind}.{column}"] for column in Pairs._fields) if on else nobody
        for kind, on in zip(("item", "user"), settings.speaking, strict=True)
    )
    if users is nobody:
        return Near(items, users, np.empty((0, RING), np.int32), np.empty((0, RING), np.float32))
    return Near(items, users, arena["item.ring"], arena["item.residual"])


def renumber(arena: Arena, settings: Settings, extent: str, moved: NDArray[np.int32]) -> None:
    """Follow rows of an extent to where they moved: int32[rows before + 1], -1 = gone.

    What is gone is nobody's neighbour; the last of `moved` is -1, for who was gone before.
    """
    by_items, by_users = settings.speaking
    kind, on = ("item", by_items) if extent == RATED else ("user", by_users)
    if on:
        met, products = arena[f"{kind}.met"], arena[f"{kind}.products"]
        follow(arena[f"{kind}.partner"], (met, products), moved, arena.count(extent))
    if by_users and extent == RATERS:
        ring = arena["item.ring"]
        ring[...] = moved[ring]


@inner
def say(
    near: Near, user: int, item: int, ring: NDArray[np.int32], residuals: NDArray[np.float32],
    out: NDArray[np.float64],
) -> None:  # fmt: skip
    """Write what neighbours say of a user and an item (float64[NEIGHBOURS]).

    `ring` and `residuals` ([RING]) are the user's newest ratings.
    """
    if near.items.partner.shape[0] > 0:
        out[0] = _said(near.items, item, ring, residuals, ITEM_SHRINKAGE)
    if near.users.partner.shape[0] > 0:
        ring, residuals = near.item_ring[item], near.item_residual[item]
        out[1] = _said(near.users, user, ring, residuals, USER_SHRINKAGE)


@inner
def _said(
    pairs: Pairs, row: int, ring: NDArray[np.int32], residuals: NDArray[np.float32],
    shrinkage: float,
) -> float:  # fmt: skip
    total, weight, partner = 0.0, 1.0, pairs.partner[row]
    for at in range(RING):
        slot = slot_of(partner, ring[at] + 1) if ring[at] >= 0 and ring[at] != row else -1
        if slot >= 0:
            alike = pairs.products[row, slot] / (pairs.met[row, slot] + shrinkage)
            total += alike * residuals[at]
            weight += abs(alike)
    return total / weight


@inner
def learn(
    near: Near, user: int, item: int, residual: float, ring: NDArray[np.int32],
    residuals: NDArray[np.float32], count: int,
) -> None:  # fmt: skip
    """Learn that a user rated an item: each meets all in the other's ring.

    `ring` and `residuals` are the user's newest ratings, less this one; `count` is how many
    ratings the item had.
    """
    if near.items.partner.shape[0] > 0:
        _meet_all(near.items, item, residual, ring, residuals)
    if near.users.partner.shape[0] > 0:
        ring, residuals = near.item_ring[item], near.item_residual[item]
        _meet_all(near.users, user, residual, ring, residuals)
        ring[count % RING], residuals[count % RING] = user, residual


@inner
def _meet_all(
    pairs: Pairs, row: int, residual: float, ring: NDArray[np.int32],
    residuals: NDArray[np.float32],
) -> None:  # fmt: skip
    for at in range(RING):
        if ring[at] >= 0 and ring[at] != row:
            product = np.float32(residual * residuals[at])
            _meet(pairs.partner, pairs.met, pairs.products, row, ring[at], product)
            _meet(pairs.partner, pairs.met, pairs.products, ring[at], row, product)


@inner
def _meet(
    partner: NDArray[np.int32], met: NDArray[np.float32], products: NDArray[np.float32],
    row: int, other: int, product: np.float32,
) -> None:  # fmt: skip
    slot = slot_of(partner[row], other + 1)
    if slot < 0:
        slot = _begin(partner[row], met[row], products[row], other + 1)
    if met[row, slot] >= _MOST:
        met[row, slot] *= np.float32(0.5)
        products[row, slot] *= np.float32(0.5)
    met[row, slot] += np.float32(1.0)
    products[row, slot] += product


@inner
def _begin(
    partner: NDArray[np.int32], met: NDArray[np.float32], products: NDArray[np.float32], wanted: int
) -> int:  # fmt: skip
    """Give `wanted` a slot of a row, a free one or that of who was met least, and no meetings.

    Meetings of whom it replaces, without their products, would shrink what it says. In a full row
    the newest stands last: of those met least the oldest leaves, not each newcomer for the next.
    """
    slot = claim(partner, met, wanted)
    if partner[SLOTS - 1] != 0:
        for at in range(slot, SLOTS - 1):  # each in a loop of its own, which vectorises
            partner[at] = partner[at + 1]
        for at in range(slot, SLOTS - 1):
            met[at] = met[at + 1]
        for at in range(slot, SLOTS - 1):
            products[at] = products[at + 1]
        slot = SLOTS - 1
        partner[slot] = wanted
    met[slot], products[slot] = 0.0, 0.0
    return slot
