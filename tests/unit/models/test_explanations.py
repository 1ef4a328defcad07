"""Why an item has its score: the parts add up, and they are what they are said to be."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from models import ranker
from models.examples import HISTORY
from models.explanation import BESIDE, Explanation
from models.features import PER_SOURCE, SOURCES
from tests.unit.models.shops import START, Event, Shop

_BORN = START + 60.0 * 400


def explained(shop: Shop, user: str, k: int = 100) -> list[tuple[float, Explanation]]:
    places = shop.model.recommend(shop.asked(user, k, explain=True))
    assert places
    return [(place.score, place.explanation or pytest.fail("nothing told")) for place in places]


def test_base_and_sources_add_up_to_the_score(busy: Shop) -> None:
    for user in ("u0", "u1", "u5", "nobody"):
        for score, told in explained(busy, user):
            assert told.base + sum(told.sources.values()) == pytest.approx(score, abs=1e-6)
            assert "context" in told.sources
            assert set(told.sources) <= {*SOURCES, *BESIDE}


def test_asking_why_does_not_change_the_list(busy: Shop) -> None:
    plain = busy.model.recommend(busy.asked("u1", 20))
    told = busy.model.recommend(busy.asked("u1", 20, explain=True))
    assert [(p.row, p.score, p.reason) for p in plain] == [(p.row, p.score, p.reason) for p in told]
    assert all(place.explanation is None for place in plain)


def test_events_of_a_source_add_up_to_it(busy: Shop) -> None:
    split = set()
    for _, told in explained(busy, "u1"):
        for source in {source for _, source, _ in told.events}:
            parts = sum(value for _, name, value in told.events if name == source)
            assert parts == pytest.approx(told.sources[source], abs=1e-9)
            split.add(source)
        assert not {"popular_fast", "popular_slow", "context"} & split
    assert {"fast", "slow", "embeddings", "content"} <= split


def test_events_are_of_the_users_past(busy: Shop) -> None:
    past = busy.asked("u2").past
    rows = {busy.model.row_of(int(key)) for key in past.history_key[:HISTORY]}
    assert {row for _, told in explained(busy, "u2") for row, _, _ in told.events} <= rows


def test_the_push_of_a_dislike_is_told_apart_and_names_its_cause(busy: Shop) -> None:
    busy.tell([Event("u1", "i8", "dislike", time=_BORN)])
    disliked = busy.model.row_of(busy.model.key_of("i8"))
    pushed = [told for _, told in explained(busy, "u1") if told.sources.get("dislikes", 0.0) < -0.1]
    assert pushed
    causes = [
        [row for row, source, _ in told.events if source == "dislikes"] for told in pushed
    ]  # fmt: skip
    assert all(len(rows) == 1 for rows in causes)
    assert [disliked] in causes


def test_values_are_shapleys_over_the_groups_of_features(busy: Shop) -> None:
    """Against a plain enumeration of all orders' coalitions, for a list of its own features."""
    from models.explanation import _explain

    s, w = busy.model.reader.state, busy.model.reader.scratch()
    places = busy.model.recommend(busy.asked("u1", 3))
    count = 40  # any candidates will do: their mean is what the values are measured from
    at, length = int(np.flatnonzero(w.candidates[:count] == places[0].row)[0]), 5
    values = np.zeros(len(SOURCES) + len(BESIDE))
    _explain(s, w, at, count, length, values, np.zeros((len(values), HISTORY)))

    features = w.features[:, :count].astype(float)
    mean, own = features.mean(axis=1), features[:, at]
    there = [g for g in range(len(SOURCES)) if w.listed_count[g] >= 0] + [len(SOURCES)]
    size = len(PER_SOURCE)

    def worth(members: tuple[int, ...]) -> float:
        x = mean.copy()
        for group in members:
            x[size * group : size * group + size] = own[size * group : size * group + size]
        z = s.ranker.hidden.astype(float) @ np.concatenate([x, w.context, [1.0]])
        bent = np.maximum(z, float(ranker.LEAK) * z)
        return float(s.ranker.out.astype(float) @ bent + s.ranker.skip.astype(float) @ x)

    n = len(there)
    worths = {m: worth(m) for r in range(n + 1) for m in itertools.combinations(there, r)}
    for group in (there[0], there[3], there[-1]):
        others = [g for g in there if g != group]
        value = sum(
            (worths[tuple(sorted((*m, group)))] - worths[m]) / (n * math.comb(n - 1, len(m)))
            for r in range(n)
            for m in itertools.combinations(others, r)
        )
        assert values[group] == pytest.approx(value, abs=1e-6)
