"""New items drawn into lists: bounded, repeatable, and soon met."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec import structs

from models.exploration import EXPLORED
from models.facets import Filters
from models.settings import Exploration, LearningSettings
from tests.unit.models.shops import START, Event, Shop, catalogue, crowd


@pytest.fixture
def market() -> Shop:
    """Items that everybody knows, and twelve that nobody does."""
    shop = Shop()
    shop.put(*catalogue())
    shop.tell(event for n in range(3) for event in crowd(400, seed=n))
    shop.put(*[{"item_id": f"new{n}", "title": "New", "categories": ["new"]} for n in range(12)])
    return shop


def drawn(
    shop: Shop, requests: int, k: int = 5, user: str = "u1", **more: object
) -> list[str | None]:
    """What was explored in each list, None where nothing."""
    found: list[str | None] = []
    for n in range(requests):
        listed = shop.model.recommend(shop.asked(user, k, **more), f"list {n}")
        names = [shop.model.id_of(p.row) for p in listed if p.reason == EXPLORED]
        assert len(names) <= 1 and len(listed) == len({p.row for p in listed}) <= k
        found.append(names[0] if names else None)
    return found


def test_the_share_is_kept_at_every_moment_and_used(market: Shop) -> None:
    explored = np.cumsum([name is not None for name in drawn(market, 1_000)])
    assert (explored <= 0.05 * np.arange(1, 1_001)).all()
    assert explored[-1] > 0.03 * 1_000


def test_a_new_item_of_an_unknown_category_is_shown_within_1000_requests(market: Shop) -> None:
    market.put({"item_id": "odd one", "title": "Unheard of", "categories": ["never seen"]})
    asked = market.asked("u1", 3)
    shown = {
        market.model.id_of(place.row)
        for n in range(1_000)
        for place in market.model.recommend(asked, f"request {n}")
    }
    assert "odd one" in shown


def test_a_draw_can_be_repeated_and_learning_draws_nothing(market: Shop) -> None:
    before = market.model.digest()
    first = drawn(market, 200)
    assert any(first)
    assert market.model.digest() == before
    again = Shop()
    again.put(*catalogue())
    again.tell(event for n in range(3) for event in crowd(400, seed=n))
    again.put(*[{"item_id": f"new{n}", "title": "New", "categories": ["new"]} for n in range(12)])
    assert drawn(again, 200) == first
    assert EXPLORED not in {p.reason for p in market.model.recommend(market.asked("u1", 40))}


def test_off_is_off() -> None:
    shop = Shop(LearningSettings(exploration=Exploration(share=0.0)))
    shop.put(*catalogue())
    assert not any(drawn(shop, 200))


def test_filters_hold_for_what_is_drawn(market: Shop) -> None:
    market.put({"item_id": "new0", "title": "New", "categories": ["new"], "available": False})
    market.tell([Event("u9", f"new{n}", time=START + 1e5) for n in range(1, 4)])
    gone = {"new0", "new1", "new2", "new3", "new4"}
    found = set(drawn(market, 400, user="u9", filters=Filters(exclude=["new4"]))) - {None}
    assert found and not found & gone
    assert not any(drawn(market, 200, filters=Filters(category="kind 1")))


def test_what_came_long_ago_is_not_new_any_more(market: Shop) -> None:
    assert any(drawn(market, 200))
    week = 7 * 86_400.0
    market.tell([Event("u9", "new1", time=START + 2 * week)])
    assert not any(drawn(market, 200))
    market.put({"item_id": "newest", "title": "New", "categories": ["new"]})
    assert set(drawn(market, 200)) - {None} == {"newest"}


def test_a_list_of_one_is_left_alone(market: Shop) -> None:
    assert not any(drawn(market, 200, k=1))


def test_propensities_are_told_and_the_order_of_scores_holds(market: Shop) -> None:
    for n in range(400):
        listed = market.model.recommend(market.asked("u1", 5), f"list {n}")
        scores = [place.score for place in listed]
        assert scores == sorted(scores, reverse=True)
        for place in listed:
            if place.reason == EXPLORED:
                assert 0.0 < place.propensity <= 0.05
            else:
                assert place.propensity in (1.0, 0.95)


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_what_was_ranked_is_told_from_what_was_drawn_at_any_share(
    market: Shop, share: float
) -> None:
    exploration = Exploration(share=share)
    market.model.apply_settings(structs.replace(market.model.settings, exploration=exploration))
    for n, k in enumerate([2, 2, 3, 10, 10]):
        listed = market.model.recommend(market.asked("u1", k), f"list {n}")
        for place in listed:
            assert 0.0 < place.propensity <= 1.0, "a record of the list could not be learned"
            assert (place.propensity < 0.5) == (place.reason == EXPLORED)
    assert any(drawn(market, 20))


def test_what_was_shown_in_vain_is_drawn_less(market: Shop) -> None:
    counts = market.model.arena
    rows = [market.model.row_of(market.model.key_of(f"new{n}")) for n in range(12)]
    counts["impressions.places"][0] = [1_000.0, 100.0]
    for name, value in (("shown", 90.0), ("expected", 90.0)):
        counts[f"impressions.{name}"][rows] = value
    counts["impressions.taken"][rows[11]] = 30.0
    found = [name for name in drawn(market, 2_000) if name]
    assert found.count("new11") > 0.5 * len(found)
