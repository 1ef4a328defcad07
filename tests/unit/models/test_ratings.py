"""The rating model and its way through a snapshot."""

from __future__ import annotations

import math
import pickle
from fractions import Fraction

import pytest

from models.errors import GuestRefused
from models.ratings import Ratings
from models.river_guests import dump_guest, load_guest
from models.settings import LearningSettings
from models.settings import Ratings as Settings


def taught(ratings: int = 60) -> Ratings:
    model = Ratings(Settings(), seed=3)
    for at in range(ratings):
        model.learn_one(at % 7, at % 5, 1.0 + (at * at) % 5)
    return model


@pytest.mark.parametrize("rating", [math.nan, math.inf, -math.inf])
def test_a_rating_that_is_no_number_is_counted_and_not_learned(rating: float) -> None:
    model, same = taught(), taught()
    model.learn_one(1, 1, rating)
    assert model.rejected == 1
    assert model.predict_one(1, 1) == same.predict_one(1, 1)
    model.learn_one(1, 1, 5.0)
    assert math.isfinite(model.predict_one(1, 1))


@pytest.mark.parametrize(("user", "item"), [(1, 1), (1, 99), (99, 1), (99, 99)])
def test_predicting_never_writes(user: int, item: int) -> None:
    model, same = taught(), taught()
    dumped = model.dump()
    for _ in range(3):
        model.predict_one(user, item)
    assert model.digest() == same.digest()
    assert model.dump() == dumped
    for learner in (model, same):  # nor did it draw random numbers for the next new user
        learner.learn_one(50, 51, 4.0)
    assert model.digest() == same.digest()
    assert model.predict_one(50, 51) == same.predict_one(50, 51)


def test_predictions_are_ratings() -> None:
    model = taught()
    for _ in range(200):
        model.learn_one(1, 1, 5.0)
        model.learn_one(2, 2, 1e9)
    assert all(1.0 <= model.predict_one(u, i) <= 5.0 for u in range(9) for i in range(7))
    assert model.predict_one(1, 1) > model.predict_one(4, 4) - 4.0


def test_a_stored_model_goes_on_as_if_it_had_not_been() -> None:
    model, other = taught(), Ratings(Settings(), seed=8)
    other.load(model.dump())
    assert other.digest() == model.digest()
    for learner in (model, other):
        learner.learn_one(70, 71, 2.0)
    assert other.digest() == model.digest()
    assert other.predict_one(70, 71) == model.predict_one(70, 71)


class _Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (eval, ("1 + 1",))


@pytest.mark.parametrize(
    "guest", [Fraction(1, 3), _Trap(), LearningSettings(), math.sqrt, pytest.raises]
)
def test_a_foreign_class_is_refused(guest: object) -> None:
    with pytest.raises(GuestRefused, match="may not be loaded"):
        load_guest(pickle.dumps(guest))


def test_plain_values_travel() -> None:
    assert load_guest(dump_guest(([1, 2], {"a": 0.5}))) == ([1, 2], {"a": 0.5})
