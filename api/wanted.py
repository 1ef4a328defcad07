"""What a request for a list asks for: its options, from a query or a body, checked in one place."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from api.errors import Refused
from api.query import EXCLUDED, Flag, Name, Number, Param, Real, Words
from models.facets import ANY, Filters
from stream.errors import InvalidEvent
from stream.events import Item, check_id, decode

#: Fields of the catalogue that an answer may carry.
FIELDS: Final = tuple(
    name for name in Item.__struct_fields__ if name not in ("item_id", "available", "deleted")
)
_DEAREST: Final = 1e9

FILTERS: Final[tuple[Param, ...]] = (
    Name("category", says="Only items of this category."),
    Name("include", repeated=True, says="Only this item, and others that are given so."),
    Name("exclude", repeated=True, says="An item that must not be in the list."),
    Flag("in_stock", says="Only items whose stock is above 0 or not counted."),
    Real("price_min", 0.0, _DEAREST, says="Only items with a price, of at least this."),
    Real("price_max", 0.0, _DEAREST, says="Only items with a price, of at most this."),
)
SHAPE: Final[tuple[Param, ...]] = (
    Words("fields", FIELDS, says="Fields of the catalogue to answer with; all if left out."),
    Real("diversity", 0.0, 1.0, 0.0, says="0: by score alone; towards 1, less of the same."),
)
EXPLAIN: Final = Flag("explain", says="Tell of every item what its score is made of.")
CONSENT: Final = Flag("consent", True, "false: nothing of this request is kept or tried out.")
K: Final = Number("k", 1, 100, 10, "How many items at most.")


class Options(Struct, kw_only=True):
    """The options as they are sent in a body; a query has the same names."""

    k: int = 10
    category: str | None = None
    include: Sequence[str] | None = None
    exclude: Sequence[str] = ()
    in_stock: bool = False
    price_min: float | None = None
    price_max: float | None = None
    fields: Sequence[str] | None = None
    diversity: float = 0.0
    explain: bool = False
    consent: bool = True
    next: str | None = None


#: Names of the options.
OPTIONS: Final = Options.__struct_fields__
_options = msgspec.json.Decoder(Options)


class Wanted(Struct, frozen=True):
    """How many, of what, and how; with `draw`, a new item may be drawn into the list.

    `fields`: the catalogue's fields to answer with, None: all there are. `user_id` is for models
    that know users by name.
    """

    k: int = 10
    filters: Filters = ANY
    fields: tuple[str, ...] | None = None
    diversity: float = 0.0
    explain: bool = False
    draw: str | None = None
    user_id: str = ""


def options_of_query(query: dict[str, Any]) -> Options:
    """The options among the values of a query."""
    given = {name: query[name] for name in OPTIONS if name in query}
    given["include"] = given["include"] or None
    return Options(**given)


def options_of_body(fields: dict[str, Raw]) -> Options:
    """The options among the fields of a body. Raises InvalidEvent."""
    given = {name: raw for name, raw in fields.items() if name in OPTIONS}
    options: Options = decode(_options, msgspec.json.encode(given))
    for name in ("include", "exclude"):
        ids = getattr(options, name)
        if len(ids or ()) > EXCLUDED:
            raise InvalidEvent(name, f"must have at most {EXCLUDED} entries")
        for at, item_id in enumerate(ids or ()):
            check_id(f"{name}.{at}", item_id)
    if options.category is not None:
        check_id("category", options.category)
    for at, name in enumerate(options.fields or ()):
        if name not in FIELDS:
            raise InvalidEvent(f"fields.{at}", f"must be one of {', '.join(FIELDS)}")
    _check_ranges(options)
    return options


def _check_ranges(options: Options) -> None:
    if not 1 <= options.k <= 100:
        raise InvalidEvent("k", "must be a whole number from 1 to 100")
    if not 0.0 <= options.diversity <= 1.0:
        raise InvalidEvent("diversity", "must be a number from 0 to 1")
    for name in ("price_min", "price_max"):
        price = getattr(options, name)
        if price is not None and not (math.isfinite(price) and 0.0 <= price <= _DEAREST):
            raise InvalidEvent(name, f"must be a number from 0 to {_DEAREST:g}")


def wanted_of(options: Options, key_of: Callable[[str], int]) -> Wanted:
    """What the options ask for; ids become keys. Raises Refused for what contradicts itself."""
    low, high = options.price_min, options.price_max
    if low is not None and high is not None and low > high:
        raise Refused(422, "price_min must not be above price_max", "price_min")
    if options.include is not None and not options.include:
        raise Refused(422, "include must name an item, or be left out", "include")
    unfiltered = (
        options.category is None and options.include is None and not options.exclude
        and not options.in_stock and low is None and high is None
    )  # fmt: skip
    filters = ANY if unfiltered else Filters(
        options.category, tuple(map(key_of, options.exclude)),
        None if options.include is None else tuple(map(key_of, options.include)),
        options.in_stock, low, high,
    )  # fmt: skip
    fields = None if options.fields is None else tuple(options.fields)
    return Wanted(options.k, filters, fields, options.diversity, options.explain)
