"""What is in a list, what is not, and why."""

from __future__ import annotations

import pytest

from models.answers import nobody
from models.facets import Filters
from models.settings import LearningSettings
from tests.unit.models.shops import START, Event, Shop, catalogue, crowd

LATER = START + 1e6


def test_seen_items_are_left_out_even_when_only_disliked_or_in_passing(busy: Shop) -> None:
    seen = {event.item for event in crowd(300) if event.user == "u1"}
    assert seen.isdisjoint(busy.listed("u1", 100))
    assert seen | set(busy.listed("u1", 100)) == {f"i{n}" for n in range(40)}
    assert seen.isdisjoint(busy.names(busy.model.trending(100, busy.asked("u1"))))


def test_with_repeats_seen_items_stay() -> None:
    shop = Shop(LearningSettings(repeats=True))
    shop.tell(crowd(200))
    seen = {event.item for event in crowd(200) if event.user == "u1"}
    assert seen <= set(shop.listed("u1", 100))
    assert max(shop.tell([Event("u1", next(iter(seen)), time=LATER)])) >= 0


def test_without_repeats_a_second_event_on_an_item_is_not_scored(shop: Shop) -> None:
    assert shop.tell([Event("u", "a"), Event("u", "a", "click"), Event("u", "b")]) == [20, -1, 20]


@pytest.mark.parametrize("change", [{"available": False}, {"deleted": True}])
def test_what_is_not_available_leaves_every_list_at_once(
    busy: Shop, change: dict[str, object]
) -> None:
    gone = busy.listed("u1")[0]
    busy.put({"item_id": gone, "title": "Gone", "categories": ["kind 1"], **change})
    lists = {
        "recommend": busy.listed("u1", 100),
        "in its category": busy.listed("u1", 100, filters=Filters(category="kind 1")),
        "nobody": busy.names(busy.model.recommend(nobody(100))),
        "similar": busy.names(busy.model.similar("i1" if gone != "i1" else "i5", 100)),
        "trending": busy.names(busy.model.trending(100)),
    }
    assert [name for name, listed in lists.items() if gone in listed] == []
    busy.put({"item_id": gone, "title": "Back"})
    assert gone in busy.listed("u1", 100)


def test_a_new_item_with_only_content_is_similar_and_recommendable_at_once(busy: Shop) -> None:
    busy.put({"item_id": "new", "title": "Thing number 1", "categories": ["kind 1"]})
    assert "new" in busy.names(busy.model.similar("i1", 20))
    assert {"i1", "i5", "i9"} & set(busy.names(busy.model.similar("new", 10)))
    assert "new" in busy.listed("u1", 100)
    assert "new" in busy.listed("u1", 100, filters=Filters(category="kind 1"))


def test_an_unknown_item_has_no_similar_and_an_empty_shop_no_list(shop: Shop) -> None:
    assert shop.model.similar("never met", 10) == []
    assert shop.listed("somebody") == []
    assert shop.model.trending(10) == []
    assert not shop.model.embedding(shop.asked("somebody")).any()


def test_category_and_exclude_narrow_a_list(busy: Shop) -> None:
    whole = busy.listed("u1", 100)
    kind = [item for item in whole if int(item[1:]) % 4 == 2]
    assert sorted(busy.listed("u1", 100, filters=Filters(category="kind 2"))) == sorted(kind)
    assert busy.listed("u1", 100, filters=Filters(category="no such kind")) == []
    without = busy.listed("u1", 100, filters=Filters(exclude=[whole[0], "never met"]))
    assert set(without) == set(whole[1:])
    assert busy.listed("u1", 100) == whole


def test_an_item_that_changes_its_category_changes_lists(busy: Shop) -> None:
    item = busy.listed("u1")[0]
    busy.put({"item_id": item, "title": "Moved", "categories": ["elsewhere"]})
    assert busy.listed("u1", 100, filters=Filters(category="elsewhere")) == [item]
    assert item not in busy.listed("u1", 100, filters=Filters(category=f"kind {int(item[1:]) % 4}"))


def test_scores_do_not_rise_and_no_item_is_twice(busy: Shop) -> None:
    places = busy.model.recommend(busy.asked("u1", 100))
    scores = [place.score for place in places]
    assert scores == sorted(scores, reverse=True)
    assert len({place.row for place in places}) == len(places)
    assert len(busy.listed("u1", 3)) == 3


def test_because_names_items_of_the_history_and_nobody_has_none(busy: Shop) -> None:
    history = {event.item for event in crowd(300) if event.user == "u1"}
    places = busy.model.recommend(busy.asked("u1", 10))
    assert all(place.reason == "history" and place.because for place in places[:5])
    for place in places:
        assert {busy.model.id_of(row) for row in place.because} <= history
    assert all(not place.because for place in busy.model.recommend(nobody(10)))


def test_because_names_the_cause_and_not_the_latest(shop: Shop) -> None:
    for at in range(10):
        shop.tell([Event(f"v{at}", "tent", time=START + 60 * at),
                   Event(f"v{at}", "stove", time=START + 60 * at + 5)])  # fmt: skip
    shop.tell(Event(f"w{at}", "novel", time=START + 700 + at) for at in range(5))
    shop.tell([Event("u", "tent", time=START + 1000), Event("u", "novel", time=START + 1030)])
    stove = next(p for p in shop.model.recommend(shop.asked("u")) if shop.names([p]) == ["stove"])
    assert [shop.model.id_of(row) for row in stove.because] == ["tent"]


def test_own_events_move_the_list_at_once(busy: Shop) -> None:
    """A new shopper becomes personal: after two events on a kind it leads their list."""
    busy.tell([Event("n", "i2", time=LATER), Event("n", "i6", time=LATER + 1)])
    kinds = [int(item[1:]) % 4 for item in busy.listed("n", 5)]
    assert kinds.count(2) >= 3


def fall_of_its_kind(penalty: float, **event: object) -> float:
    """Places that items like i6 fall, on average, by an event on i6."""
    ranker = type(LearningSettings().ranker)(dislike_penalty=penalty)
    shop = Shop(LearningSettings(ranker=ranker))
    shop.put(*catalogue())
    shop.tell(crowd(300))
    shop.tell([Event("n", f"i{n}", time=LATER + n) for n in (1, 2, 3)])
    before = shop.listed("n", 40)
    shop.tell([Event("n", "i6", time=LATER + 9, **event)])  # type: ignore[arg-type]
    after = shop.listed("n", 40)
    alike = [item for item in before if int(item[1:]) % 4 == 2 and item != "i6"]
    return sum(after.index(item) - before.index(item) for item in alike) / len(alike)


def test_a_dislike_lowers_what_is_like_it_at_once() -> None:
    default = LearningSettings().ranker.dislike_penalty
    assert fall_of_its_kind(default, type="view") < 0
    assert fall_of_its_kind(default, type="dislike") > 3
    assert fall_of_its_kind(0.0, type="dislike") < 3


def test_a_low_rating_is_attention_and_yet_lowers() -> None:
    default = LearningSettings().ranker.dislike_penalty
    low = fall_of_its_kind(default, type="rating", value=1.0)
    assert low > fall_of_its_kind(0.0, type="rating", value=1.0)
    assert low > fall_of_its_kind(default, type="rating", value=5.0)


def test_the_list_that_is_scored_is_the_list_that_is_answered(busy: Shop) -> None:
    answered = busy.listed("u2", 20)
    assert busy.tell([Event("u2", answered[4], time=LATER)]) == [4]


def test_capped_events_teach_the_crowd_nothing(busy: Shop) -> None:
    model, items = busy.model, busy.model.items
    before = model.arena["popularity.total"].copy()
    busy.tell([Event("u1", "i1", time=LATER, capped=True), Event("u1", "x", capped=True)])
    assert model.items == items
    assert (model.arena["popularity.total"] == before).all()


def test_a_type_that_weighs_nothing_and_one_unknown_teach_nothing(busy: Shop) -> None:
    events = {"view": type(busy.model.settings.events["view"])(weight=0.0)}
    shop = Shop(LearningSettings(events=events))
    shop.tell([Event("u", "a"), Event("u", "b", "click"), Event("v", "a")])
    assert not shop.model.arena["popularity.total"].any()
    assert not shop.model.arena["embeddings.outward"].any()
