"""Paired intervals: exact where they can be, repeatable, and null where nothing was measured."""

from __future__ import annotations

import numpy as np
import pytest

from producers.evaluate.bootstrap import METRICS, difference
from producers.evaluate.judge import Scoreboard, Verdict

WARM = Verdict(True, ("warm_users", "known_items"))


def board(places: list[int], errors: list[float], users: int = 40) -> Scoreboard:
    made = Scoreboard()
    for number, place in enumerate(places):
        made.place(WARM, f"u{number % users}", place, [])
    for number, error in enumerate(errors):
        made.error(WARM, f"u{number % users}", error)
    return made


def test_the_same_lists_differ_by_nothing() -> None:
    one = board([0, 5, 20, 12] * 30, [0.5, -1.0] * 30)
    found = difference(one, board([0, 5, 20, 12] * 30, [0.5, -1.0] * 30))
    assert list(found) == list(METRICS)
    assert all(interval == {"mean": 0.0, "low": 0.0, "high": 0.0} for interval in found.values())


def test_means_are_the_differences_of_the_reports() -> None:
    random = np.random.default_rng(1)
    a = board(random.integers(0, 21, 500).tolist(), random.normal(size=300).tolist())
    b = board(random.integers(0, 21, 500).tolist(), random.normal(0, 2, 300).tolist())
    found, ours, theirs = difference(a, b), a.all.report(), b.all.report()
    for metric in METRICS:
        assert found[metric]["mean"] == pytest.approx(ours[metric] - theirs[metric])
        assert found[metric]["low"] <= found[metric]["mean"] <= found[metric]["high"]
    assert found["rmse"]["high"] < 0
    assert found == difference(a, b)
    assert found != difference(a, b, seed=2)


def test_events_of_few_users_make_wider_intervals() -> None:
    # Whole users are better or worse: what counts is how many of them there are.
    def width(users: int) -> float:
        places = [0 if number % users % 2 else 20 for number in range(1_200)]
        found = difference(board(places, [], users), board([20] * 1_200, [], users))["hr@10"]
        return float(found["high"] - found["low"])

    assert width(10) > 3 * width(300)


def test_nothing_measured_is_null() -> None:
    assert set(difference(board([], []), board([], [])).values()) == {None}
    one_user = difference(board([0], [], 1), board([20], [], 1))
    assert one_user["hr@10"] == {"mean": 1.0, "low": None, "high": None}
    assert one_user["rmse"] is None


def test_other_events_are_refused() -> None:
    with pytest.raises(ValueError, match="same events"):
        difference(board([1, 2], []), board([1], []))
