"""What a baseline is, and how its scores become a list."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from producers.baselines.ledger import Ledger

Scores = NDArray[np.float32]


class Baseline(ABC):
    """Scores items for a user, then learns what the user took.

    `score` is asked before the event is known: it gets a user and nothing of what comes.
    """

    #: As it is named after `--against`.
    name: str
    #: Seconds spent on refitting, and how often; None where every event is learned at once.
    refit_s: float | None = None
    refits: int | None = None

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    @abstractmethod
    def score(self, user: int) -> Scores | None:
        """Scores of all items so far, float32[items], above zero where there is a reason for
        the item; None for a user nothing is known of. Popularity fills up what is left."""

    def rate(self, user: int, item: int | None) -> float | None:
        """The rating this user would give, None where the baseline foretells none."""
        return None

    @abstractmethod
    def learn(self, user: int, item: int, value: float | None) -> None:
        """Learn one event; the ledger does not hold it yet. `value` is a rating or None."""


def best(scores: Scores | None, popular: Scores, without: Sequence[int], k: int) -> list[int]:
    """The k best rows, less `without`: by score, then by popularity, ties by row.

    >>> best(np.array([0, 2, 0], np.float32), np.array([5, 1, 9], np.float32), [], 3)
    [1, 2, 0]
    """
    n = popular.shape[0]
    if n == 0:
        return []
    # Popularity in (-1, 0], below whatever a baseline has a reason for.
    filling = popular / np.float32(popular.max() + 1) - 1
    if scores is None:
        total = filling
    else:
        total = np.where(np.isfinite(scores) & (scores > 0), scores, filling)
    total[list(without)] = -np.inf
    k = min(k, n)
    # argpartition breaks ties at the edge as it likes: take all that reach the k-th, then sort.
    edge = np.partition(total, n - k)[n - k]
    rows = np.flatnonzero(total >= edge)
    order = rows[np.argsort(-total[rows], kind="stable")][:k]
    return [int(row) for row in order if total[row] > -np.inf]
