"""Decayed popularity: two counts that fade with events, and trending, which fades with time.

Forward decay (Cormode et al., 2009): weights grow instead of counts shrinking, so an update
touches one row, and a late event weighs its age whatever its order of arrival.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.compiled import dividing, inner
from models.listing import COUNTED, list_counted
from models.settings import Popularity as Settings
from models.tables import Arena

# Weights are scaled back when they have grown by 2^20: far from overflow, and rare.
_GROWN: Final = 2.0**20
# Lengths of history that are counted apart: 0, 1, 2–3, 4–7 and so on, 64 the last.
_STAGES: Final = 8
_COUNTS: Final = ("fast", "slow", "trending", "total", "last")


class Popularity(NamedTuple):
    """View over the tables of one arena; counts are float64[items]."""

    fast: NDArray[np.float64]
    slow: NDArray[np.float64]
    trending: NDArray[np.float64]
    total: NDArray[np.float64]
    last: NDArray[np.float64]  # model clock of the item's newest event, seconds
    stage: NDArray[np.float64]  # [stages, items], fading as `slow` does
    scale: NDArray[np.float64]  # [fast weight, slow weight, trending landmark in seconds]
    rates: NDArray[np.float64]  # [fast growth, slow growth, trending half-life in seconds]
    # The largest count in each block of COUNTED items; they follow from the counts.
    fast_tops: NDArray[np.float64]
    slow_tops: NDArray[np.float64]
    stage_tops: NDArray[np.float64]  # [stages, blocks]


def declare(arena: Arena) -> None:
    for name in _COUNTS:
        arena.add(f"popularity.{name}", np.float64, "items")
    arena.add("popularity.stage", np.float64, _STAGES, "items")
    arena.add("popularity.scale", np.float64, 3)
    arena["popularity.scale"][:2] = 1.0


def view(arena: Arena, settings: Settings) -> Popularity:
    rates = np.array(
        [
            math.pow(2.0, 1.0 / settings.fast_half_life),
            math.pow(2.0, 1.0 / settings.slow_half_life),
            settings.trending_half_life_s,
        ]
    )
    columns = [arena[f"popularity.{name}"] for name in _COUNTS]
    stage, scale = arena["popularity.stage"], arena["popularity.scale"]
    tops = [_tops_of(counts) for counts in (columns[0], columns[1], stage)]
    return Popularity._make([*columns, stage, scale, rates, *tops])


def _tops_of(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Largest of each block of counts (float64[..., items])."""
    firsts = np.arange(0, counts.shape[-1], COUNTED)
    return np.maximum.reduceat(counts, firsts, axis=-1) if len(firsts) else counts[..., :0]


@njit(cache=True, nogil=True)
def learn(p: Popularity, item: int, weight: float, time: float, items: int) -> None:
    """Count one event of `weight` on `item` at `time` (seconds)."""
    block = item // COUNTED
    p.fast[item] += weight * p.scale[0]
    p.fast_tops[block] = max(p.fast_tops[block], p.fast[item])
    p.slow[item] += weight * p.scale[1]
    p.slow_tops[block] = max(p.slow_tops[block], p.slow[item])
    p.total[item] += weight
    p.last[item] = max(p.last[item], time)
    half_life = p.rates[2]
    if p.scale[2] == 0.0:
        p.scale[2] = time
    if time - p.scale[2] > 20.0 * half_life:
        shrink = math.pow(2.0, -(time - p.scale[2]) / half_life)
        for row in range(items):
            p.trending[row] *= shrink
        p.scale[2] = time
    # Older than 40 half-lives weighs nothing that float64 could still add.
    p.trending[item] += weight * math.pow(2.0, max((time - p.scale[2]) / half_life, -40.0))
    p.scale[0] *= p.rates[0]
    p.scale[1] *= p.rates[1]
    if p.scale[0] > _GROWN:
        _divide(p.fast, p.scale[0], items)
        _divide(p.fast_tops, p.scale[0], p.fast_tops.shape[0])
        p.scale[0] = 1.0
    if p.scale[1] > _GROWN:
        _divide(p.slow, p.scale[1], items)
        _divide(p.slow_tops, p.scale[1], p.slow_tops.shape[0])
        for stage in range(_STAGES):
            _divide(p.stage[stage], p.scale[1], items)
            _divide(p.stage_tops[stage], p.scale[1], p.slow_tops.shape[0])
        p.scale[1] = 1.0


@dividing
def _divide(counts: NDArray[np.float64], by: float, n: int) -> None:
    # The largest stays the largest: dividing never changes an order.
    for at in range(n):
        counts[at] /= by


@njit(cache=True, nogil=True)
def stage_of(length: int) -> int:
    """The stage of a user with a history of `length`."""
    stage = 0
    while length > 0 and stage < _STAGES - 1:
        stage += 1
        length //= 2
    return stage


@njit(cache=True, nogil=True)
def learn_stage(p: Popularity, item: int, weight: float, length: int) -> None:
    """Count an event of a user with a history of `length`."""
    stage = stage_of(length)
    p.stage[stage, item] += weight * p.scale[1]
    tops, block = p.stage_tops[stage], item // COUNTED
    tops[block] = max(tops[block], p.stage[stage, item])


@inner
def best(
    counts: NDArray[np.float64], tops: NDArray[np.float64], masked: NDArray[np.uint8],
    listed: NDArray[np.int32], most: int, items: int,
) -> int:  # fmt: skip
    """List the rows of the largest counts (float64[items]); return how many."""
    share = _share(tops, items)
    return list_counted(counts, tops, share, masked, listed, most, items)


@inner
def say(
    counts: NDArray[np.float64], tops: NDArray[np.float64], candidates: NDArray[np.int32],
    count: int, out: NDArray[np.float32], items: int,
) -> None:  # fmt: skip
    """Write the counts of `count` candidates as scores (float32[count]), the largest of all 1."""
    share = _share(tops, items)
    for at in range(count):
        out[at] = counts[candidates[at]] * share


@inner
def _share(tops: NDArray[np.float64], items: int) -> float:
    # The bits of positive floats are ordered as the floats are, and their maximum vectorises.
    bits, largest = tops.view(np.int64), np.zeros(1, np.int64)
    for block in range((items + COUNTED - 1) // COUNTED):
        largest[0] = max(largest[0], bits[block])
    most = largest.view(np.float64)[0]
    return 1.0 / most if most > 0.0 else 0.0
