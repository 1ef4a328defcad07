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
    return Popularity._make([*columns, arena["popularity.stage"], arena["popularity.scale"], rates])


@njit(cache=True, nogil=True)
def learn(p: Popularity, item: int, weight: float, time: float, items: int) -> None:
    """Count one event of `weight` on `item` at `time` (seconds)."""
    p.fast[item] += weight * p.scale[0]
    p.slow[item] += weight * p.scale[1]
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
        for row in range(items):
            p.fast[row] /= p.scale[0]
        p.scale[0] = 1.0
    if p.scale[1] > _GROWN:
        for row in range(items):
            p.slow[row] /= p.scale[1]
            for stage in range(_STAGES):
                p.stage[stage, row] /= p.scale[1]
        p.scale[1] = 1.0


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
    p.stage[stage_of(length), item] += weight * p.scale[1]


@njit(cache=True, nogil=True)
def score(counts: NDArray[np.float64], out: NDArray[np.float32], items: int) -> None:
    """Write counts (float64[items]) as scores (float32[items]), the best one 1."""
    # The bits of positive floats are ordered as the floats are, and their maximum vectorises.
    bits, largest, at = counts.view(np.int64), np.int64(0), 0
    for row in range(items):
        largest = max(largest, bits[row])
    while at < items and bits[at] != largest:
        at += 1
    most = counts[at] if at < items else 0.0
    share = 1.0 / most if most > 0.0 else 0.0
    for row in range(items):
        out[row] = counts[row] * share
