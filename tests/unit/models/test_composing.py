"""Filters, diversity, and lists for many at once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from models.answers import Asked
from models.facets import Filters
from tests.unit.models.shops import TYPES, Shop


def priced(shop: Shop) -> Shop:
    shop.put(
        {"item_id": "free", "price": 0, "stock": 3},
        {"item_id": "cheap", "price": 9.99, "stock": 0},
        {"item_id": "dear", "price": 100.0},
        {"item_id": "unpriced", "stock": 1},
    )
    return shop


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(price_min=0), {"free", "cheap", "dear"}),
        (Filters(price_max=9.99), {"free", "cheap"}),
        (Filters(price_min=9.99, price_max=100), {"cheap", "dear"}),
        (Filters(price_min=9.99, in_stock=True), {"dear"}),
        (Filters(include=["dear", "unpriced", "never met"]), {"dear", "unpriced"}),
        (Filters(include=["dear", "free"], exclude=["free"]), {"dear"}),
        (Filters(include=[]), set()),
    ],
)
def test_filters_leave_exactly_what_fits(shop: Shop, filters: Filters, expected: set[str]) -> None:
    listed = priced(shop).listed("u1", 100, filters=filters)
    assert set(listed) == expected
    trending = shop.model.trending(100, shop.asked("u1", filters=filters))
    assert set(shop.names(trending)) <= expected


def test_what_is_in_stock_is_not_zero(shop: Shop) -> None:
    listed = set(priced(shop).listed("u1", 100, filters=Filters(in_stock=True)))
    assert listed == {"free", "dear", "unpriced"}
    shop.put({"item_id": "cheap", "price": 9.99, "stock": 2}, {"item_id": "free", "stock": 0})
    listed = set(shop.listed("u1", 100, filters=Filters(in_stock=True)))
    assert listed == {"cheap", "dear", "unpriced"}


def test_filters_follow_the_catalogue_and_outlive_a_snapshot(busy: Shop) -> None:
    busy.put({"item_id": "i3", "price": 5, "categories": ["sale"]})
    busy.put({"item_id": "late", "price": 6, "categories": ["sale"]})
    again = Shop()
    again.model.load(*busy.model.dump())
    for shop in (busy, again):
        assert set(shop.listed("u9", 100, filters=Filters(price_max=6))) == {"i3", "late"}
        assert set(shop.listed("u9", 100, filters=Filters(category="sale"))) == {"i3", "late"}
    busy.put({"item_id": "late", "deleted": True})
    assert set(busy.listed("u9", 100, filters=Filters(price_max=6))) == {"i3"}


def test_pages_do_not_repeat_and_together_are_the_catalogue(busy: Shop) -> None:
    whole = busy.listed("u1", 100)
    shown: list[str] = []
    while page := busy.listed(
        "u1", 7, filters=Filters(shown=[busy.model.key_of(i) for i in shown])
    ):
        shown += page
    assert sorted(shown) == sorted(whole)


def kinds(shop: Shop, listed: list[str]) -> int:
    return len({int(item[1:]) % 4 for item in listed})


def test_without_diversity_nothing_moves(busy: Shop) -> None:
    plain = busy.model.recommend(busy.asked("u1", 20))
    assert plain == busy.model.recommend(busy.asked("u1", 20, diversity=0.0))
    assert all(place.reason != "diversity" for place in plain)


def test_diversity_mixes_and_tells_what_it_moved(busy: Shop) -> None:
    plain = busy.listed("u1", 8)
    mixed = busy.model.recommend(busy.asked("u1", 8, diversity=0.7))
    names = busy.names(mixed)
    assert names[0] == plain[0]
    assert names != plain
    assert kinds(busy, names) >= kinds(busy, plain)
    for before, place in pairwise(mixed):
        if place.score > before.score:
            assert (before.reason, place.reason) == ("diversity", "diversity")
    assert all(
        place.reason == "diversity" for place in mixed if busy.names([place])[0] not in plain
    )
    assert names == busy.listed("u1", 8, diversity=0.7)


def test_lists_for_all_are_the_lists_of_each(busy: Shop) -> None:
    users = ["u0", "u3", "nobody", "u7"]
    past = busy._columns([busy._past_of(user) for user in users])
    for more in ({}, {"diversity": 0.5}, {"filters": Filters(category="kind 2")}):
        together = busy.model.recommend_all(Asked(past, TYPES, 9, **more), users)
        assert together == [busy.model.recommend(busy.asked(user, 9, **more)) for user in users]
    assert busy.model.recommend_all(Asked(busy._columns([]), TYPES, 9), []) == []


def test_asking_does_not_change_the_state(busy: Shop) -> None:
    before = busy.model.digest()
    busy.model.recommend(busy.asked("u1", 9, diversity=0.5, explain=True))
    busy.model.recommend_all(busy.asked("u1", 9), ["u1"])
    assert busy.model.digest() == before
    assert np.isfinite([p.score for p in busy.model.recommend(busy.asked("u1"))]).all()
