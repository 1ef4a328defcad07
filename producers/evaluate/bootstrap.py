"""Paired bootstrap: how far the difference of two rankers on the same events can be trusted."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.learning import LIST
from producers.evaluate.judge import Scoreboard

#: Draws; more would move the ends of an interval by less than its own noise.
RESAMPLES: Final = 1_000
#: What is drawn: a user's events resemble each other, so that single ones would look too sure.
UNITS: Final = "users"
METRICS: Final = ("hr@10", "ndcg@10", "hr@20", "mrr@20", "rmse")
# Draws held in memory at once.
_AT_ONCE: Final = 20

Columns = NDArray[np.float64]


def difference(a: Scoreboard, b: Scoreboard, seed: int = 1) -> dict[str, Any]:
    """By metric: `a` less `b` on the same events, with the 95 % percentile interval.

    Users are drawn with replacement, each with all of their events, for both rankers alike
    (Efron & Tibshirani 1993, ch. 13). Null where there is nothing to measure; `low` and
    `high` are null with fewer than two users. Raises ValueError for boards of other events.
    """
    if a.scored_users != b.scored_users:
        raise ValueError("the two rankers were not scored on the same events")
    totals, users = _user_totals(a, b)
    exact = _metrics(totals.sum(axis=0)[None])[0]
    drawn = _metrics(_draws(totals, users, seed)) if users > 1 else np.empty((0, len(METRICS)))
    return {name: _interval(exact[at], drawn[:, at]) for at, name in enumerate(METRICS)}


def _user_totals(a: Scoreboard, b: Scoreboard) -> tuple[Columns, int]:
    """Sums by user, float64[users, 8]: events, four differences, ratings, two squared errors."""
    row: dict[str, int] = {}
    for user in (*a.scored_users, *a.rated_users):
        row.setdefault(user, len(row))
    totals = np.zeros((len(row), 8))
    scored = [row[user] for user in a.scored_users]
    gains = _gains(a.all.places) - _gains(b.all.places)
    np.add.at(totals, (scored, 0), 1.0)
    for at in range(4):
        np.add.at(totals, (scored, at + 1), gains[:, at])
    if a.rated_users == b.rated_users:
        rated = [row[user] for user in a.rated_users]
        np.add.at(totals, (rated, 5), 1.0)
        np.add.at(totals, (rated, 6), np.square(a.all.errors))
        np.add.at(totals, (rated, 7), np.square(b.all.errors))
    return totals, len(row)


def _gains(places: list[int]) -> Columns:
    """What each place is worth in the first four of METRICS: float64[events, 4]."""
    place = np.array(places, np.float64)
    ndcg = np.where(place < 10, 1 / np.log2(place + 2), 0.0)
    mrr = np.where(place < LIST, 1 / (place + 1), 0.0)
    return np.stack([place < 10, ndcg, place < LIST, mrr], axis=1).astype(np.float64)


def _draws(totals: Columns, users: int, seed: int) -> Columns:
    random = np.random.default_rng(seed)
    sums = []
    for _ in range(RESAMPLES // _AT_ONCE):
        picks = random.integers(0, users, (_AT_ONCE, users))
        weights = np.stack([np.bincount(pick, minlength=users) for pick in picks])
        sums.append(weights @ totals)
    return np.concatenate(sums)


def _metrics(sums: Columns) -> Columns:
    """The five differences from summed totals; NaN where a draw has nothing to measure."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ranked = sums[:, 1:5] / sums[:, :1]
        rated = np.sqrt(sums[:, 6] / sums[:, 5]) - np.sqrt(sums[:, 7] / sums[:, 5])
    return np.concatenate([ranked, rated[:, None]], axis=1)


def _interval(exact: float, drawn: Columns) -> dict[str, float | None] | None:
    if np.isnan(exact):
        return None
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn):
        return {"mean": float(exact), "low": None, "high": None}
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"mean": float(exact), "low": float(low), "high": float(high)}
