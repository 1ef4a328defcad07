"""What the ranker sees of a candidate: three features a source, and a few of the item itself."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

SOURCES: Final = (
    "popular_fast", "popular_slow", "fast", "slow", "forward", "embeddings", "content",
)  # fmt: skip
PER_SOURCE: Final = ("score", "log", "rank")
ITEM: Final = ("popularity", "age", "rest", "own")
#: What is the same for all candidates of a list: it bends the blend, by the hidden layer.
CONTEXT: Final = ("history", "away", "nobody")

#: Names of the ranker's features, in their order.
NAMES: Final = tuple(f"{s}.{f}" for s in SOURCES for f in PER_SOURCE) + ITEM

_SOURCE_COUNT: Final = len(SOURCES)
# A candidate that a source does not list counts as ranked here in it.
_UNLISTED: Final = 100.0
# Score below which the log stops falling.
_FLOOR: Final = 1e-4


@njit(cache=True, nogil=True)
def of_source(score: float, rank: int, out: NDArray[np.float32], source: int) -> None:
    """Write the features of one source: its score (best = 1), its log, and log of its rank."""
    place = _UNLISTED if rank < 0 else float(rank)
    out[3 * source] = score
    out[3 * source + 1] = math.log(max(score, _FLOOR)) / -math.log(_FLOOR) + 1.0
    out[3 * source + 2] = 1.0 - math.log1p(place) / math.log1p(_UNLISTED)


@njit(cache=True, nogil=True)
def of_item(
    total: float, age_s: float, rest_s: float, own: float, out: NDArray[np.float32]
) -> None:
    """Write the item's: popularity, seconds known, seconds since its last event, own history."""
    at = 3 * _SOURCE_COUNT
    out[at] = math.log1p(total) * 0.1
    out[at + 1] = math.log1p(max(age_s, 0.0)) * 0.05
    out[at + 2] = math.log1p(max(rest_s, 0.0)) * 0.05
    out[at + 3] = own


@njit(cache=True, nogil=True)
def of_user(length: int, away_s: float, out: NDArray[np.float32]) -> None:
    """Write the context: length of the history, seconds since the user's last event."""
    out[0] = math.log1p(length) * 0.2
    out[1] = math.log1p(max(away_s, 0.0)) * 0.05 if length > 0 else 0.0
    out[2] = 0.0 if length > 0 else 1.0
