"""Tables grow, and the dense matrices become sparse rows: at one place of the log."""

from __future__ import annotations

import numpy as np
import pytest

from models.cooccurrence import DENSE_ITEMS
from models.errors import StateMismatch
from models.model import Model
from models.partners import SLOTS
from models.state import HORIZONS
from models.tables import FIRST_CAPACITY
from tests.unit.models.shops import START, TYPES, Event, Shop, crowd, part_of

EDGE = 24


def test_growing_past_capacity_loses_nothing() -> None:
    shop = Shop()
    shop.tell(Event("u", f"i{at}", time=START + at) for at in range(3 * FIRST_CAPACITY))
    model = shop.model
    assert model.items == 3 * FIRST_CAPACITY
    for at in (0, FIRST_CAPACITY - 1, FIRST_CAPACITY, 3 * FIRST_CAPACITY - 1):
        assert model.id_of(model.row_of(model.key_of(f"i{at}"))) == f"i{at}"
    assert model.arena["popularity.total"][: model.items].tolist() == [1.0] * model.items
    assert shop.names(model.similar("i0", 1)) == ["i1"]


def test_a_lent_dump_is_the_whole_state_until_the_next_one() -> None:
    shop = Shop()
    shop.tell(crowd(50))
    shop.model.arena.prepare_lending(lambda _: None)
    first, _ = shop.model.dump(lent=True)
    before = shop.model.dump()
    # What is learned meanwhile, tables that grow with it, is not in what was lent.
    shop.tell(Event("u", f"n{at}", time=START + 9_000 + at) for at in range(2 * FIRST_CAPACITY))
    assert list(first) == list(before[0])
    assert all(np.array_equal(first[name], table) for name, table in before[0].items())
    second, objects = shop.model.dump(lent=True)
    again = continued((second, objects))
    assert again.model.digest() == shop.model.digest()


@pytest.fixture(scope="module")
def nearly_full() -> tuple[dict[str, np.ndarray], dict[str, bytes]]:
    """A dump of a shop with room for `EDGE` more items before the matrices are full."""
    shop = Shop()
    shop.tell(crowd(50))
    for at in range(DENSE_ITEMS - EDGE - shop.model.items):
        shop.model.put_item({"item_id": f"new {at}"})
    return shop.model.dump()


def continued(dump: tuple[dict[str, np.ndarray], dict[str, bytes]]) -> Shop:
    shop = Shop()
    shop.model.load(*dump)
    return shop


def is_sparse(model: Model) -> bool:
    tables, _ = model.dump()
    dense, slots = tables["cooccurrence.fast.dense"], tables["cooccurrence.fast.partner"]
    assert (dense.size == 0) != (slots.size == 0)
    return dense.size == 0


def test_the_switch_to_sparse_rows_is_at_one_place_of_the_log(
    nearly_full: tuple[dict[str, np.ndarray], dict[str, bytes]],
) -> None:
    whole = continued(nearly_full)
    events = [
        Event(f"u{at % 3}", f"more {at}" if at % 2 else f"i{at % 11}", time=START + 9000 + at)
        for at in range(3 * EDGE)
    ]
    examples, ids = whole.examples(events)
    whole.model.learn(examples, ids, TYPES)
    assert whole.model.items > DENSE_ITEMS
    assert is_sparse(whole.model)
    other = continued(nearly_full).model
    for begin in range(0, 3 * EDGE, 7):
        assert is_sparse(other) == (other.items > DENSE_ITEMS)
        other.learn(part_of(examples, begin, begin + 7), ids[begin : begin + 7], TYPES)
    assert other.digest() == whole.model.digest()
    loaded = Shop().model
    loaded.load(*whole.model.dump())
    assert is_sparse(loaded)
    more = Shop().examples(crowd(30, seed=6))
    for model in (loaded, whole.model):
        model.learn(*more, TYPES)
    assert loaded.digest() == whole.model.digest()


def test_sparse_rows_keep_what_was_learned(
    nearly_full: tuple[dict[str, np.ndarray], dict[str, bytes]],
) -> None:
    shop = continued(nearly_full)
    before = shop.names(shop.model.similar("i3", 5))
    assert before
    shop.model.dump(lent=True)
    dense = shop.model.arena.nbytes()
    for at in range(EDGE + 1):
        shop.model.put_item({"item_id": f"another {at}"})
    assert is_sparse(shop.model)
    freed = 2 * len(HORIZONS) * 4 * (DENSE_ITEMS - EDGE) ** 2
    assert dense - shop.model.arena.nbytes() > freed / 2, "the matrices and their copies are gone"
    assert shop.names(shop.model.similar("i3", 5)) == before
    shop.model.put_item({"item_id": "one more"})
    shop.tell([Event("n", "i3"), Event("n", "one more", time=START + 1)])
    assert "one more" in shop.names(shop.model.similar("i3", SLOTS))


def test_a_dump_of_other_tables_is_refused(busy: Shop) -> None:
    tables, objects = busy.model.dump()
    del tables["ranker.weights"]
    with pytest.raises(StateMismatch, match=r"ranker\.weights"):
        Shop().model.load(tables, objects)
