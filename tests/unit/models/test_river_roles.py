"""River's models as rating models, sources and rankers: what naming one changes, and what not."""

from __future__ import annotations

from itertools import islice
from typing import Any, Literal

import pytest

from models.errors import GuestUnknown
from models.model import Model
from models.river_models import build
from models.settings import LearningSettings, River
from tests.unit.models.shops import TYPES, Shop, catalogue, crowd

Role = Literal["rating", "source", "ranker"]
MF = "reco.BiasedMF"
LOGISTIC = "linear_model.LogisticRegression"
#: Steps so large that the weights overflow within a few events.
DIVERGING: dict[str, Any] = {"optimizer": {"class": "optim.SGD", "parameters": {"lr": 1e300}}}


def shop_with(path: str, role: Role, events: int = 150, **parameters: Any) -> Shop:
    guest = River(path=path, role=role, parameters=parameters)
    return taught(LearningSettings(preset="films", river={"guest": guest}), events)


def taught(settings: LearningSettings, events: int = 150) -> Shop:
    shop = Shop(settings)
    shop.put(*catalogue())
    shop.tell(crowd(events))
    return shop


@pytest.fixture(scope="module")
def plain() -> Shop:
    return taught(LearningSettings(preset="films"))


def lists(shop: Shop) -> list[list[str]]:
    return [
        shop.names(shop.model.recommend(shop.asked(user, 10), user)) for user in ("u1", "u2", "u3")
    ]


def ratings(shop: Shop) -> list[float]:
    return [shop.model.rating(f"u{n}", f"i{n * 3}") for n in range(6)]


@pytest.mark.parametrize(
    ("path", "role"),
    [(MF, "source"), (MF, "ranker"), (LOGISTIC, "ranker"), (LOGISTIC, "source"), (MF, "rating")],
)
def test_a_guest_has_a_say_leaves_no_trace_and_is_stored(
    path: str, role: Role, plain: Shop
) -> None:
    shop = shop_with(path, role)
    assert shop.model.guests.failures() == {"guest": 0}
    if role == "rating":
        assert ratings(shop) != ratings(plain)
    else:
        assert lists(shop) != lists(plain)
    before = shop.model.digest()
    assert lists(shop) == lists(shop) and ratings(shop) == ratings(shop)
    shop.model.recommend(shop.asked("u1"), "somebody new")
    shop.model.rating("somebody new", "something new")
    assert shop.model.digest() == before

    other = Model(LearningSettings(), seed=1)
    other.load(*shop.model.dump())
    assert other.digest() == before
    examples, ids = shop.examples(islice(crowd(170, seed=8), 150, 170))
    for model in (shop.model, other):
        model.learn(examples, ids, TYPES)
    assert other.digest() == shop.model.digest() != before


def test_batches_do_not_show() -> None:
    settings = LearningSettings(
        preset="films",
        river={"a": River(path=MF, role="ranker"), "b": River(path=MF, role="rating")},
    )
    one, other = Shop(settings), Shop(settings)
    assert one.tell(crowd(60)) == other.tell(crowd(60), cuts=[7, 30, 31])
    assert one.model.digest() == other.model.digest()


@pytest.mark.parametrize("role", ["rating", "source", "ranker"])
def test_a_guest_that_says_what_is_no_number_falls_out_and_is_counted(
    role: Role, plain: Shop
) -> None:
    shop = shop_with("linear_model.LinearRegression", role, **DIVERGING)
    assert shop.model.guests.failures()["guest"] > 0
    assert all(1.0 <= rating <= 5.0 for rating in ratings(shop))
    if role == "rating":
        assert lists(shop) == lists(plain)
    else:
        assert ratings(shop) == ratings(plain)
        after = [shop.tell(islice(crowd(250), 150, 250)) for shop in (shop, taught_again())]
        hits = [sum(0 <= place < 10 for place in places) for places in after]
        assert hits[0] >= 0.99 * hits[1]


def taught_again() -> Shop:
    return taught(LearningSettings(preset="films"))


@pytest.mark.parametrize(
    ("path", "parameters", "key"),
    [
        ("reco.NoSuchMF", {}, "k.class"), ("os.system", {}, "k.class"), ("reco", {}, "k.class"),
        ("reco.base.functools", {}, "k.class"), ("metrics.RMSE", {}, "k.class"),
        ("preprocessing.StandardScaler", {}, "k.class"), ("..reco.BiasedMF", {}, "k.class"),
        (MF, {"n_facters": 3}, "k.parameters.n_facters"),
        (MF, {"bias_optimizer": {"class": "optim.Nope"}}, "k.parameters.bias_optimizer.class"),
        (LOGISTIC, {"optimizer": {"class": "optim.SGD", "parameters": {"rl": 1}}},
         "k.parameters.optimizer.parameters.rl"),
    ],
)  # fmt: skip
def test_what_river_does_not_have_is_named(path: str, parameters: Any, key: str) -> None:
    with pytest.raises(GuestUnknown) as raised:
        build(path, parameters, "k", seed=1)
    assert raised.value.key == key


def test_settings_may_take_a_guest_in_and_let_it_go() -> None:
    shop = taught(LearningSettings(preset="films"), 60)
    guest = {"mf": River(path=MF, role="ranker")}
    shop.model.apply_settings(LearningSettings(preset="films", river=guest))
    shop.tell(islice(crowd(100), 60, 100))
    weight = shop.model.guests.lists.weights.tolist()
    shop.model.apply_settings(LearningSettings(preset="films", repeats=False, river=guest))
    assert shop.model.guests.lists.weights.tolist() == weight
    shop.model.apply_settings(LearningSettings(preset="films"))
    assert shop.model.guests.failures() == {}
    shop.tell(islice(crowd(110), 100, 110))
