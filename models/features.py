"""What the ranker sees of a candidate: three features a source, and a few of the item itself."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

SOURCES: Final = (
    "popular_fast", "popular_slow", "fast", "slow", "forward", "recent", "embeddings", "content",
    "stage", "demographics", "factors", "own", "guest",
)  # fmt: skip
(
    POPULAR_FAST, POPULAR_SLOW, FAST, SLOW, FORWARD, RECENT, EMBEDDINGS, CONTENT,
    STAGE, DEMOGRAPHICS, FACTORS, OWN, GUEST,
) = range(13)  # fmt: skip
PER_SOURCE: Final = ("score", "log", "rank")
ITEM: Final = ("popularity", "age", "rest")
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
def of_source(score: float, rank: int, out: NDArray[np.float32], source: int, at: int) -> None:
    """Write what one source says of candidate `at` into `out` (float32[features, candidates]).

    Its score (best = 1), the score's log, and the log of its rank; -1 is not listed.
    """
    place = _UNLISTED if rank < 0 else float(rank)
    out[3 * source, at] = score
    out[3 * source + 1, at] = math.log(max(score, _FLOOR)) / -math.log(_FLOOR) + 1.0
    out[3 * source + 2, at] = 1.0 - math.log1p(place) / math.log1p(_UNLISTED)


@njit(cache=True, nogil=True)
def of_item(total: float, age_s: float, rest_s: float, out: NDArray[np.float32], at: int) -> None:
    """Write the item's own: popularity, seconds known, seconds since its last event."""
    first = 3 * _SOURCE_COUNT
    out[first, at] = math.log1p(total) * 0.1
    out[first + 1, at] = math.log1p(max(age_s, 0.0)) * 0.05
    out[first + 2, at] = math.log1p(max(rest_s, 0.0)) * 0.05


@njit(cache=True, nogil=True)
def of_user(length: int, away_s: float, out: NDArray[np.float32]) -> None:
    """Write the context: length of the history, seconds since the user's last event."""
    out[0] = math.log1p(length) * 0.2
    out[1] = math.log1p(max(away_s, 0.0)) * 0.05 if length > 0 else 0.0
    out[2] = 0.0 if length > 0 else 1.0
