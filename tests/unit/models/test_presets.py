"""Presets, switches of the sources, and the bound on items: decided by settings and the log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from models import presets
from models.features import SOURCES
from models.settings import LearningSettings, Sources
from tests.unit.models.shops import START, TYPES, Event, Shop, catalogue, crowd, part_of


def sessions(events: int, first: int = 0) -> Iterator[Event]:
    """Visitors of four events each, the last of which comes back to the first."""
    for at in range(first, first + events):
        visit, step = divmod(at, 4)
        yield Event(f"v{visit}", f"i{(visit + step % 3) % 30}", time=START + at, scored=False)


def regulars(events: int) -> Iterator[Event]:
    """Twelve users who never come back to an item."""
    for at in range(events):
        yield Event(f"u{at % 12}", f"i{at // 12}", time=START + at, scored=False)


def started(shop: Shop, repeated: int = 0, users: int = 10) -> Shop:
    """The shop after 9,800 events of `users`, of which `repeated` came again."""
    census = shop.model.arena["census"]
    census[[presets.EVENTS, presets.REPEATED, presets.FIRST]] = 9_800, repeated, users
    return shop


def test_auto_decides_at_one_place_of_the_log() -> None:
    shop = started(Shop())
    events = list(sessions(260))
    examples, ids = shop.examples(events)
    shop.model.learn(part_of(examples, 0, 200), ids[:200], TYPES)
    assert shop.model.preset == "auto"
    shop.model.learn(part_of(examples, 200, 201), ids[200:201], TYPES)
    assert shop.model.preset == "films"
    shop.model.learn(part_of(examples, 201, 260), ids[201:], TYPES)
    whole = started(Shop())
    whole.model.learn(examples, ids, TYPES)
    assert whole.model.digest() == shop.model.digest()
    loaded = Shop().model
    loaded.load(*whole.model.dump())
    assert loaded.preset == "films"
    assert loaded.effective == whole.model.effective


@pytest.mark.parametrize(
    ("repeated", "users", "preset"),
    [(900, 40, "shop"), (0, 4_000, "shop"), (100, 100, "films"), (0, 900, "films")],
)
def test_what_auto_decides_by(repeated: int, users: int, preset: str) -> None:
    shop = started(Shop(), repeated, users)
    shop.tell(regulars(201))
    assert shop.model.preset == preset
    assert shop.model.effective.repeats == (preset == "shop")


def test_a_shop_lists_again_what_was_had_and_films_do_not() -> None:
    for preset, again in (("shop", True), ("films", False)):
        shop = Shop(LearningSettings(preset=preset))  # type: ignore[arg-type]
        shop.tell(crowd(200))
        seen = {event.item for event in crowd(200) if event.user == "u1"}
        assert bool(seen & set(shop.listed("u1", 100))) == again


def test_a_setting_overrides_the_preset() -> None:
    own = LearningSettings().cooccurrence["slow"]
    horizon = type(own)(**{f: getattr(own, f) for f in own.__struct_fields__} | {"length": 7})
    settings = LearningSettings(
        preset="shop", repeats=False,
        cooccurrence={**LearningSettings().cooccurrence, "fast": horizon},
    )  # fmt: skip
    effective = presets.effective(settings)
    assert effective.repeats is False
    assert effective.cooccurrence["fast"] == horizon
    assert effective.cooccurrence["slow"] != LearningSettings().cooccurrence["slow"]


@pytest.mark.parametrize("source", Sources.__struct_fields__)
def test_a_source_that_is_off_lists_nothing_and_learns_nothing(source: str) -> None:
    shop = Shop(LearningSettings(sources=Sources(**{source: False}), repeats=True))
    shop.put(*catalogue())
    shop.tell(crowd(150))
    number = SOURCES.index(source)
    listed = shop.model.recommend(shop.asked("u1", 100))
    assert listed
    assert number not in {place.source for place in listed}
    assert shop.model.quality()["source_shares"][source] == 0.0
    if f"cooccurrence.{source}.dense" in {name for name, _ in shop.model.arena.content()}:
        assert not shop.model.arena[f"cooccurrence.{source}.dense"].any()
    if source == "embeddings":
        assert not shop.model.arena["embeddings.outward"].any()


def test_with_every_source_off_there_is_a_list_all_the_same() -> None:
    off = Sources(**dict.fromkeys(Sources.__struct_fields__, False))
    shop = Shop(LearningSettings(sources=off))
    shop.put(*catalogue())
    shop.tell(crowd(50))
    assert len(shop.listed("u1", 5)) == 5
    assert shop.model.quality()["source_shares"]["none"] == 1.0


def test_the_shares_of_the_sources_are_of_what_was_answered(busy: Shop) -> None:
    assert sum(busy.model.quality()["source_shares"].values()) == 0.0
    busy.listed("u1", 10)
    shares = busy.model.quality()["source_shares"]
    assert list(shares) == [*SOURCES, "none"]
    assert sum(shares.values()) == pytest.approx(1.0)


def test_the_future_does_not_change_what_was_foretold() -> None:
    """Scores of a prefix are the same whatever comes after it, in one batch or another."""
    one, other = Shop(), Shop()
    for shop in (one, other):
        shop.put(*catalogue())
    past, future = list(crowd(150)), list(crowd(120, seed=11))
    told = one.tell([*past, *future])
    assert other.tell([*past, *reversed(future)])[:150] == told[:150]
    swapped = [replace(e, item=f"i{(int(e.item[1:]) + 7) % 40}") for e in future]
    third = Shop()
    third.put(*catalogue())
    assert third.tell([*past, *swapped])[:150] == told[:150]


def test_the_event_that_is_foretold_changes_no_list_before_it(busy: Shop) -> None:
    """What is ranked before an event does not depend on its item, type, value or time."""
    lists = []
    for item, type_, value, later in (("i1", "view", 1.0, 5.0), ("i2", "rating", 5.0, 9e6)):
        shop = Shop()
        shop.model.load(*busy.model.dump())
        shop._log = list(busy._log)
        examples, ids = shop.examples([Event("u1", item, type_, value, START + 1e6 + later)])
        examples = examples._replace(prior=examples.prior * 0)
        lists.append(shop.model.learn(examples, ids, TYPES).scores.list[0].tolist())
    assert lists[0] == lists[1]
