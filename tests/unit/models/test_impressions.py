"""Lists that were shown: click-through, the bias of places, and what is passed over."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.impressions import Lists, Outcomes, merit, usual, view
from models.model import Model
from models.settings import Impressions, LearningSettings
from tests.unit.models.shops import TYPES, Event, Shop, crowd

LENGTH = 10
CLICK = 1 << TYPES.index("click")
DISLIKE = 1 << TYPES.index("dislike")


def outcomes(
    model: Model, lists: list[list[str]], taken: list[list[int]], scores: np.ndarray | None = None,
    served: int = 0,
) -> Outcomes:  # fmt: skip
    items = [item for shown in lists for item in shown]
    n = len(items)
    return Outcomes(
        np.cumsum([0, *[len(shown) for shown in lists]]).astype(np.int64),
        np.full(len(lists), served, np.uint8),
        np.array([model.key_of(item) for item in items], np.uint64),
        np.array([at for shown in lists for at in range(len(shown))], np.uint8),
        np.ones(n, np.float32),
        np.full(n, np.nan, np.float32) if scores is None else scores.astype(np.float32).ravel(),
        np.array([mask for masks in taken for mask in masks], np.uint16),
    )


def planted(model: Model, bias: np.ndarray, lists: int, seed: int = 5) -> None:
    """Lists ranked by score, looked at as `bias` says, liked as far as the scores tell."""
    random = np.random.default_rng(seed)
    scores = -np.sort(-random.normal(0.0, 0.8, (lists, LENGTH)), axis=1)
    liked = 1.0 / (1.0 + np.exp(1.5 - scores))
    taken = (random.random(scores.shape) < liked * bias) * CLICK
    keys = np.array([model.key_of(f"i{at}") for at in range(LENGTH)], np.uint64)
    model.observe(
        Outcomes(
            np.arange(lists + 1) * LENGTH, np.zeros(lists, np.uint8), np.tile(keys, lists),
            np.tile(np.arange(LENGTH, dtype=np.uint8), lists),
            np.ones(lists * LENGTH, np.float32), scores.astype(np.float32).ravel(),
            taken.astype(np.uint16).ravel(),
        ),
        TYPES,
    )  # fmt: skip


@pytest.mark.parametrize(
    "bias",
    [
        np.arange(1, 11) ** -0.6, 1.0 / np.arange(1, 11), 0.8 ** np.arange(10),
        np.array([1.0, 0.95, 0.9, 0.85, 0.3, 0.28, 0.26, 0.24, 0.22, 0.2]),
    ],
    ids=["power", "steep", "geometric", "fold"],
)  # fmt: skip
def test_learned_propensities_come_near_those_planted(bias: np.ndarray) -> None:
    worst = []
    for seed in range(3):
        model = Model(LearningSettings())
        planted(model, bias, 40_000, seed)
        places = model.click_through()["places"][:LENGTH]
        learned = np.array([place["propensity"] for place in places])
        raw = np.array([place["taken"] / place["shown"] for place in places])
        worst.append(np.abs(learned / bias - 1.0).max())
        assert raw[9] / raw[0] < 0.5 * bias[9]
    assert np.mean(worst) < 0.2


def records(debias: bool, seed: int) -> float:
    """How well items' records tell their worth, where the system shows one order and another.

    Ten items stand in the same places in three lists of four; the fourth is in any order.
    """
    random = np.random.default_rng(seed)
    model = Model(LearningSettings(impressions=Impressions(debias=debias)))
    names = [f"i{at}" for at in range(LENGTH)]
    for name in names:
        model.put_item({"item_id": name})
    worth = np.exp(random.normal(-2.0, 0.5, LENGTH))
    lists, bias = 3_000, 1.0 / np.arange(1, 11)
    orders = np.tile(np.arange(LENGTH), (lists, 1))
    orders[::4] = random.permuted(orders[::4], axis=1)
    taken = (random.random(orders.shape) < worth[orders] * bias) * CLICK
    shown = [[names[at] for at in order] for order in orders.tolist()]
    scores = random.normal(0.0, 0.1, orders.shape)
    model.observe(outcomes(model, shown, taken.tolist(), scores), TYPES)
    im = view(model.arena, model.settings.impressions)
    merits = [merit(im, model.row_of(model.key_of(name)), usual(im)) for name in names]
    return float(np.corrcoef(merits, np.log(worth))[0, 1])


def test_debiased_records_tell_better_what_items_are_worth() -> None:
    debiased, naive = ([records(debias, seed) for seed in range(6)] for debias in (True, False))
    assert np.mean(debiased) > np.mean(naive) + 0.1
    assert np.mean(debiased) > 0.8


def test_without_debias_places_count_alike(shop: Shop) -> None:
    model = Model(LearningSettings(impressions=Impressions(debias=False)))
    planted(model, 1.0 / np.arange(1, 11), 1_000)
    assert {place["propensity"] for place in model.click_through()["places"]} == {1.0}


def test_lists_without_scores_teach_nothing_about_places(shop: Shop) -> None:
    names = [f"i{at}" for at in range(LENGTH)]
    clicks = [[CLICK] + [0] * (LENGTH - 1)] * 500
    before = [place["propensity"] for place in shop.model.click_through()["places"]]
    shop.model.observe(outcomes(shop.model, [names] * 500, clicks), TYPES)
    after = [place["propensity"] for place in shop.model.click_through()["places"]]
    assert after == pytest.approx(before)


def test_click_through_is_counted_by_place_and_rung(busy: Shop) -> None:
    model = busy.model
    lists = [["i1", "i2", "never met"], ["i2"]]
    model.observe(outcomes(model, lists, [[CLICK, DISLIKE, 0], [CLICK]], served=2), TYPES)
    told = model.click_through()
    assert [(p["shown"], p["taken"]) for p in told["places"][:3]] == [(2, 2), (1, 0), (1, 0)]
    assert told["served_by"]["trending"] == {"lists": 2, "shown": 4, "taken": 2}
    assert told["served_by"]["personal"] == {"lists": 0, "shown": 0, "taken": 0}


def learned(shop: Shop) -> dict[str, bytes]:
    """The tables lists are made from; live quality counts what was shown in any case."""
    tables, _ = shop.model.dump()
    return {n: t.tobytes() for n, t in tables.items() if not n.startswith("quality.")}


def test_off_means_that_no_list_changes_anything() -> None:
    off = Shop(LearningSettings(impressions=Impressions(learn=False)))
    off.tell(crowd(100))
    before = learned(off)
    off.model.observe(outcomes(off.model, [["i1", "i2"]], [[CLICK, 0]]), TYPES)
    assert learned(off) == before
    twin = Shop(LearningSettings(impressions=Impressions(learn=False)))
    examples, ids = twin.examples(crowd(100))
    shown = np.array([twin.model.key_of("i1"), twin.model.key_of("i2")] * 100, np.uint64)
    lists = Lists(
        np.arange(101) * 2, shown, np.array([0, 1] * 100, np.uint8), np.zeros(100, np.int8)
    )
    twin.model.learn(examples, ids, TYPES, lists)
    assert learned(twin) == before


def passed_over(lists: bool, settings: LearningSettings | None = None) -> tuple[Shop, list[int]]:
    """A shop where a loyal item is always taken from beside another; and the places scored."""
    shop = Shop(settings)
    places = shop.tell(crowd(150))
    key = shop.model.key_of
    for at in range(60):
        listed = shop.listed(f"u{at % 12}", 6)
        examples, ids = shop.examples([Event(f"u{at % 12}", listed[4], time=1.8e9 + at)])
        shown = Lists(
            np.array([0, 6]), np.array([key(name) for name in listed], np.uint64),
            np.arange(6, dtype=np.uint8), np.zeros(1, np.int8),
        )  # fmt: skip
        learned = shop.model.learn(examples, ids, TYPES, shown if lists else None)
        places += learned.scores.place.tolist()
    return shop, places


def test_what_was_passed_over_teaches_the_ranker() -> None:
    with_lists, _ = passed_over(True)
    without, _ = passed_over(False)
    weights = "ranker.weights"
    assert not np.array_equal(with_lists.model.arena[weights], without.model.arena[weights])


def test_a_click_on_a_list_says_nothing_of_what_was_not_shown() -> None:
    """Of two that are alike in all one was taken: that is news only beside other items."""

    def lesson(*listed: str) -> float:
        shop = Shop()
        shop.tell(crowd(150))
        shop.put(*[{"item_id": name, "title": "Twin"} for name in ("twin 1", "twin 2")])
        gradient = shop.model.arena["ranker.gradient"]
        before = gradient.copy()
        examples, ids = shop.examples([Event("u1", "twin 1", time=1.8e9)])
        keys = np.array([shop.model.key_of(name) for name in listed], np.uint64)
        places = np.arange(len(keys), dtype=np.uint8)
        shown = Lists(np.array([0, len(keys)]), keys, places, np.zeros(1, np.int8))
        shop.model.learn(examples, ids, TYPES, shown)
        return float(np.abs(gradient - before).sum())

    assert lesson("twin 1", "twin 2") < 0.1 * lesson("twin 1", "i7")
    assert lesson("twin 1", "twin 2") < 0.1 * lesson()


def test_the_lesson_comes_after_the_score_and_sees_nothing_of_the_click() -> None:
    """The first click from a list is ranked as if there had been no list."""
    places = []
    for lists in (True, False):
        shop = Shop()
        shop.tell(crowd(150))
        examples, ids = shop.examples([Event("u1", "i7", time=1.8e9)])
        shown = Lists(
            np.array([0, 2]), np.array([shop.model.key_of(i) for i in ("i7", "i9")], np.uint64),
            np.arange(2, dtype=np.uint8), np.zeros(1, np.int8),
        )  # fmt: skip
        learned = shop.model.learn(examples, ids, TYPES, shown if lists else None)
        places.append((learned.scores.place.tolist(), learned.scores.list.tolist()))
    assert places[0] == places[1]


def test_what_is_shown_in_vain_sinks_once_records_have_foretold_clicks(busy: Shop) -> None:
    model = busy.model
    ahead, behind = busy.listed("u1", 40)[:2]
    others = [f"i{n}" for n in range(40) if f"i{n}" not in (ahead, behind)][:3]
    lists = [[ahead, behind, *others]] * 300
    model.observe(outcomes(model, lists, [[0, CLICK, 0, 0, 0]] * 300), TYPES)
    model.arena["impressions.record"][0] = 1.0
    listed = busy.listed("u1", 40)
    assert listed.index(behind) < listed.index(ahead)


def test_numbers_stay_finite_whatever_is_shown(busy: Shop) -> None:
    model = busy.model
    wild = np.array([[1e9, -1e9, math.nan, 3.0]] * 200)
    names = ["i1", "i2", "i3", "i4"]
    masks = [[CLICK, CLICK, CLICK, CLICK]] * 200
    model.observe(outcomes(model, [names] * 200, masks, wild), TYPES)
    assert all(math.isfinite(p["propensity"]) for p in model.click_through()["places"])
    assert np.isfinite([place.score for place in model.recommend(busy.asked("u1"))]).all()
