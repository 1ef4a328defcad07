"""Simulated shoppers: they repeat by seed, act on what they see, and have a believable past."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.catalogue import write_catalogue
from producers.errors import OptionError
from producers.readers import read
from producers.shoppers import HISTORY_DAYS, LIST_LENGTH, Crowd

NOW = 1.8e9
TYPES = {"view", "click", "add_to_cart", "purchase", "rating", "dislike"}
Items = list[dict[str, Any]]


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> Items:
    path = tmp_path_factory.mktemp("shop") / "shop.csv"
    return list(read(write_catalogue(path, products=400), "shop").items)


def nothing(user_id: str, k: int) -> list[str]:
    return []


def test_the_same_seed_and_answers_repeat_the_events(items: Items) -> None:
    def run(seed: int, start: int = 0) -> list[list[dict[str, Any]]]:
        crowd = Crowd(items, 20, seed, start)
        return [crowd.step(lambda user_id, k: ["1", "2", "3"]) for _ in range(100)]

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert run(1) != run(1, start=5)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_whatever_is_recommended_the_events_are_sound(items: Items, data: st.DataObject) -> None:
    known = {item["item_id"] for item in items}
    crowd = Crowd(items, 5, data.draw(st.integers(0, 1000)))
    users = {shopper.user_id for shopper in crowd.shoppers}

    def recommend(user_id: str, k: int) -> list[str]:
        assert user_id in users
        assert k == LIST_LENGTH
        return data.draw(st.lists(st.sampled_from([*sorted(known)[:30], "unknown"]), max_size=k))

    for _ in range(5):
        events = crowd.step(recommend)
        assert events
        assert len({event["user_id"] for event in events}) == 1
        for event in events:
            assert event["type"] in TYPES
            assert event["item_id"] in known
            assert "timestamp" not in event
            assert ("value" in event) == (event["type"] == "rating")
            assert event.get("value", 1.0) in (1.0, 2.0, 3.0, 4.0, 5.0)


def test_a_list_to_their_taste_is_clicked_and_bought_more(items: Items) -> None:
    def outcome(best: bool) -> Counter[str]:
        crowd = Crowd(items, 30, seed=3)
        people = {shopper.user_id: shopper for shopper in crowd.shoppers}

        def recommend(user_id: str, k: int) -> list[str]:
            ranked = sorted(items, key=people[user_id].liking, reverse=best)
            return [item["item_id"] for item in ranked[:k]]

        return Counter(event["type"] for _ in range(300) for event in crowd.step(recommend))

    liked, disliked = outcome(best=True), outcome(best=False)
    assert liked["click"] > 5 * disliked["click"]
    assert liked["purchase"] > disliked["purchase"]
    assert liked["dislike"] < disliked["dislike"]


def test_the_first_place_is_clicked_more_than_the_last(items: Items) -> None:
    crowd = Crowd(items, 30, seed=3)
    wanted = [item["item_id"] for item in items if item["categories"] == ["Nutrición"]][:10]
    clicks: Counter[str] = Counter()
    for _ in range(1500):
        for event in crowd.step(lambda user_id, k: wanted):
            clicks[event["item_id"]] += event["type"] == "click"
    first, last = sum(clicks[i] for i in wanted[:3]), sum(clicks[i] for i in wanted[-3:])
    assert first > 1.5 * last


def test_steps_of_the_funnel_come_in_order_and_get_rarer(items: Items) -> None:
    events = list(Crowd(items, 40, seed=5).history(4000, NOW))
    counts = Counter(event["type"] for event in events)
    assert counts["view"] + counts["click"] > counts["add_to_cart"] > counts["purchase"] > 50
    assert counts["purchase"] >= counts["rating"] > 20
    bought: set[tuple[str, str]] = set()
    carted: set[tuple[str, str]] = set()
    for event in events:
        pair = (event["user_id"], event["item_id"])
        if event["type"] == "purchase":
            assert pair in carted
            bought.add(pair)
        elif event["type"] == "rating":
            assert pair in bought
        elif event["type"] == "add_to_cart":
            carted.add(pair)


def test_what_is_out_of_stock_is_not_bought(items: Items) -> None:
    empty = [{**item, "stock": 0} for item in items]
    kinds = {event["type"] for event in Crowd(empty, 10, seed=1).history(500, NOW)}
    assert kinds <= {"view", "click", "dislike"}


@pytest.mark.parametrize("n", [0, 1, 2, 777])
def test_the_past_lies_within_30_days_in_order_and_ends_now(items: Items, n: int) -> None:
    times = [event["timestamp"] for event in Crowd(items, 20, seed=9).history(n, NOW)]
    assert len(times) == n
    assert times == sorted(times)
    assert all(NOW - HISTORY_DAYS * 86400 <= time <= NOW for time in times)
    assert not times or times[-1] == NOW


def test_tastes_differ_and_drift(items: Items) -> None:
    crowd = Crowd(items, 50, seed=2)
    before = [tuple(shopper.categories) for shopper in crowd.shoppers]
    assert len(set(before)) > 20
    for _ in range(3000):
        crowd.step(nothing)
    after = [tuple(shopper.categories) for shopper in crowd.shoppers]
    changed = sum(a != b for a, b in zip(before, after, strict=True))
    assert changed > 5
    assert all(len(set(categories)) == 3 for categories in after)


def test_a_poor_catalogue_still_has_shoppers() -> None:
    crowd = Crowd([{"item_id": "only"}], 2, seed=1)
    for _ in range(50):
        assert {event["item_id"] for event in crowd.step(lambda user_id, k: ["only"])} == {"only"}


def test_an_empty_catalogue_is_refused() -> None:
    with pytest.raises(OptionError, match="at least one"):
        Crowd([{"item_id": "gone", "available": False}], 2, seed=1)
