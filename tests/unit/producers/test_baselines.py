"""Baselines: what they rank, that asking leaves no trace, and what is said when one is missing."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import pytest

from producers.baselines import BASELINES, Baseline, Ledger, best, build, require
from producers.baselines.item_knn import VOTERS
from producers.baselines.pairs import Pairs
from producers.errors import OptionError

RANDOM = np.random.default_rng(3)


def taught(name: str, events: Sequence[tuple[str, str]], **options: int) -> Baseline:
    ledger = Ledger()
    (baseline,) = build([name], ledger, **options)
    for user, item in events:
        baseline.learn(ledger.user(user), ledger.new_item(item), None)
        ledger.take(user, item)
    return baseline


def listed(baseline: Baseline, user: str, k: int = 5) -> list[int]:
    ledger = baseline.ledger
    row = ledger.user(user)
    return best(baseline.score(row), ledger.counts, ledger.taken(row), k)


def test_popularity_ranks_by_count_and_leaves_out_the_users_own() -> None:
    baseline = taught("popularity", [("a", "x"), ("b", "y"), ("c", "y"), ("d", "z")])
    assert listed(baseline, "nobody") == [1, 0, 2]
    assert listed(baseline, "b") == [0, 2]


def test_last_popular_forgets_what_was_popular_long_ago() -> None:
    old = [(f"u{n}", "old") for n in range(600)]
    new = [(f"v{n}", "new") for n in range(500)]
    assert listed(taught("last-popular", old), "x") == [0]
    filling = [(f"w{n}", f"i{n % 50}") for n in range(450)]
    assert listed(taught("last-popular", [*old, *new, *filling]), "x")[0] == 1


def test_item_knn_is_the_cosine_of_users() -> None:
    events = [(f"u{RANDOM.integers(12)}", f"i{RANDOM.integers(9)}") for _ in range(90)]
    baseline = taught("item-knn", events)
    ledger = baseline.ledger
    taken = np.zeros((ledger.users, ledger.items))
    for user, item in events:
        taken[ledger.user(user), ledger.new_item(item)] = 1
    cosine = taken.T @ taken / np.sqrt(np.outer(taken.sum(0), taken.sum(0)))
    for row in range(ledger.users):
        voters = ledger.taken(row)[-VOTERS:]
        assert baseline.score(row) == pytest.approx(cosine[voters].sum(0), rel=1e-5)


def test_pairs_count_the_same_in_sparse_rows() -> None:
    small, large = Pairs(dense=4), Pairs()
    for item in range(1, 12):
        others = sorted(set(RANDOM.integers(0, item, 5).tolist()))
        small.add(item, others)
        large.add(item, others)
    weights = np.array([1.0, 0.5], np.float32)
    assert (
        small.weighted([3, 7], weights, 12).tolist() == large.weighted([3, 7], weights, 12).tolist()
    )


def test_item_knn_knows_items_that_were_taken_alone() -> None:
    baseline = taught("item-knn", [(f"u{n}", f"i{n}") for n in range(400)])
    assert listed(baseline, "u399", 3) == [0, 1, 2]


def test_ties_go_to_the_more_popular_and_then_to_the_older() -> None:
    scores = np.array([0, 1, 1, 0, np.nan], np.float32)
    counts = np.array([5, 1, 2, 5, 9], np.float32)
    assert best(scores, counts, [], 5) == [1, 2, 4, 0, 3]
    assert best(scores, counts, [1, 2, 4], 5) == [0, 3]
    assert best(None, counts[:0], [], 5) == []


@pytest.mark.parametrize("name", ["river-biasedmf", "river-funkmf"])
def test_asking_river_changes_nothing(name: str) -> None:
    events = [(f"u{n % 7}", f"i{n % 5}") for n in range(60)]
    asked, unasked = taught(name, events), taught(name, events)
    for stranger in ("x", "y"):
        row = asked.ledger.user(stranger)
        assert asked.score(row) is None
        asked.rate(row, None)
    for baseline in (asked, unasked):
        baseline.learn(0, 1, 4.0)
    mine, theirs = asked.score(0), unasked.score(0)
    assert mine is not None and theirs is not None
    assert mine.tolist() == theirs.tolist()


@pytest.mark.parametrize("name", ["river-biasedmf", "river-funkmf"])
def test_a_river_model_that_diverges_starts_again(name: str) -> None:
    baseline = taught(name, [("u", "i"), ("v", "j")])
    for _ in range(200):
        baseline.learn(0, 1, 1e9)
        baseline.learn(1, 0, float("nan"))
    rating = baseline.rate(0, 1)
    assert rating is not None
    assert 1 <= rating <= 5
    scores = baseline.score(0)
    assert scores is None or np.isfinite(scores).all()


@pytest.mark.parametrize("name", ["implicit-als", "implicit-cosine"])
def test_implicit_is_refitted_and_follows_the_user(name: str) -> None:
    pytest.importorskip("implicit")
    tastes = [(f"u{n % 30}", f"{n % 2}-{RANDOM.integers(6)}") for n in range(400)]
    baseline = taught(name, tastes, refit_every=100)
    assert baseline.refits == 3
    assert baseline.refit_s is not None and baseline.refit_s > 0
    ledger = baseline.ledger
    # Somebody who came after the last fit, with one item of the first taste.
    ledger.take("late", "0-1")
    first = listed(baseline, "late", 3)
    assert set(first) <= {ledger.item(f"0-{n}") for n in range(6)}


def test_an_unknown_baseline_is_named_with_the_nearest() -> None:
    with pytest.raises(OptionError, match=r"did you mean popularity\? all are popularity, last-"):
        require(["popularty"])
    with pytest.raises(OptionError) as raised:
        require(["popularity", "bogus"])
    assert str(raised.value).startswith("--against: name 2 of 2 is not known; all are popularity")
    with pytest.raises(OptionError, match="item-knn is named twice"):
        require(["item-knn", "item-knn"])


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "implicit", None)
    for module in ("implicit.als", "implicit.nearest_neighbours", "producers.baselines.refitted"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(OptionError, match=r"implicit-als needs implicit.*'\.\[baselines\]'"):
        require(["popularity", "implicit-als"])
    require([name for name in BASELINES if not name.startswith("implicit")])
