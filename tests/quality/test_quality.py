"""Quality on the first 20,000 events, with thresholds of their own; with --full on all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.index import fingerprint
from models.ratings import Ratings
from models.settings import LearningSettings, Neighbours
from models.settings import Ratings as RatingSettings
from producers.baselines import BASELINES
from producers.evaluate import Evaluation
from producers.evaluate.order import prepare
from producers.readers import read
from stream.manifest import Manifest

LIMIT = 20_000


def test_films_are_foretold(films: Path) -> None:
    found = Evaluation(LearningSettings(), Manifest()).run(read(films, "recbole"), LIMIT)
    assert found["scored"] == LIMIT
    assert found["hr@10"] >= 0.165
    assert found["ndcg@10"] >= 0.085
    assert found["rmse"] <= 0.98
    slices = found["slices"]
    assert slices["new_users"]["scored"] + slices["warm_users"]["scored"] == LIMIT
    assert slices["new_items"]["scored"] + slices["known_items"]["scored"] == LIMIT


def test_sessions_are_foretold(test_data: Path) -> None:
    file = test_data / "yoochoose" / "train_full.txt"
    found = Evaluation(LearningSettings(), Manifest()).run(read(file, "sessions"), LIMIT)
    assert found["hr@20"] >= 0.30
    assert found["rmse"] is None


def test_repeats_score_every_event(test_data: Path) -> None:
    file = test_data / "yoochoose" / "train_full.txt"
    once = Evaluation(LearningSettings(), Manifest()).run(read(file, "sessions"), 3_000)
    each = Evaluation(LearningSettings(), Manifest(), repeats=True).run(
        read(file, "sessions"), 3_000
    )
    assert once["scored"] < each["scored"] == each["events"] == 3_000


@pytest.mark.full
def test_all_films_are_foretold(films: Path) -> None:
    found = Evaluation(LearningSettings(), Manifest()).run(read(films, "recbole"))
    assert found["hr@10"] >= 0.220
    assert found["ndcg@10"] >= 0.115
    assert found["hr@20"] >= 0.333
    assert found["rmse"] <= 0.92
    assert found["mae"] <= 0.722


@pytest.mark.full
@pytest.mark.parametrize(
    ("repeats", "least"),
    [(False, {"hr@20": 0.385, "ndcg@10": 0.198}), (True, {"hr@20": 0.54})],
)
def test_all_sessions_are_foretold(test_data: Path, repeats: bool, least: dict[str, float]) -> None:
    file = test_data / "yoochoose" / "train_full.txt"
    evaluation = Evaluation(LearningSettings(), Manifest(), repeats=repeats)
    found = evaluation.run(read(file, "sessions"))
    for metric, value in least.items():
        assert found[metric] >= value, metric


@pytest.mark.full
@pytest.mark.parametrize("repeats", [False, True])
def test_every_baseline_is_behind(films: Path, test_data: Path, repeats: bool) -> None:
    pytest.importorskip("implicit")
    sessions = test_data / "yoochoose" / "train_full.txt"
    for file, format in ((films, "recbole"), (sessions, "sessions")):
        evaluation = Evaluation(LearningSettings(), Manifest(), repeats=repeats, against=BASELINES)
        found = evaluation.run(read(file, format), LIMIT)
        for name, theirs in found["against"].items():
            for metric in ("hr@10", "hr@20", "ndcg@10"):
                assert found[metric] > theirs[metric], f"{name}: {metric}"


def test_neighbours_foretell_ratings_better(films: Path) -> None:
    events = prepare(read(films, "recbole"), LIMIT).events
    off, by_items, by_users = (
        squared_error(events, neighbours) for neighbours in ("none", "items", "users")
    )
    assert max(by_items, by_users) < off
    assert squared_error(events, "both") < min(by_items, by_users)


def squared_error(events: list[dict[str, Any]], neighbours: Neighbours) -> float:
    """Of ratings, each foretold before it is learned."""
    model = Ratings(RatingSettings(neighbours=neighbours))
    users, items = (
        np.array([fingerprint(event[key]) for event in events], np.uint64)
        for key in ("user_id", "item_id")
    )
    given = np.array([float(event["value"]) for event in events])
    times = np.array([float(event["timestamp"]) for event in events])
    starts, nothing = np.zeros(len(events) + 1, np.int64), np.empty(0, np.uint64)
    foretold = model.learn_many(users, items, given, times, starts, nothing)
    return float(np.mean((foretold - given) ** 2))
