"""Why items are in a list: the history items that pull most on each."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models import cooccurrence
from models.compiled import inner
from models.examples import HISTORY
from models.state import Scratch, State
from models.vectors import dot

#: History items named as the cause of a recommendation, at most.
CAUSES: Final = 2
# A cause with less than this share of the largest is not worth naming.
_WORTH_NAMING: Final = 0.5


@inner
def find_causes(
    s: State, w: Scratch, rows: NDArray[np.int64], count: int, length: int,
    causes: NDArray[np.int64],
) -> None:  # fmt: skip
    """Write the causes (int64[count, CAUSES], rows, -1 = none) of the first `count` rows.

    By co-occurrence; what nobody has touched, by content.
    """
    shares, near = np.zeros((count, HISTORY)), np.zeros(cooccurrence.SIEVE, np.uint8)
    room = count * length
    pulls = cooccurrence.Pulls(
        np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.float64)
    )
    for place in range(count):
        w.place[rows[place]] = place + 1
        near[(rows[place] + 1) & (cooccurrence.SIEVE - 1)] = 1
    for horizon in (s.fast, s.slow, s.forward, s.recent):
        n = cooccurrence.spread(
            horizon, w.history, w.ages, w.disliked, length, rows, count, w.place, near, pulls
        )
        _add_shares(pulls, n, count, shares)
    for place in range(count):
        row = rows[place]
        w.place[row] = 0
        if s.popularity.total[row] == 0.0:
            vectors = s.content.vectors
            for lag in range(length):
                if w.history[lag] >= 0 and not w.disliked[lag]:
                    like = dot(vectors[w.history[lag]], vectors[row], vectors.shape[1])
                    shares[place, lag] += max(like, 0.0)
        _name(w.history, shares[place], length, causes[place])


@inner
def _add_shares(pulls: cooccurrence.Pulls, n: int, count: int, shares: NDArray[np.float64]) -> None:
    """Every row's pulls of one horizon add up to 1."""
    totals = np.zeros(count)
    for at in range(n):
        totals[pulls.row[at]] += pulls.weight[at]
    for at in range(n):
        row = pulls.row[at]
        shares[row, pulls.lag[at]] += pulls.weight[at] / totals[row]


@inner
def _name(
    history: NDArray[np.int32], shares: NDArray[np.float64], length: int,
    causes: NDArray[np.int64],
) -> None:  # fmt: skip
    largest = 0.0
    for place in range(causes.shape[0]):
        best, most = -1, 0.0
        for lag in range(length):
            if shares[lag] > most:
                fresh = True
                for before in range(place):
                    fresh = fresh and causes[before] != history[lag]
                if fresh:
                    best, most = lag, shares[lag]
        if best < 0 or most < _WORTH_NAMING * largest:
            return
        largest = max(largest, most)
        causes[place] = history[best]
