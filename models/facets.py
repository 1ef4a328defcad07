"""What of the catalogue a request may filter by, kept by row so that no document is read for it.

It follows from the documents, so it is neither hashed nor stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Filters:
    """What may be in a list, items by id or by key. `include`: only these, None: any; `shown`:
    those of earlier pages.

    An item without a price is in no range of prices; one without a stock counts as in stock.
    """

    category: str | None = None
    exclude: Sequence[str | int] = ()
    include: Sequence[str | int] | None = None
    in_stock: bool = False
    price_min: float | None = None
    price_max: float | None = None
    shown: Sequence[str | int] = ()

    @property
    def priced(self) -> bool:
        return self.price_min is not None or self.price_max is not None


ANY = Filters()


class Facets:
    """Categories, prices and stocks of all items; one thread writes, any number read."""

    def __init__(self) -> None:
        self._members: dict[str, set[int]] = {}
        self._rows: dict[str, NDArray[np.int64]] = {}  # of `_members`, made when asked for
        self._price = np.full(64, np.nan)
        self._stock = np.full(64, np.nan)

    def put(self, row: int, item: Mapping[str, Any]) -> None:
        """Note the catalogue's fields of a row that holds none."""
        if row >= self._price.shape[0]:
            size = max(2 * row, 64)
            self._price, self._stock = _longer(self._price, size), _longer(self._stock, size)
        self._price[row] = _number(item.get("price"))
        self._stock[row] = _number(item.get("stock"))
        for category in item.get("categories") or ():
            self._members.setdefault(category, set()).add(row)
            self._rows.pop(category, None)

    def drop(self, row: int, item: Mapping[str, Any]) -> None:
        """Forget what `put` noted of `item`."""
        if row < self._price.shape[0]:
            self._price[row] = self._stock[row] = np.nan
        for category in item.get("categories") or ():
            self._members.get(category, set()).discard(row)
            self._rows.pop(category, None)

    def renumbered(self, stay: NDArray[np.int64], moved: NDArray[np.int32]) -> Facets:
        """Those of the rows `stay` alone; `moved` (int32[items]) has their new rows, else -1."""
        others = Facets()
        noted = stay[stay < self._price.shape[0]]
        others._price, others._stock = self._price[noted], self._stock[noted]
        for category, members in self._members.items():
            rows = moved[np.fromiter(members, np.int64, len(members))]
            if (left := rows[rows >= 0]).size:
                others._members[category] = set(left.tolist())
        return others

    def block(
        self, blocked: NDArray[np.uint8], filters: Filters, row_of: Callable[[str | int], int]
    ) -> NDArray[np.uint8]:
        """`blocked` (uint8[items]) and what the filters leave out; the same array for no filter.

        `row_of` knows the row of an id, or of a key; -1 for none.
        """
        if filters is ANY or filters == ANY:
            return blocked
        blocked = blocked.copy()
        items = blocked.shape[0]
        if filters.category is not None:
            _keep_only(blocked, self._of(filters.category))
        if filters.include is not None:
            _keep_only(blocked, np.array([row_of(i) for i in filters.include], np.int64))
        if filters.in_stock:
            stock = self._stock[:items]
            blocked[: stock.shape[0]][stock <= 0.0] = 1  # NaN: nobody counts it
        if filters.priced:
            self._keep_priced(blocked, filters)
        for one in (*filters.exclude, *filters.shown):
            row = row_of(one)
            if 0 <= row < items:
                blocked[row] = 1
        return blocked

    def _keep_priced(self, blocked: NDArray[np.uint8], filters: Filters) -> None:
        price = self._price[: blocked.shape[0]]
        low = -np.inf if filters.price_min is None else filters.price_min
        high = np.inf if filters.price_max is None else filters.price_max
        fits = (price >= low) & (price <= high)
        blocked[: price.shape[0]][~fits] = 1
        blocked[price.shape[0] :] = 1

    def _of(self, category: str) -> NDArray[np.int64]:
        rows = self._rows.get(category)
        if rows is None:
            rows = np.array(list(self._members.get(category, ())), np.int64)
            if len(rows):  # of names that nobody uses, nothing is kept
                self._rows[category] = rows
        return rows


def _keep_only(blocked: NDArray[np.uint8], rows: NDArray[np.int64]) -> None:
    others = np.ones(blocked.shape[0], bool)
    others[rows[(rows >= 0) & (rows < blocked.shape[0])]] = False
    blocked[others] = 1


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _longer(column: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    longer = np.full(size, np.nan)
    longer[: column.shape[0]] = column
    return longer
