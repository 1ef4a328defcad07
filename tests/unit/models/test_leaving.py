"""Items leave when as many are known as may be: the least recently active first."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pytest

from models import cooccurrence
from models.answers import nobody
from models.facets import Filters
from models.model import Model
from models.quality_kernels import EVENTS, ITEMS
from models.reader import Reader
from models.settings import LearningSettings, River, Sources
from models.state import HORIZONS
from tests.unit.models.shops import START, TYPES, Event, Shop, crowd, part_of

MOST = 16  # 14 stay
KINDS = 3


def record(number: int) -> dict[str, object]:
    return {
        "item_id": f"i{number}", "title": f"Thing {number}", "price": float(number),
        "categories": [f"kind {number % KINDS}"],
    }  # fmt: skip


def names(reader: Model | Reader, *lists: Iterable[object]) -> list[str]:
    return [reader.id_of(place.row) for listed in lists for place in listed]  # type: ignore[attr-defined]


def turnover(events: int, window: int = 12) -> Iterator[Event]:
    """A catalogue that moves on: of the newest `window` items any, and now and then an old one."""
    random = np.random.default_rng(7)
    for at in range(events):
        old = random.random() < 0.05
        item = int(random.integers(at // 3 + 1)) if old else at // 3 + int(random.integers(window))
        kind = str(random.choice(TYPES))
        value = float(random.integers(1, 6)) if kind == "rating" else float("nan")
        yield Event(
            f"u{int(random.integers(9))}", f"i{item}", kind, value, START + 30.0 * at,
            capped=random.random() < 0.1,
        )  # fmt: skip


def of(sparse: bool = False, **settings: object) -> Shop:
    made = Shop(LearningSettings(max_items=MOST, **settings))  # type: ignore[arg-type]
    if sparse:
        made.model._go_sparse()
    return made


def known(shop: Shop) -> set[str]:
    return {shop.model.id_of(row) for row in range(shop.model.items)}


def test_the_least_recently_active_leave_and_newcomers_are_listed_at_once() -> None:
    shop = of()
    shop.put(*map(record, range(MOST)))
    shop.tell(Event("u", f"i{at}", time=START - at) for at in (3, 0, 5))  # late by the clock
    shop.put({**record(1), "title": "another title"})
    shop.tell([Event("v", "i2", capped=True)])  # beyond the caps: no act of the crowd's
    assert shop.model.items_left == 0
    shop.tell([Event("v", "new", time=START + 60)])
    assert known(shop) == {f"i{at}" for at in range(MOST) if at not in (2, 4)} | {"new"}
    assert shop.model.items_left == 2
    assert shop.model.row_of(shop.model.key_of("i2")) == -1
    assert not shop.model.is_listed(shop.model.key_of("i4"))
    assert shop.model.similar("i4", 5) == []
    assert "new" in shop.listed("w", 20)
    assert names(shop.model, shop.model.trending(1)) == ["new"]
    assert shop.model.document(shop.model.row_of(shop.model.key_of("i1"))) == {
        **record(1), "title": "another title"
    }  # fmt: skip
    assert shop.listed("w", 20, filters=Filters(category="kind 1")) != []


def test_what_comes_back_is_a_new_item() -> None:
    shop = of()
    shop.put(*map(record, range(MOST)))
    shop.put({**record(0), "available": False})
    shop.tell(Event("u", f"i{at}") for at in range(1, MOST))
    shop.tell(Event("v", f"n{at}", time=START + at) for at in range(4))
    assert "i0" not in known(shop)
    shop.tell([Event("v", "i0", time=START + 9)])
    row = shop.model.row_of(shop.model.key_of("i0"))
    assert shop.model.document(row) is None
    assert shop.model.arena["popularity.total"][row] == 1.0
    assert "i0" not in shop.listed("w", 20, filters=Filters(category="kind 0"))
    assert "i0" in shop.listed("w", 20)


def test_memory_that_was_got_ahead_is_used_and_changes_nothing() -> None:
    plain, ahead = of(sparse=True), of(sparse=True)
    parts: list[float] = []
    for shop in (plain, ahead):
        shop.put(*map(record, range(MOST)))
        shop.tell(turnover(40))
    for at in range(3):
        ahead.model.prepare_leaving(parts.append)
        assert ahead.model.arena.prepared and not plain.model.arena.prepared
        made = dict(ahead.model.arena._spare)
        left = ahead.model.items_left
        for n in range(4):
            if ahead.model.items_left == left:
                for shop in (plain, ahead):
                    shop.tell([Event("v", f"n{at} {n}", time=START + 9_000 + at)])
        assert ahead.model.items_left > left
        assert all(ahead.model.arena[name] is array for name, array in made.items())
        assert ahead.model.digest() == plain.model.digest()
    assert len(parts) >= 3 * len(made) > 0
    assert not ahead.model.arena.prepared


def test_memory_for_tables_that_have_grown_since_is_given_back() -> None:
    shop = Shop(LearningSettings(max_items=100))
    shop.put(*map(record, range(60)))
    shop.model.prepare_leaving(lambda _: None)
    shop.put(*map(record, range(60, 70)))
    assert not shop.model.arena.prepared

    def grow(_: float) -> None:
        shop.model.arena.reserve("items", 200)

    shop.model.prepare_leaving(grow)
    assert not shop.model.arena.prepared


CHANGES: dict[str, Callable[[], Shop]] = {
    "dense": of,
    "sparse": lambda: of(sparse=True),
    "factors": lambda: of(sources=Sources(factors=True)),
    "guests": lambda: of(
        river={"judge": River(path="linear_model.LogisticRegression", role="source")}
    ),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_cuts_and_snapshots_do_not_show(kind: str) -> None:
    whole, cut = CHANGES[kind](), CHANGES[kind]()
    for shop in (whole, cut):
        shop.put(*map(record, range(5)))
    events = list(turnover(70 if kind == "guests" else 140))
    examples, ids = whole.examples(events)
    whole.model.learn(examples, ids, TYPES)
    step = 35 if kind == "guests" else 7
    for begin in range(0, len(ids), step):
        end = begin + step
        cut.model.learn(part_of(examples, begin, end), ids[begin:end], TYPES)
        tables, objects = cut.model.dump()
        cut.model = Model(LearningSettings())
        cut.model.load(tables, objects)
    assert whole.model.items_left >= 3 * (MOST // 8)
    assert cut.model.digest() == whole.model.digest()
    for shop in (whole, cut):
        shop.put(*map(record, range(100, 110)))
    assert cut.model.digest() == whole.model.digest()
    if kind != "guests":  # readers ask a copy of a guest, which may be older
        assert cut.model.recommend(nobody(20)) == whole.model.recommend(nobody(20))
    assert len(known(whole)) == whole.model.items <= MOST


@pytest.mark.parametrize("sparse", [False, True])
def test_what_is_known_of_those_who_stay_stays_theirs(sparse: bool) -> None:
    shop = of(sparse)
    shop.put(*map(record, range(MOST)))
    shop.tell(crowd(400, items=MOST))
    before = facts(shop.model)
    shop.put({"item_id": "new"})
    after = facts(shop.model)
    assert len(after) == MOST - 1
    for item, told in after.items():
        if item != "new":
            pairs = {other: w for other, w in before[item][1].items() if other in after}
            assert told == (before[item][0], pairs)


def facts(model: Model) -> dict[str, tuple[object, dict[str, list[float]]]]:
    """By id: an item's columns, and what it weighs with each other item at all horizons."""
    names_, s = [model.id_of(row) for row in range(model.items)], model.reader.state
    columns = [
        "items.born", "popularity.fast", "popularity.last", "embeddings.inward", "content.vectors",
        "impressions.shown", "quality.events", "quality.category", "cooccurrence.slow.count",
    ]  # fmt: skip
    told: dict[str, tuple[object, dict[str, list[float]]]] = {}
    for row, name in enumerate(names_):
        own = [model.arena[column][row].tolist() for column in columns]
        own += [model.arena["popularity.stage"][:, row].tolist(), model.document(row)]
        weights = {
            other: [cooccurrence.between(getattr(s, h), row, at) for h in HORIZONS]
            for at, other in enumerate(names_)
        }
        told[name] = own, {other: w for other, w in weights.items() if any(w)}
    return told


def test_sparse_rows_close_up_where_a_partner_has_left() -> None:
    shop = of(sparse=True)
    shop.put(*map(record, range(MOST)))
    shop.tell(Event("u", f"i{at}") for at in (0, 1, 5, 6, 7))
    shop.put(*map(record, (*range(2, MOST), 1)), {"item_id": "new"})
    model = shop.model
    assert model.row_of(model.key_of("i0")) == -1
    partners = model.arena["cooccurrence.slow.partner"][model.row_of(model.key_of("i7"))]
    used = partners[partners > 0]
    assert partners[: len(used)].tolist() == used.tolist()
    assert {model.id_of(row - 1) for row in used.tolist()} == {"i1", "i5", "i6"}


def test_sums_over_all_items_are_over_those_that_are_known() -> None:
    shop = of(sources=Sources(factors=True))
    shop.tell(turnover(200))
    model, items = shop.model, shop.model.items
    assert model.items_left > MOST
    vectors = model.arena["factors.vectors"][:items].astype(np.float64)
    expected = np.triu(vectors.T @ vectors)
    assert np.allclose(np.triu(model.arena["factors.items"]), expected, atol=1e-3)
    counts, events = model.arena["quality.counts"], model.arena["quality.events"][:items]
    assert counts[EVENTS] == events.sum()
    assert counts[ITEMS] == np.count_nonzero(events)


def test_a_lower_bound_lets_items_leave_at_once() -> None:
    shop = of()
    shop.put(*map(record, range(MOST)))
    shop.model.apply_settings(LearningSettings(max_items=8))
    assert known(shop) == {f"i{at}" for at in range(MOST - 7, MOST)}
    shop.tell([Event("u", "one"), Event("u", "two", time=START + 1)])
    assert shop.model.items <= 8
    assert {"one", "two"} <= known(shop)


def test_a_bound_of_one_knows_the_newest_item() -> None:
    shop = Shop(LearningSettings(max_items=1))
    shop.tell(Event("u", f"i{at}", time=START + at) for at in range(3))
    assert known(shop) == {"i2"}
    assert shop.listed("v") == ["i2"]


def test_who_reads_on_is_told_what_was_known_before() -> None:
    shop = of()
    shop.put(*map(record, range(MOST)))
    shop.tell(crowd(200, items=MOST))
    reader, asked = shop.model.reader, shop.asked("u1", 20, explain=True)
    before = reader.recommend(asked), names(reader, reader.similar("i3", 5), reader.trending(9))
    told = [reader.id_of(row) for row in range(reader.items)]
    shop.put(*({"item_id": f"new {at}"} for at in range(3)))
    assert shop.model.items_left == 4
    after = reader.recommend(asked), names(reader, reader.similar("i3", 5), reader.trending(9))
    assert after == before
    assert [reader.id_of(row) for row in range(reader.items)] == told


def test_readers_beside_many_leavings_never_get_another_items_name() -> None:
    """An item's number tells its category and price: what a list says must fit together."""
    shop, stop = of(), threading.Event()
    wrong: list[object] = []
    lists = [0]
    shop.put(*map(record, range(MOST)))
    model = shop.model
    filters = Filters(category="kind 1", price_min=1.0)

    def read() -> None:
        while not stop.is_set():
            reader = model.reader
            asked = nobody(MOST, filters)
            for listed in (reader.recommend(asked), reader.trending(MOST, asked)):
                lists[0] += 1
                for place in listed:
                    name, told = reader.id_of(place.row), reader.document(place.row)
                    if int(name[1:]) % KINDS != 1 or told != record(int(name[1:])):
                        wrong.append((name, told))

    def guarded() -> None:
        try:
            read()
        except Exception as error:  # noqa: BLE001 - told below
            wrong.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(2)]
    for thread in threads:
        thread.start()
    number = MOST
    while model.items_left < 600 or (lists[0] < 200 and number < 50_000):
        shop.put(record(number))
        number += 1
    stop.set()
    for thread in threads:
        thread.join()
    assert lists[0] >= 200
    assert not wrong, f"{len(wrong)} places, such as {wrong[0]!r}"
