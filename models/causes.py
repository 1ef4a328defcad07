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
    shares, pulls = np.zeros((count, HISTORY)), np.empty((count, HISTORY))
    near = np.zeros(cooccurrence.SIEVE, np.uint8)
    for place in range(count):
        w.place[rows[place]] = place + 1
        near[rows[place] & (cooccurrence.SIEVE - 1)] = 1
    for horizon in (s.fast, s.slow, s.forward, s.recent):
        pulling = cooccurrence.lags(horizon, length)
        cooccurrence.spread(
            horizon, w.history, w.ages, w.disliked, pulling, rows, count, w.place, near, pulls
        )
        _add_shares(pulls, count, pulling, shares)
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
def _add_shares(
    pulls: NDArray[np.float64], count: int, length: int, shares: NDArray[np.float64]
) -> None:
    for place in range(count):
        total = 0.0
        for lag in range(length):
            total += pulls[place, lag]
        if total > 0.0:
            for lag in range(length):
                shares[place, lag] += pulls[place, lag] / total


@inner
def _name(
    history: NDArray[np.int32], shares: NDArray[np.float64], length: int,
    causes: NDArray[np.int64],
) -> None:  # fmt: skip
    largest = 0.0
    for place in range(causes.shape[0]):
        best = -1
        for lag in range(length):
            fresh = True
            for before in range(place):
                fresh = fresh and causes[before] != history[lag]
            if fresh and shares[lag] > 0.0 and (best < 0 or shares[lag] > shares[best]):
                best = lag
        if best < 0 or shares[best] < _WORTH_NAMING * largest:
            return
        largest = max(largest, shares[best])
        causes[place] = history[best]
