"""Sources that look at people: attributes, the stage of a history, factors."""

from __future__ import annotations

import numpy as np

from models import demographics, factors, popularity
from models.examples import Past, empty_past
from models.settings import Factors, LearningSettings, Sources
from models.settings import Popularity as PopularitySettings
from models.tables import Arena
from tests.unit.models.shops import TYPES, Shop, crowd, part_of

ITEMS = 8


def past_with(*attributes: int) -> Past:
    keys = np.array(attributes, np.uint64)
    return empty_past()._replace(
        attribute_start=np.array([0, len(keys)], np.int64), attribute_key=keys
    )


class People:
    """Counts over eight items, and the groups of whoever is asked about."""

    def __init__(self) -> None:
        arena = Arena("items")
        demographics.declare(arena)
        arena.reserve("items", ITEMS)
        self.view = demographics.view(arena)
        self.groups = np.full(8, -1, np.int32)

    def take(self, past: Past, item: int, first: bool = False) -> None:
        demographics.find_groups(self.view, past, 0, self.groups)
        if first:
            demographics.admit(self.view, past, 0, self.groups, ITEMS)
        demographics.learn(self.view, self.groups, item, 1.0)

    def scores(self, past: Past) -> np.ndarray:
        out = np.zeros(ITEMS, np.float32)
        demographics.find_groups(self.view, past, 0, self.groups)
        return out if demographics.score(self.view, self.groups, out, ITEMS) else out * 0


def test_people_with_the_same_attributes_take_the_same() -> None:
    people = People()
    for at in range(60):
        people.take(past_with(11), 1, first=at == 0)
        people.take(past_with(22), 2, first=at == 0)
    assert people.scores(past_with(11)).argmax() == 1
    assert people.scores(past_with(22)).argmax() == 2
    assert not people.scores(past_with(33)).any()
    assert not people.scores(past_with()).any()


def test_a_group_of_few_speaks_softly() -> None:
    people = People()
    for at in range(900):
        people.take(past_with(11), 1, first=at == 0)
    for at in range(3):
        people.take(past_with(99), 2, first=at == 0)
    scores = people.scores(past_with(11, 99))
    assert scores[1] > 10 * scores[2] > 0


def test_many_rare_attributes_do_not_push_out_common_ones() -> None:
    people = People()
    for at in range(600):
        people.take(past_with(11, 1000 + at), 1, first=True)
    assert people.scores(past_with(11))[1] == 1.0
    assert people.view.total.max() == 601.0


def test_stages_are_counted_apart() -> None:
    assert [popularity.stage_of(n) for n in (0, 1, 2, 3, 4, 64, 100)] == [0, 1, 2, 2, 3, 7, 7]
    arena = Arena("items")
    popularity.declare(arena)
    arena.reserve("items", ITEMS)
    p = popularity.view(arena, PopularitySettings())
    popularity.learn_stage(p, 3, 1.0, 0)
    assert p.stage[0, 3] == 1.0
    assert p.stage.sum() == 1.0


def test_solving_is_solving() -> None:
    drawn = np.random.default_rng(3).normal(size=(16, 16))
    a = (drawn @ drawn.T + 16 * np.eye(16)).astype(np.float32)
    b, x = np.arange(16, dtype=np.float32), np.zeros(16, np.float32)
    factors.solve(a.copy(), b, x)
    np.testing.assert_allclose(a @ x, b, atol=1e-3)


def with_factors() -> LearningSettings:
    return LearningSettings(sources=Sources(factors=True), factors=Factors(dims=16))


def test_factors_know_the_kind_of_what_was_had() -> None:
    shop = Shop(with_factors())
    shop.tell(crowd(1500, users=60))
    s, w = shop.model.reader.state, shop.model.reader.scratch()
    history = np.array([s_row(shop, "i1"), s_row(shop, "i5"), *[-1] * 62], np.int32)
    assert factors.user(s.factors, history, np.zeros(64), 2, w.work, w.x)
    out = np.zeros(shop.model.arena.capacity("items"), np.float32)
    factors.score(s.factors, w.x, out, shop.model.items)
    best = [shop.model.id_of(int(row)) for row in np.argsort(-out[: shop.model.items])[:6]]
    assert sum(int(item[1:]) % 4 == 1 for item in best) >= 5


def s_row(shop: Shop, item: str) -> int:
    return shop.model.row_of(shop.model.key_of(item))


def test_factors_come_and_go_with_their_setting_and_travel_in_dumps() -> None:
    shop = Shop(with_factors())
    examples, ids = shop.examples(crowd(200))
    shop.model.learn(part_of(examples, 0, 100), ids[:100], TYPES)
    loaded = Shop().model
    loaded.load(*shop.model.dump())
    for model in (shop.model, loaded):
        model.learn(part_of(examples, 100, 150), ids[100:150], TYPES)
    assert loaded.digest() == shop.model.digest()
    off = LearningSettings(factors=Factors(dims=16))
    for model in (shop.model, loaded):
        model.apply_settings(off)
        assert model.arena["factors.vectors"].size == 0
        model.apply_settings(with_factors())
        model.learn(part_of(examples, 150, 200), ids[150:], TYPES)
    assert shop.model.arena["factors.sums"].any()
    assert loaded.digest() == shop.model.digest()
