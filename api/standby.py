"""The last rung: a list that was made while things worked, for when nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw

from api.composing import bare_explanation
from api.wanted import Wanted
from models.facets import ANY, Filters
from models.model import Model

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
_items_of: Final = msgspec.json.Decoder(list[Raw]).decode
_SAID: Final = ("score", "reason", "because")
#: An array of no items.
NOTHING: Final = Raw(b"[]")


class _Item(NamedTuple):
    """As it was sent; `fields` is the same to look into."""

    key: int
    sent: Raw
    fields: dict[str, Any]


class Standby:
    """Items kept with what was known of them."""

    def __init__(self, items: Raw = NOTHING, key_of: Callable[[str], int] = hash) -> None:
        found = [(item, _decode(item)) for item in _items_of(items)]
        self._items = [_Item(key_of(fields["item_id"]), item, fields) for item, fields in found]

    def __len__(self) -> int:
        return len(self._items)

    def pick(self, model: Model, wanted: Wanted) -> Raw:
        """The first `k` that fit and were not taken out of the catalogue since, as an array."""
        items: list[Raw] = []
        filters, plain = wanted.filters, wanted.fields is None and not wanted.explain
        for item in self._items:
            if len(items) == wanted.k:
                break
            if (filters is ANY or _fits(item, filters)) and _is_listed(model, item.key):
                items.append(item.sent if plain else _shaped(item, wanted))
        return Raw(_encode(items))


def _is_listed(model: Model, key: int) -> bool:
    try:
        return model.is_listed(key)
    except Exception:  # noqa: BLE001 - this rung holds when nothing else does
        return True


def _shaped(item: _Item, wanted: Wanted) -> Raw:
    shown = item.fields
    if wanted.fields is not None:
        names = ("item_id", *wanted.fields, *_SAID)
        shown = {name: shown[name] for name in names if name in shown}
    if wanted.explain:
        why = bare_explanation(shown["score"], shown["reason"])
        shown = {**shown, "explanation": why}
    return Raw(_encode(shown))


def _fits(item: _Item, filters: Filters) -> bool:
    """Whether an item passes; it is judged by the fields it was kept with."""
    fields = item.fields
    known = {fields["item_id"], item.key}
    price, stock = fields.get("price"), fields.get("stock")
    low, high = filters.price_min, filters.price_max
    return not (
        (filters.category is not None and filters.category not in fields.get("categories", ()))
        or (filters.include is not None and known.isdisjoint(filters.include))
        or not known.isdisjoint((*filters.exclude, *filters.shown))
        or (filters.in_stock and stock is not None and stock <= 0)
        or (low is not None and (price is None or price < low))
        or (high is not None and (price is None or price > high))
    )
