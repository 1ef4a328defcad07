"""What each source and the ranker learn, one by one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import content, cooccurrence, embeddings, presets, ranker, vectors
from models.features import CONTEXT, NAMES
from models.partners import SLOTS
from models.settings import Content, Embeddings, LearningSettings, Ranker
from models.tables import Arena
from tests.unit.models.shops import Event, Shop, crowd

ITEMS = 32
TOUCHED = np.zeros(64 * SLOTS + 1, np.int32)


def history(*rows: int) -> np.ndarray:
    return np.array([*rows, *[-1] * (64 - len(rows))], np.int32)


def fast(name: str = "fast") -> cooccurrence.Cooccurrence:
    arena = Arena("items", "dense")
    cooccurrence.declare(arena, name)
    arena.reserve("items", ITEMS)
    arena.reserve("dense", ITEMS)
    c = cooccurrence.view(arena, name, LearningSettings().cooccurrence[name])
    for item in range(4):
        cooccurrence.learn(c, item, history(), np.zeros(64), 0, 1.0, ITEMS)
    return c


def test_a_pair_close_in_time_and_place_weighs_more() -> None:
    c, ages = fast(), np.zeros(64)
    ages[:3] = [1.0, 1.0, 86_400.0]
    cooccurrence.learn(c, 0, history(1, 2, 3), ages, 3, 1.0, ITEMS)
    out = np.zeros(ITEMS, np.float32)
    cooccurrence.score(
        c, history(0), np.zeros(64), 1, out, TOUCHED, TOUCHED.astype(np.float32), ITEMS
    )
    assert out[1] == 1.0 > out[2] > out[3] > 0.0
    assert not out[4:].any()
    assert out[0] == 0.0


def test_no_item_is_paired_with_itself() -> None:
    c = fast()
    cooccurrence.learn(c, 0, history(0, 0, 1), np.zeros(64), 3, 1.0, ITEMS)
    assert not np.diag(c.dense).any()


def test_the_forward_horizon_knows_what_comes_next() -> None:
    c, out = fast("forward"), np.zeros(ITEMS, np.float32)
    cooccurrence.learn(c, 1, history(0), np.zeros(64), 1, 1.0, ITEMS)
    cooccurrence.learn(c, 0, history(2), np.zeros(64), 1, 1.0, ITEMS)
    cooccurrence.score(
        c, history(0), np.zeros(64), 1, out, TOUCHED, TOUCHED.astype(np.float32), ITEMS
    )
    assert out[1] > out[2] > 0.0


def test_weights_fade_and_survive_being_rescaled() -> None:
    c = fast()
    c.parameters[cooccurrence.GROWTH] = 2.0 ** (1 / 5)
    for at in range(400):
        cooccurrence.learn(c, at % 2, history(2 + at % 3), np.zeros(64), 1, 1.0, ITEMS)
    assert np.isfinite(c.dense).all()
    assert c.scale[0] <= 1024 * 2
    assert 0 < c.dense.max() <= c.scale[0] * 10


def bag(rate: float = 0.1) -> embeddings.Embeddings:
    arena = Arena("items")
    chosen = Embeddings(dims=16, negatives=10, learning_rate=rate)
    embeddings.declare(arena, chosen)
    arena.reserve("items", ITEMS)
    view = embeddings.view(arena, chosen)
    for row in range(ITEMS):
        embeddings.start(view, row, np.uint64(row * 977))
    return view


def test_embeddings_learn_what_follows_what() -> None:
    e, x, gradient = bag(), np.zeros(128, np.float32), np.zeros(128, np.float32)
    for at in range(3000):
        kind = at % 4
        one, other = 4 * (at // 4 % 8) + kind, 4 * (at // 32 % 8) + kind
        seed = np.uint64(at * 1000)
        embeddings.learn(e, other, history(one), 1, 1.0, seed, ITEMS, x, gradient)
    out = np.zeros(ITEMS, np.float32)
    assert embeddings.user(e, history(5), 1, x) > 0.0
    embeddings.score(e, x, out, ITEMS)
    best = np.argsort(-out)[:6]
    assert (best % 4 == 1).all()
    assert out.max() == 1.0
    assert np.linalg.norm(x[:16]) == pytest.approx(1.0)


def test_a_first_vector_depends_on_the_item_alone() -> None:
    a, b = Shop(), Shop()
    a.tell([Event("u", "x"), Event("u", "y")])
    b.tell([Event("u", "z"), Event("u", "y")])
    rows = [s.model.row_of(s.model.key_of("y")) for s in (a, b)]
    first = [s.model.arena["embeddings.inward"][row] for s, row in zip((a, b), rows, strict=True)]
    assert first[0].tolist() == first[1].tolist()
    assert first[0].any()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-100, 100, width=32), min_size=16, max_size=16))
def test_the_inner_product_is_one(values: list[float]) -> None:
    a = np.array(values, np.float32)
    b = np.arange(16, dtype=np.float32)
    assert float(vectors.dot(a, b, 16)) == pytest.approx(float(np.dot(a, b)), abs=0.1, rel=1e-4)


def described(*items: Mapping[str, object]) -> np.ndarray:
    arena = Arena("items")
    content.declare(arena, Content())
    arena.reserve("items", len(items))
    for row, item in enumerate(items):
        content.describe(arena, row, item, Content())
    vectors: np.ndarray = arena["content.vectors"][: len(items)]
    return vectors @ vectors.T


def test_content_is_near_where_words_and_categories_are_shared() -> None:
    tent = {"title": "Tent for two", "categories": ["Camping"], "tags": ["outdoor"]}
    near = described(
        {"title": "Tent for four", "categories": ["camping"], "tags": ["outdoor"]}, tent,
        {"title": "Novel", "categories": ["Books"]}, {},
    )  # fmt: skip
    assert near[0, 1] > 0.4 > near[1, 2]
    assert near[1, 1] == pytest.approx(1.0, abs=1e-5)
    assert not near[3].any()


def test_accents_and_case_do_not_matter() -> None:
    near = described({"title": "Té Verde"}, {"title": "TE VERDE"}, {"title": "x"})
    assert near[0, 1] == pytest.approx(1.0, abs=1e-5)


class Lesson:
    """A ranker and five candidates, the second of which is what people take."""

    def __init__(self) -> None:
        arena = Arena("items")
        ranker.declare(arena, "auto")
        self.ranker = ranker.view(arena, Ranker(learning_rate=0.01))
        drawn = np.random.default_rng(2)
        self.features = drawn.random((len(NAMES), 8)).astype(np.float32)
        self.context = np.zeros(len(CONTEXT), np.float32)
        self.units = np.zeros((ranker.HIDDEN + 1, 8), np.float32)
        self.scores = np.zeros(5)

    def score(self) -> np.ndarray:
        ranker.score(self.ranker, self.features, self.context, 5, self.units, self.scores)
        return self.scores

    def learn(self, target: int = 1) -> None:
        self.score()
        features = self.features.copy()  # a lesson spends them
        beside = np.zeros(5)
        ranker.learn(
            self.ranker, features, self.context, self.units, self.scores, 5, target, 1.0, beside
        )


@pytest.mark.parametrize("preset", presets.NAMES)
def test_shipped_weights_are_of_features_there_are(preset: str) -> None:
    shipped = json.loads((files("models") / "ranker_weights.json").read_text())[preset]
    assert set(shipped["skip"]) <= set(NAMES)
    assert set(shipped["hidden"]) <= {*NAMES, *CONTEXT, "bias"}
    weights = ranker.initial_weights(preset)
    assert np.isfinite(weights).all()
    skip = weights[-len(NAMES) :]
    assert skip[NAMES.index("fast.log")] == np.float32(shipped["skip"]["fast.log"])


def test_the_ranker_learns_what_is_taken() -> None:
    lesson = Lesson()
    for _ in range(400):
        lesson.learn()
    assert lesson.score().argmax() == 1
    assert lesson.ranker.lessons[0] == 400


def test_the_ranker_steps_when_a_mini_batch_is_full() -> None:
    lesson = Lesson()
    weights = lesson.ranker.weights.copy()
    for _ in range(3):
        lesson.learn()
    assert (lesson.ranker.weights == weights).all()
    assert lesson.ranker.gradient.any()
    lesson.learn()
    assert (lesson.ranker.weights != weights).any()
    assert not lesson.ranker.gradient.any()


def test_a_step_is_bounded_whatever_the_features() -> None:
    lesson = Lesson()
    lesson.features *= np.float32(1e6)
    weights = lesson.ranker.weights.copy()
    for _ in range(4):
        lesson.learn(4)
    assert np.abs(lesson.ranker.weights - weights).max() < 0.02


@pytest.mark.parametrize("bad", [np.nan, np.inf, 3e38])
def test_a_lesson_that_is_not_finite_is_left_out(bad: float) -> None:
    lesson = Lesson()
    for _ in range(2):
        lesson.learn()
    good = lesson.features.copy()
    lesson.features[:] = bad
    for _ in range(4):
        lesson.learn()
    lesson.features[:] = good
    for _ in range(8):
        lesson.learn()
    for table in (lesson.ranker.weights, lesson.ranker.mean, lesson.ranker.square):
        assert np.isfinite(table).all()
    assert np.isfinite(lesson.score()).all()


def test_a_half_filled_mini_batch_is_part_of_the_dump() -> None:
    whole, stored = Shop(), Shop()
    events, half_filled = list(crowd(80)), 0
    whole.tell(events)
    for event in events:
        stored.tell([event])
        half_filled += bool(stored.model.arena["ranker.gradient"].any())
        stored.model.load(*stored.model.dump())
    assert half_filled > 10
    ours, theirs = stored.model.arena.content(), whole.model.arena.content()
    for (name, mine), (_, other) in zip(ours, theirs, strict=True):
        if name.startswith("ranker."):
            assert mine.tolist() == other.tolist(), name
