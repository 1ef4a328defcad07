"""Our estimators under River's own checks, pipelines, metrics and validation."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import pytest
from river import checks, compose, evaluate, linear_model, metrics, preprocessing

from models.river_estimators import Popularity, RatingModel

ESTIMATORS = [RatingModel(), RatingModel(neighbours="both"), Popularity()]


def rated(events: int = 400) -> Iterator[tuple[dict[Any, Any], float]]:
    """Two kinds of people and of things, told apart by attributes alone for who is new."""
    for at in range(events):
        user, item = at % 20, at * 7 % 30
        x = {"user": f"u{user}", "item": f"i{item}", "kind": "ab"[user % 2], "time": at * 60.0}
        yield x, 5.0 if (user + item // 2) % 2 else 1.0


def rivers_checks() -> Iterator[Any]:
    """River's checks of each estimator, on ratings: its own data sets need scikit-learn."""

    def ours(model: Any, scale: int = 1) -> Iterator[Any]:
        if not isinstance(model, Popularity):
            yield list(rated(60 * scale))

    for model in ESTIMATORS:
        with patch.object(checks, "_yield_datasets", ours):
            for check in checks.yield_checks(model):
                if check.__name__ not in model._unit_test_skips():
                    yield pytest.param(model, check, id=f"{type(model).__name__}-{check.__name__}")


@pytest.mark.parametrize(("model", "check"), list(rivers_checks()))
def test_rivers_own_checks(model: Any, check: Callable[[Any], None]) -> None:
    check(model.clone())


def test_progressive_validation_and_metrics() -> None:
    metric = evaluate.progressive_val_score(rated(), RatingModel(), metrics.RMSE())
    assert 0.0 < metric.get() < 1.6
    both = metrics.MAE() + metrics.RMSE()
    scores: Any = evaluate.progressive_val_score(rated(50), RatingModel(), both).get()
    assert len(scores) == 2


def test_in_a_pipeline() -> None:
    model = compose.Select("user", "item", "kind") | RatingModel()
    assert evaluate.progressive_val_score(rated(), model, metrics.RMSE()).get() < 1.7
    scaled = compose.SelectType(float) | preprocessing.StandardScaler()
    named = compose.SelectType(str)
    union = (scaled + named) | RatingModel()
    assert evaluate.progressive_val_score(rated(100), union, metrics.MAE()).get() < 4.0
    assert linear_model.LinearRegression().predict_one({"score": 1.0}) == 0.0


def test_it_beats_a_constant_and_a_copy_goes_its_own_way() -> None:
    model = RatingModel()
    for x, y in rated():
        model.learn_one(x, y)
    other, third = copy.deepcopy(model), pickle.loads(pickle.dumps(model))
    x = {"user": "u1", "item": "i2", "kind": "b"}
    assert other.predict_one(x) == third.predict_one(x) == model.predict_one(x)
    for _ in range(20):
        other.learn_one(x, 1.0)
    assert other.predict_one(x) < model.predict_one(x) == third.predict_one(x)


def test_unknown_neighbours_are_refused() -> None:
    with pytest.raises(ValueError, match="neighbours must be one of none, items, users, both"):
        RatingModel(neighbours="bogus")  # type: ignore[arg-type]


def test_popularity_fades() -> None:
    model = Popularity(half_life=10.0)
    for _ in range(5):
        model.learn_one("u", "old")
    for _ in range(60):
        model.learn_one("u", "other")
    model.learn_one("u", "new")
    assert model.rank("v", {"old", "new", "never"}) == ["new", "old", "never"]
    assert model.predict_one("v", "never") == 0.0
