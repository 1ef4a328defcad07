"""Lists without a ranker against a plain sort of the same scores, ties and all."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.models.shops import Shop, catalogue, crowd


@pytest.fixture(scope="module")
def shop() -> Shop:
    shop = Shop()
    shop.put(*catalogue(60))
    shop.tell(crowd(400, items=60))
    return shop


@pytest.mark.parametrize("k", [1, 2, 10, 59, 60, 100])
@pytest.mark.parametrize("kinds", [2, 7, 1_000])
def test_trending_is_a_stable_sort_of_the_scores(shop: Shop, k: int, kinds: int) -> None:
    random = np.random.default_rng(kinds)
    s, items = shop.model.reader.state, shop.model.items
    before = s.popularity.trending[:items].copy(), s.blocked[:items].copy()
    scores = random.integers(kinds, size=items).astype(np.float64)
    s.popularity.trending[:items], s.blocked[:items] = scores, random.random(items) < 0.2
    listed = [(place.row, place.score) for place in shop.model.trending(k)]
    scores[s.blocked[:items] > 0] = -1.0
    s.popularity.trending[:items], s.blocked[:items] = before
    order = [row for row in np.argsort(-scores, kind="stable")[:k] if scores[row] > 0.0]
    assert listed == [(row, scores[row] / scores.max()) for row in order]


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_trending_finds_the_best_wherever_they_stand(shop: Shop, direction: float) -> None:
    s, items = shop.model.reader.state, shop.model.items
    before = s.popularity.trending[:items].copy()
    s.popularity.trending[:items] = 1_000.0 + direction * np.arange(items)
    rows = [place.row for place in shop.model.trending(5)]
    s.popularity.trending[:items] = before
    assert rows == list(range(items))[:: int(-direction)][:5]


def test_similar_items_of_a_short_list_are_the_first_of_a_long_one(shop: Shop) -> None:
    whole = shop.model.similar("i3", shop.model.items)
    assert len(whole) > 20
    assert whole == sorted(whole, key=lambda place: (-place.score, place.row))
    for k in (1, 10, 20):
        assert shop.model.similar("i3", k) == whole[:k]
