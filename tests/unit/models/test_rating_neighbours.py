"""Neighbours in the rating model: what they say, whom they forget, and that they can be off."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.partners import SLOTS
from models.rating_neighbours import ITEM_SHRINKAGE, USER_SHRINKAGE
from models.rating_tables import BIAS, RATED, RATERS, RING, STACK
from models.ratings import Ratings
from models.settings import LearningSettings, Neighbours
from models.settings import Ratings as Settings
from tests.unit.models.shops import Shop, crowd

BOTH = Settings(neighbours="both")
Rated = tuple[int, int, int]


def told(story: list[Rated], wanted: Settings = BOTH) -> Ratings:
    model = Ratings(wanted, seed=1)
    for user, item, rating in story:
        model.learn_one(user, item, float(rating))
    return model


def said(model: Ratings, user: int, item: int) -> tuple[float, float]:
    """What the neighbours of the item, and those of the user, bring to a prediction."""
    model.predict_one(user, item)
    by_items, by_users = model._work().stack[STACK:].tolist()
    return by_items, by_users


def test_items_rated_alike_say_what_can_be_worked_out_by_hand() -> None:
    model = told([(1, 10, 5), (1, 11, 4), (2, 10, 2)])
    (first, second), (third, *_) = model.arena["user.residual"][:2, :2].tolist()
    alike = first * second / (1 + ITEM_SHRINKAGE)
    assert said(model, 2, 11)[0] == pytest.approx(alike * third / (1 + abs(alike)), rel=1e-6)


def test_users_who_rate_alike_say_what_can_be_worked_out_by_hand() -> None:
    model = told([(1, 10, 5), (2, 10, 2), (1, 11, 4)])
    (first, third), (second, *_) = model.arena["user.residual"][:2, :2].tolist()
    alike = first * second / (1 + USER_SHRINKAGE)
    assert said(model, 2, 11)[1] == pytest.approx(alike * third / (1 + abs(alike)), rel=1e-6)


stories = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(1, 5)), min_size=1, max_size=60
)


@settings(max_examples=30, deadline=None)
@given(stories, st.integers(0, 6), st.integers(0, 6))
def test_neighbours_say_what_a_table_of_all_pairs_says(
    story: list[Rated], user: int, item: int
) -> None:
    """Against the plain formula; no row meets more than it has slots for."""
    model, given_by, given_to = Ratings(BOTH, seed=1), {}, {}  # type: ignore[var-annotated]
    pairs: tuple[dict[tuple[int, int], list[float]], ...] = ({}, {})
    for one, other, rating in story:
        model.learn_one(one, other, float(rating))
        residual = rating - float(model._work().stack[BIAS])
        mine, theirs = given_by.setdefault(one, []), given_to.setdefault(other, [])
        for table, row, ring in ((pairs[0], other, mine), (pairs[1], one, theirs)):
            for neighbour, before in ring[-RING:]:
                if neighbour != row:
                    for pair in ((row, neighbour), (neighbour, row)):
                        table.setdefault(pair, []).append(residual * before)
        mine.append((other, residual))
        theirs.append((one, residual))
    shrinkages = ITEM_SHRINKAGE, USER_SHRINKAGE
    rings = given_by.get(user, []), given_to.get(item, [])
    for at, row in ((0, item), (1, user)):
        total, weight = 0.0, 1.0
        for neighbour, residual in rings[at][-RING:]:
            met = pairs[at].get((row, neighbour), [])
            alike = sum(met) / (len(met) + shrinkages[at])
            total += alike * residual
            weight += abs(alike)
        known = user in given_by and item in given_to
        assert said(model, user, item)[at] == pytest.approx(
            total / weight if known else 0.0, abs=1e-6
        )


@pytest.mark.parametrize("rating", [1, 5])
def test_who_rates_alike_is_followed_and_who_rates_the_other_way_is_not(rating: int) -> None:
    """Users 1 and 2 agree on everything, 3 says the opposite; then 1 rates something new."""
    story = [
        (user, item, stars if user < 3 else 6 - stars)
        for item in range(8)
        for user, stars in ((1, item % 2 * 4 + 1), (2, item % 2 * 4 + 1), (3, item % 2 * 4 + 1))
    ]
    model = told([*story, (4, 100, 3), (1, 100, rating)])
    like, unlike = said(model, 2, 100)[1], said(model, 3, 100)[1]
    assert like > 0 > unlike if rating == 5 else like < 0 < unlike
    gap = model.predict_one(2, 100) - model.predict_one(3, 100)
    assert gap > 0 if rating == 5 else gap < 0


def test_a_partner_met_often_stays_when_a_row_is_full() -> None:
    story = [(user, item, 5) for user in range(20) for item in (0, 1)]
    others = range(2, 2 + 2 * SLOTS)
    story += [(1_000 + other, item, 1 + item % 5) for other in others for item in (other, 0)]
    model = told([*story, (9_999, 1, 5)])
    assert said(model, 9_999, 0)[0] != 0.0
    row = model._row(0)
    assert model.arena["item.partner"].shape[1] == SLOTS
    assert np.all(model.arena["item.partner"][row] > 0)


def test_a_newcomer_in_a_full_row_begins_with_its_own_meeting() -> None:
    """It replaces the oldest of those met least, and inherits nothing."""
    often = [(user, item, 5) for user in range(3) for item in (0, 1)]
    once = [(100 + n, item, 1 + item % 5) for n in range(SLOTS + 5) for item in (2 + n, 0)]
    model = told([*often, *once, (9_998, 900, 5), (9_998, 0, 1), (9_999, 900, 2)])
    one, other = model.arena.count(RATERS) - 2, model.arena.count(RATERS) - 1
    residual = model.arena["user.residual"]
    alike = float(residual[one, 0]) * float(residual[one, 1]) / (1 + ITEM_SHRINKAGE)
    told_of = alike * float(residual[other, 0]) / (1 + abs(alike))
    assert said(model, 9_999, 0)[0] == pytest.approx(told_of, rel=1e-5)
    newest = [1, *range(2 + 7, 2 + SLOTS + 5), 900]
    kept = set(model.arena["item.partner"][model._row(0)].tolist())
    assert kept == {model._row(item) + 1 for item in newest}


BOUNDED = Settings(max_users=8, max_items=8, neighbours="both")


def test_who_stays_goes_on_saying_the_same_when_others_leave() -> None:
    old = [(user, item, 1 + user % 4) for user in (6, 7) for item in (6, 7)]
    crowd = [(user, item, 1 + user * item % 5) for item in range(1, 6) for user in range(1, 6)]
    model = told([*old, *crowd], BOUNDED)
    pairs = [(user, item) for user in range(1, 6) for item in range(1, 6)]
    before = [said(model, *pair) for pair in pairs]
    for newcomer in (8, 9):  # for the second the oldest leave, who had the first rows
        model.learn_one(newcomer, newcomer, 3.0)
    assert model.arena.count(RATERS) == model.arena.count(RATED) == 7
    assert [said(model, *pair) for pair in pairs] == before
    assert all(any(said) for said in before)


def test_who_left_is_nobodys_neighbour() -> None:
    model = told([(6, 1, 5), (6, 2, 5), (1, 1, 5), (2, 2, 4)], BOUNDED)
    for user in (3, 4, 5, 7, 1, 8):
        model.learn_one(user, 3, 4.0)
    assert said(model, 1, 2)[1] != 0.0  # by user 6, who has the first row
    model.learn_one(9, 3, 1.0)
    assert model.arena.count(RATERS) == 7
    assert said(model, 1, 2)[1] == 0.0
    for newcomer in (10, 11):
        model.learn_one(newcomer, 4, 1.0)
    assert said(model, 1, 2)[1] == 0.0


def test_off_they_leave_no_trace() -> None:
    off, by_items, by_users = (
        told([(1, 1, 5), (2, 1, 4)], Settings(neighbours=who)) for who in ("none", "items", "users")
    )
    assert off.dump().keys() < by_items.dump().keys()
    assert off.dump().keys() < by_users.dump().keys()
    assert not any("partner" in name or "item.ring" in name for name in off.dump())
    assert off.arena["weights"].shape == (STACK,)
    assert off.arena.nbytes() < min(by_items.arena.nbytes(), by_users.arena.nbytes())


@pytest.mark.parametrize("to", ["items", "users", "both"])
def test_they_can_be_switched_on_and_off_again(to: Neighbours) -> None:
    story = [(at % 7, at % 5, 1 + at * at % 5) for at in range(60)]
    model, never = told(story, Settings()), told(story, Settings())
    model.apply(Settings(neighbours=to))
    assert model.predict_one(1, 2) == never.predict_one(1, 2)  # they begin by saying nothing
    for user, item, rating in story:
        model.learn_one(user, item, float(rating))
    assert any(said(model, 1, 2))
    stored = Ratings(Settings(neighbours=to), seed=1)
    stored.load(model.dump())
    assert stored.digest() == model.digest() != never.digest()
    weights = model.arena["weights"][:STACK].tolist()
    model.apply(Settings())
    assert model.dump().keys() == never.dump().keys()
    assert model.arena["weights"].tolist() == weights


@pytest.mark.parametrize("alone", ["items", "users"])
def test_those_who_spoke_before_the_others_joined_or_left_say_what_they_said(
    alone: Neighbours,
) -> None:
    story = [(at % 7, at % 5, 1 + at * at % 5) for at in range(60)]
    one, both = told(story, Settings(neighbours=alone)), told(story, BOTH)
    mine = ("items", "users").index(alone)
    before, other = said(one, 1, 2)[mine], said(both, 1, 2)[mine]
    weights = one.arena["weights"].copy()
    assert before != 0.0 != other
    one.apply(BOTH)
    assert said(one, 1, 2)[mine] == before
    assert one.arena["weights"].tolist() == weights.tolist()
    both.apply(Settings(neighbours=alone))
    assert said(both, 1, 2)[mine] == other and said(both, 1, 2)[1 - mine] == 0.0
    stored = Ratings(BOTH, seed=1)
    stored.load(one.dump())
    assert stored.digest() == one.digest()


def test_a_model_with_neighbours_is_stored_and_goes_on() -> None:
    wanted = LearningSettings(ratings=BOTH)
    shop, other = Shop(wanted), Shop(wanted)
    shop.tell(crowd(120))
    other.model.load(*shop.model.dump())
    assert other.model.digest() == shop.model.digest() == shop.model.frozen_digest()()
    assert other.model.rating("u1", "i1") == shop.model.rating("u1", "i1")
