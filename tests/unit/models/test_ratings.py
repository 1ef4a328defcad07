"""The rating model: what it foretells, what it never does, and what it keeps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.rating_tables import RATERS
from models.ratings import Ratings
from models.settings import Neighbours
from models.settings import Ratings as Settings

PAIRS = [(user, item) for user in range(9) for item in range(7)]


EITHER = pytest.mark.parametrize("neighbours", ["none", "both"])


def taught(neighbours: Neighbours = "none", ratings: int = 60) -> Ratings:
    model = Ratings(Settings(neighbours=neighbours), seed=3)
    for at in range(ratings):
        model.learn_one(at % 7, at % 5, 1.0 + (at * at) % 5, 1e9 + at, [at % 7 // 3 + 1])
    return model


def all_of(model: Ratings) -> list[float]:
    return [model.predict_one(user, item) for user, item in PAIRS]


@pytest.mark.parametrize("rating", [math.nan, math.inf, -math.inf])
def test_a_rating_that_is_no_number_is_counted_and_not_learned(rating: float) -> None:
    model, same = taught(), taught()
    model.learn_one(1, 1, rating)
    assert model.rejected == 1
    assert all_of(model) == all_of(same)
    told = model.learn_many(
        np.array([1, 2, 3], np.uint64), np.array([1, 2, 3], np.uint64),
        np.array([5.0, rating, 4.0]), np.zeros(3), np.zeros(4, np.int64), np.empty(0, np.uint64),
    )  # fmt: skip
    assert np.isfinite(told).tolist() == [True, False, True]
    assert model.rejected == 2 and all(math.isfinite(p) for p in all_of(model))


@EITHER
@pytest.mark.parametrize(("user", "item"), [(1, 1), (1, 99), (99, 1), (99, 99)])
def test_predicting_never_writes(user: int, item: int, neighbours: Neighbours) -> None:
    model, same = taught(neighbours), taught(neighbours)
    for _ in range(3):
        model.predict_one(user, item, 2e9, [1, 2])
    assert model.digest() == same.digest()
    for learner in (model, same):
        learner.learn_one(50, 51, 4.0)
    assert model.digest() == same.digest() and all_of(model) == all_of(same)


@EITHER
def test_what_is_foretold_is_what_was_answered_just_before(neighbours: Neighbours) -> None:
    model = taught(neighbours)
    for user, item, rating in ((1, 1, 5.0), (99, 1, 2.0), (1, 98, 1.0), (97, 96, 3.0)):
        answered = model.predict_one(user, item, 2e9, [7])
        told = model.learn_many(
            np.array([user], np.uint64), np.array([item], np.uint64), np.array([rating]),
            np.array([2e9]), np.array([0, 1]), np.array([7], np.uint64),
        )  # fmt: skip
        assert told.tolist() == [answered]


@EITHER
def test_predictions_are_ratings_whatever_is_learned(neighbours: Neighbours) -> None:
    model = taught(neighbours)
    for at in range(400):
        model.learn_one(1, 1, 5.0, at * 1e300)
        model.learn_one(2, 2, 1e9)
        model.learn_one(3, 3, -1e9)
    assert all(1.0 <= p <= 5.0 for p in all_of(model))
    assert model.predict_one(1, 1) > 4.0 and model.predict_one(3, 3) < 2.0


def test_tastes_are_told_apart() -> None:
    model = Ratings(Settings())
    for item in range(40):
        model.describe(item, {"categories": ["war" if item % 2 else "love"]})
    for at in range(600):
        user, item = at % 20, (at * 7 + at // 20) % 40
        model.learn_one(user, item, 5.0 if (user + item) % 2 else 1.0)
    model.describe(100, {"categories": ["war"]})
    model.describe(101, {"categories": ["love"]})
    assert model.predict_one(2, 100) > model.predict_one(2, 101) + 0.5
    assert model.predict_one(3, 101) > model.predict_one(3, 100) + 0.5


def test_a_new_user_is_foretold_by_what_is_known_of_them() -> None:
    model = Ratings(Settings())
    for at in range(3_000):
        kind, item = at % 2, at // 2 % 10
        model.learn_one(at % 500, item, 5.0 if (kind + item) % 2 else 1.0, at, [kind + 1])
    assert model.predict_one(9_999, 1, attributes=[1]) > 3.5
    assert model.predict_one(9_999, 1, attributes=[2]) < 2.5


ratings = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(1, 5), st.integers(0, 3)),
    min_size=1, max_size=80,
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(ratings, st.integers(1, 30), st.integers(2, 14), st.sampled_from(["none", "both"]))
def test_state_does_not_depend_on_how_ratings_are_cut(
    story: list[tuple[int, int, int, int]], size: int, bound: int, neighbours: Neighbours
) -> None:
    bounded = Settings(max_users=bound, max_items=bound, neighbours=neighbours)
    whole, cut = Ratings(bounded, seed=1), Ratings(bounded, seed=1)
    users, items, values, told = (np.array(column) for column in zip(*story, strict=True))
    columns: tuple[Any, ...] = (
        users.astype(np.uint64),
        items.astype(np.uint64),
        values.astype(np.float64),
    )
    times: Any = np.arange(len(story)) * 10.0
    starts = np.concatenate([[0], np.cumsum(told)])
    keys = np.arange(starts[-1], dtype=np.uint64) % 5 + np.uint64(1)
    u, i, r = columns
    foretold = whole.learn_many(u, i, r, times, starts, keys)
    parts = []
    for at in range(0, len(story), size):
        to = min(at + size, len(story))
        now = slice(at, at + size)
        some = keys[starts[at] : starts[to]]
        parts.append(
            cut.learn_many(
                u[now], i[now], r[now], times[now], starts[at : to + 1] - starts[at], some
            )
        )
        cut.predict_one(3, 4)
    assert np.concatenate(parts).tolist() == foretold.tolist()
    assert cut.digest() == whole.digest()
    assert cut.arena.count(RATERS) <= bound


@EITHER
def test_the_least_recently_active_leave_first(neighbours: Neighbours) -> None:
    model = Ratings(Settings(max_users=8, max_items=8, neighbours=neighbours))
    for user in range(8):
        model.learn_one(user, user, 1.0 if user % 2 else 5.0)
    model.learn_one(0, 0, 5.0)  # back again: not the oldest any more
    size = model.arena.nbytes()
    known = {user: model.predict_one(user, 1_000) for user in (0, 7)}
    model.learn_one(50, 0, 5.0)
    assert model.arena.count(RATERS) == 7
    assert model.predict_one(1, 1_000) == model.predict_one(999, 1_000) != known[0]
    assert model.predict_one(0, 1_000) > model.predict_one(7, 1_000)
    for user in range(2_000):
        model.learn_one(user, user * 3, 4.0)
    assert model.arena.count(RATERS) <= 8 and model.arena.nbytes() == size


@EITHER
def test_a_stored_model_goes_on_as_if_it_had_not_been(neighbours: Neighbours) -> None:
    model, other = taught(neighbours), Ratings(Settings(neighbours=neighbours), seed=3)
    model.describe(3, {"categories": ["a"], "price": 2.5})
    model.learn_one(1, 1, math.nan)
    other.load(model.dump())
    assert other.digest() == model.digest()
    for learner in (model, other):
        learner.learn_one(70, 71, 2.0)
        learner.describe(5, {"categories": ["b", "a"], "attributes": {"year": "1995"}})
    assert other.digest() == model.digest() and all_of(other) == all_of(model)


@pytest.mark.parametrize(
    "document",
    [{}, {"categories": [f"c{n}" for n in range(100)]}, {"attributes": {"a": "x", "b": 1e308}},
     {"attributes": {f"n{n}": n for n in range(20)}, "price": 0.0}],
)  # fmt: skip
def test_any_document_can_be_taken_in(document: dict[str, object]) -> None:
    model = taught()
    model.describe(2, document)
    model.describe(200, document)
    for at in range(50):
        model.learn_one(at % 3, (2, 200, 3)[at % 3], 4.0)
    assert all(1.0 <= p <= 5.0 for p in all_of(model))
