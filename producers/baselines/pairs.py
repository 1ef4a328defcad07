"""Symmetric counts of pairs of items: a matrix for small catalogues, sparse rows above."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from producers.baselines.baseline import Scores

# A matrix of this many items is 64 MB; above, most pairs were never seen together anyway.
_DENSE: Final = 4_096
_FIRST_ROOM: Final = 256
_FIRST_SLOTS: Final = 8


class _Row:
    """The partners of one item, in order of their first meeting."""

    __slots__ = ("counts", "partners", "slots")

    def __init__(self) -> None:
        self.slots: dict[int, int] = {}
        self.partners = np.zeros(_FIRST_SLOTS, np.int64)
        self.counts = np.zeros(_FIRST_SLOTS, np.float32)

    def add(self, partner: int, count: float = 1.0) -> None:
        slot = self.slots.setdefault(partner, len(self.slots))
        if slot == len(self.partners):
            self.partners = np.concatenate([self.partners, np.zeros_like(self.partners)])
            self.counts = np.concatenate([self.counts, np.zeros_like(self.counts)])
        self.partners[slot] = partner
        self.counts[slot] += count


class Pairs:
    """How many users took both items of a pair.

    >>> pairs = Pairs()
    >>> pairs.add(2, [0, 1]); pairs.add(2, [0])
    >>> pairs.weighted([2], np.ones(1, np.float32), 3).tolist()
    [2.0, 1.0, 0.0]
    """

    def __init__(self, dense: int = _DENSE) -> None:
        self._dense = dense
        self._matrix: NDArray[np.float32] | None = np.zeros((_FIRST_ROOM, _FIRST_ROOM), np.float32)
        self._rows: list[_Row] = []

    def add(self, item: int, others: Sequence[int]) -> None:
        """Count the pairs of `item` with each of `others`, which must be distinct."""
        if self._matrix is not None:
            self._make_room(max([item, *others]) + 1)
        if self._matrix is not None:
            self._matrix[item, others] += 1
            self._matrix[others, item] += 1
            return
        mine = self._row(item)
        for other in others:
            mine.add(other)
            self._row(other).add(item)

    def weighted(self, items: Sequence[int], weights: NDArray[np.float32], n: int) -> Scores:
        """Sum of the rows of `items`, each times its weight: float32[n]."""
        total = np.zeros(n, np.float32)
        if self._matrix is not None:
            rows = np.asarray(items, np.int64)
            # An item nothing was ever taken with may lie beyond the room there is.
            met, known = rows < len(self._matrix), min(n, len(self._matrix))
            total[:known] = weights[met] @ self._matrix[rows[met], :known]
            return total
        for item, weight in zip(items, weights, strict=True):
            row = self._row(item)
            used = len(row.slots)
            total[row.partners[:used]] += weight * row.counts[:used]
        return total

    def _row(self, item: int) -> _Row:
        while len(self._rows) <= item:
            self._rows.append(_Row())
        return self._rows[item]

    def _make_room(self, items: int) -> None:
        matrix = self._matrix
        assert matrix is not None
        if items > self._dense:
            for item, partner in np.argwhere(matrix > 0).tolist():
                self._row(item).add(partner, float(matrix[item, partner]))
            self._matrix = None
        elif items > matrix.shape[0]:
            room = min(max(items, 2 * matrix.shape[0]), self._dense)
            self._matrix = np.zeros((room, room), np.float32)
            self._matrix[: matrix.shape[0], : matrix.shape[0]] = matrix
