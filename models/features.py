"""What the ranker sees of a candidate: three features a source, and a few of the item itself."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.compiled import dividing

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
_LEAST: Final = np.float32(_FLOOR)
_PER_LOG: Final = np.float32(-1.0 / math.log(_FLOOR))
_LN_2: Final = np.float32(math.log(2.0))
# The feature of a rank by 1 + rank; of what is not listed, first, it is 0.
_OF_RANK: Final = np.array(
    [0.0, *(1.0 - math.log1p(rank) / math.log1p(_UNLISTED) for rank in range(int(_UNLISTED)))],
    np.float32,
)


@njit(cache=True, nogil=True)
def of_source(ranks: NDArray[np.int32], count: int, out: NDArray[np.float32], source: int) -> None:
    """Complete what one source says of `count` candidates in `out` (float32[features, *]).

    To its scores (best = 1) there come their logs, and logs of its ranks; -1 is not listed.
    """
    plain, log, rank = out[3 * source], out[3 * source + 1], out[3 * source + 2]
    for at in range(count):
        log[at] = max(plain[at], _LEAST)
        rank[at] = _OF_RANK[1 + ranks[at]]
    _logs(log, count)
    for at in range(count):
        log[at] = log[at] * _PER_LOG + np.float32(1.0)


@njit(cache=True, nogil=True)
def of_items(
    total: NDArray[np.float64], born: NDArray[np.float64], last: NDArray[np.float64],
    candidates: NDArray[np.int32], count: int, now: float, out: NDArray[np.float32],
) -> None:  # fmt: skip
    """Write the items' own: popularity, seconds known, seconds since the last event."""
    first = 3 * _SOURCE_COUNT
    counts, age, rest = out[first], out[first + 1], out[first + 2]
    for at in range(count):
        row = candidates[at]
        counts[at] = 1.0 + total[row]
        age[at] = 1.0 + max(now - born[row], 0.0)
        rest[at] = 1.0 + max(now - last[row], 0.0)
    _logs(counts, count)
    _logs(age, count)
    _logs(rest, count)
    for at in range(count):
        counts[at] *= np.float32(0.1)
        age[at] *= np.float32(0.05)
        rest[at] *= np.float32(0.05)


@dividing
def _logs(values: NDArray[np.float32], count: int) -> None:
    """Put the natural log, to 2e-6, in the place of each positive number.

    `ln m = 2·atanh((m - 1) / (m + 1))` of the mantissa: it vectorises, and has the same bits
    on every processor.
    """
    bits, mantissas = values.view(np.int32), np.empty(count, np.int32)
    parts, powers = mantissas.view(np.float32), np.empty(count, np.float32)
    # Nothing is written into what is read in the same loop: it would not vectorise.
    for at in range(count):
        mantissas[at] = np.int32(bits[at] & np.int32(0x7FFFFF)) | np.int32(0x3F800000)
        powers[at] = np.float32(np.int32(bits[at] >> np.int32(23)) - np.int32(127))
    for at in range(count):
        s = (parts[at] - np.float32(1.0)) / (parts[at] + np.float32(1.0))
        q = s * s
        tail = np.float32(1 / 7) + q * (np.float32(1 / 9) + q * np.float32(1 / 11))
        series = np.float32(1.0) + q * (np.float32(1 / 3) + q * (np.float32(1 / 5) + q * tail))
        values[at] = powers[at] * _LN_2 + np.float32(2.0) * s * series


@njit(cache=True, nogil=True)
def of_user(length: int, away_s: float, out: NDArray[np.float32]) -> None:
    """Write the context: length of the history, seconds since the user's last event."""
    out[0] = math.log1p(length) * 0.2
    out[1] = math.log1p(max(away_s, 0.0)) * 0.05 if length > 0 else 0.0
    out[2] = 0.0 if length > 0 else 1.0
