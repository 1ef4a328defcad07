"""A number that is none is left out where it comes up, counted there, and spreads no further."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.settings import LearningSettings, Sources
from tests.unit.models.shops import Event, Shop

BROKEN = {
    "embeddings": "embeddings.outward", "factors": "factors.vectors", "ranker": "ranker.weights",
}  # fmt: skip


def visits(first: int, last: int) -> list[Event]:
    """No pair of them comes twice, up to the 287th."""
    return [Event(f"u{n % 7}", f"i{n * 5 % 41}", time=1.7e9 + n) for n in range(first, last)]


def shop() -> Shop:
    made = Shop(LearningSettings(sources=Sources(factors=True), repeats=True))
    made.tell(visits(0, 200))
    assert set(made.model.updates_rejected().values()) == {0}
    return made


@pytest.mark.parametrize("part", BROKEN)
def test_what_is_not_finite_is_counted_and_does_not_spread(part: str) -> None:
    broken = shop()
    broken.model.arena[BROKEN[part]][3] = math.nan  # an item's vector, or a weight
    before = {
        name: np.isnan(array).sum()
        for name, array in broken.model.arena.content()
        if name.startswith(part) and array.dtype.kind == "f"
    }
    gone = broken.model.id_of(3)
    broken.tell(event for event in visits(200, 260) if event.item != gone)
    rejected = broken.model.updates_rejected()
    assert rejected[part] > 0
    for name, array in broken.model.arena.content():
        if name in before:
            assert np.isnan(array).sum() <= before[name], name
            assert not np.isinf(array).any()


def test_a_rating_that_is_none_is_counted() -> None:
    made = shop()
    made.tell([Event("u1", "i1", "rating", math.inf)])
    assert made.model.updates_rejected()["ratings"] == 1
