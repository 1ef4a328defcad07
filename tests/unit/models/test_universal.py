"""What must hold for every source and estimator, whatever it learns."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.answers import nobody
from models.examples import Examples
from models.facets import Filters
from models.model import Model
from models.settings import LearningSettings
from tests.unit.models.shops import START, TYPES, Event, Shop, catalogue, crowd, part_of

#: Beginnings of the table names of each source and estimator.
PARTS = [
    "popularity", "cooccurrence.fast", "cooccurrence.slow", "cooccurrence.forward",
    "cooccurrence.recent", "embeddings", "content", "ranker", "ratings",
]  # fmt: skip


def state_of(model: Model, part: str) -> dict[str, bytes]:
    """The bytes of a part's tables; the rating model's is its own digest."""
    if part == "ratings":
        return {"ratings": model.ratings.digest()}
    tables, _ = model.dump()
    return {name: a.tobytes() for name, a in tables.items() if name.startswith(part + ".")}


READS: dict[str, Callable[[Shop], object]] = {
    "recommend": lambda shop: shop.listed("u1"),
    "recommend to nobody": lambda shop: shop.model.recommend(nobody(5, Filters("kind 1", ["i5"]))),
    "similar": lambda shop: shop.model.similar("i3", 10),
    "trending": lambda shop: shop.model.trending(10, shop.asked("u1")),
    "embedding": lambda shop: shop.model.embedding(shop.asked("u1")),
    "rating": lambda shop: shop.model.rating("somebody new", "i3"),
    "a rating known": lambda shop: shop.model.rating("u1", "i3"),
    "document": lambda shop: shop.model.document(0),
    "dump": lambda shop: shop.model.dump(),
}


@pytest.mark.parametrize("read", READS)
def test_reading_writes_nothing_and_repeats(busy: Shop, read: str) -> None:
    before = busy.model.digest()
    first, again = READS[read](busy), READS[read](busy)
    assert busy.model.digest() == before
    assert str(first) == str(again)


@pytest.mark.parametrize("part", PARTS)
def test_learning_changes_every_part(part: str) -> None:
    shop = Shop()
    shop.put(*catalogue(40))
    before = state_of(shop.model, part)
    shop.put({"item_id": "new", "title": "A new thing"})
    shop.tell(crowd(60))
    assert state_of(shop.model, part) != before


def test_inputs_are_neither_changed_nor_kept(busy: Shop) -> None:
    examples, ids = busy.examples(crowd(40, seed=8))
    columns: list[np.ndarray] = [*examples[:-1], *examples.past]
    copies = [column.copy() for column in columns]
    busy.model.learn(examples, ids, TYPES)
    asked = busy.asked("u1")
    busy.model.recommend(asked)
    for column, copy in zip(columns, copies, strict=True):
        assert column.tobytes() == copy.tobytes()
    before = busy.model.digest()
    for column in columns:
        column.fill(0)
    assert busy.model.digest() == before


@pytest.mark.parametrize("part", PARTS)
def test_seeded_runs_repeat(part: str) -> None:
    first, again = Shop(seed=5), Shop(seed=5)
    for shop in (first, again):
        shop.put(*catalogue())
        shop.tell(crowd(120))
    assert state_of(first.model, part) == state_of(again.model, part)
    assert first.listed("u1") == again.listed("u1")


def test_another_seed_is_another_state() -> None:
    assert Shop(seed=1).model.digest() != Shop(seed=2).model.digest()


def test_a_loaded_dump_is_the_same_and_goes_on_the_same(busy: Shop) -> None:
    tables, objects = busy.model.dump()
    other = Shop(LearningSettings(repeats=True))
    other.model.load(tables, objects)
    assert other.model.digest() == busy.model.digest()
    asked = busy.asked("u1")
    assert other.model.recommend(asked) == busy.model.recommend(asked)
    someone = nobody(5, Filters(category="kind 1"))
    assert other.model.recommend(someone) == busy.model.recommend(someone)
    examples, ids = busy.examples(crowd(61, items=60, seed=9))
    for model in (busy.model, other.model):
        model.learn(examples, ids, TYPES)
        model.put_item({"item_id": "i3", "title": "Another name"})
    assert other.model.digest() == busy.model.digest()


def test_default_settings_are_the_same_bytes_after_a_snapshot() -> None:
    written = msgspec.json.encode(LearningSettings())
    assert msgspec.json.encode(msgspec.json.decode(written, type=LearningSettings)) == written


def test_a_dump_is_a_copy(busy: Shop) -> None:
    tables, objects = busy.model.dump()
    before = {name: array.tobytes() for name, array in tables.items()}
    digest = busy.model.digest()
    busy.tell(crowd(20, seed=4))
    assert {name: array.tobytes() for name, array in tables.items()} == before
    busy.model.load(tables, objects)
    assert busy.model.digest() == digest


def learned_whole(log: int) -> tuple[Shop, Examples, list[str]]:
    shop = Shop()
    shop.put(*catalogue(20))
    examples, ids = shop.examples(crowd(log, items=100))
    return shop, examples, ids


def learned_in(examples: Examples, ids: list[str], cuts: list[int]) -> Model:
    model = Shop().model
    for item in catalogue(20):
        model.put_item(item)
    for begin, end in zip([0, *cuts], [*cuts, len(ids)], strict=True):
        model.learn(part_of(examples, begin, end), ids[begin:end], TYPES)
    return model


@pytest.mark.parametrize("size", [1, 7, 256])
def test_the_cut_into_batches_does_not_matter(size: int) -> None:
    shop, examples, ids = learned_whole(300)
    shop.model.learn(examples, ids, TYPES)
    model = learned_in(examples, ids, list(range(size, 300, size)))
    assert model.digest() == shop.model.digest()
    assert [model.id_of(row) for row in range(model.items)] == [
        shop.model.id_of(row) for row in range(model.items)
    ]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 99), unique=True).map(sorted), st.booleans())
def test_no_cut_and_no_read_between_batches_matters(cuts: list[int], read: bool) -> None:
    shop, examples, ids = learned_whole(100)
    shop.model.learn(examples, ids, TYPES)
    model = Shop().model
    for item in catalogue(20):
        model.put_item(item)
    for begin, end in zip([0, *cuts], [*cuts, 100], strict=True):
        model.learn(part_of(examples, begin, end), ids[begin:end], TYPES)
        if read:
            model.recommend(nobody(5))
            model.rating("u1", "i1")
    assert model.digest() == shop.model.digest()


EXTREMES = [0.0, -1e300, 1e300, math.nan, math.inf, -math.inf, 5e-324]


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]), st.sampled_from(["x", "y", "z"]), st.sampled_from(TYPES),
            st.sampled_from(EXTREMES), st.sampled_from([0.0, START, 4e9, -2e9]),
        ),
        min_size=1, max_size=40,
    )
)  # fmt: skip
def test_nothing_that_is_learned_makes_a_number_that_is_none(
    rows: list[tuple[str, str, str, float, float]],
) -> None:
    shop = Shop()
    shop.put(*catalogue(4))
    shop.tell(Event(*row) for row in rows)
    assert_finite(shop)


def test_extreme_weights_and_long_repetition_stay_finite() -> None:
    base = LearningSettings()
    heavy = {name: type(t)(weight=100.0) for name, t in base.events.items()}
    shop = Shop(LearningSettings(events=heavy, repeats=True))
    shop.tell(Event(f"u{at % 3}", f"i{at % 5}", time=START + at * 1e6) for at in range(400))
    assert_finite(shop)


def assert_finite(shop: Shop) -> None:
    tables, _ = shop.model.dump()
    for name, array in tables.items():
        if array.dtype.kind == "f":
            assert np.isfinite(array).all(), name
    for place in shop.model.recommend(shop.asked("a")):
        assert math.isfinite(place.score)
    assert math.isfinite(shop.model.rating("a", "x"))
    assert np.isfinite(shop.model.embedding(shop.asked("a"))).all()


@pytest.mark.parametrize("part", ["used", "clock", "items", *PARTS[:-1]])
def test_changing_any_element_of_any_table_changes_the_digest(busy: Shop, part: str) -> None:
    digest = busy.model.arena.digest()
    tables = {n: a for n, a in busy.model.arena.content() if n == part or n.startswith(part + ".")}
    assert tables
    for name, table in tables.items():
        if name.endswith((".bytes", ".lengths")):
            continue
        for at in some_places(table.shape):
            before = table[at].copy()
            table.view(f"u{table.itemsize}")[at] ^= 1
            assert busy.model.arena.digest() != digest, (name, at)
            table[at] = before
    assert busy.model.arena.digest() == digest


def some_places(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """First, last, and a few places between them; every place of a small table."""
    size = math.prod(shape)
    flat = range(size) if size <= 8 else [0, size - 1, *range(size // 5, size - 1, size // 5)]
    return [tuple(int(x) for x in np.unravel_index(at, shape)) for at in flat]


@pytest.mark.parametrize("blob", ["items.id", "items.document"])
def test_changing_any_byte_string_changes_the_digest(busy: Shop, blob: str) -> None:
    digest, blobs = busy.model.digest(), busy.model.arena.add_blobs(blob)
    for at, before in enumerate(blobs):
        blobs[at] = before + b" "
        assert busy.model.digest() != digest
        blobs[at] = before
    blobs[0], blobs[1] = blobs[0][:-1], blobs[0][-1:] + blobs[1]  # the same bytes, cut elsewhere
    assert busy.model.digest() != digest
