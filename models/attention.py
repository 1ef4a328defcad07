"""How much each place of a list is looked at, fitted online from lists with scores.

A click says that an item was liked *and* looked at. Items of one list whose scores are nearly
equal are as good as put into their places at random, so what they differ by in clicks is
attention: a regression discontinuity in the gap of scores (Narayanan & Kalyanam, Marketing Science
2015), over all pairs of a list as in Agarwal et al. (WSDM 2019), here a local logistic regression
on places and gap. `exp(bias[p])` is the propensity of Joachims et al. (WSDM 2017), relative to the
first place.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.compiled import inner
from models.tables import Arena

#: Places of a list that are learned from; what is shown below them is hardly looked at.
PLACES: Final = 20
# What is fitted: the steepness of a power law over the places, how each place but the first
# differs from it, and the slope of the gap and how it bends down the list, for what is liked for
# sure cannot be liked more. Differences are a random walk down the list: few clicks move the
# steepness, many bend the law, and a fold moves all that lie below it.
_SLOPE: Final = PLACES
_BEND: Final = PLACES + 1
_FITTED: Final = PLACES + 2
# Gap of scores, in the ranker's logits, at which a pair counts for less by e. Wider, the slope
# alone would have to tell taste from place; narrower, few pairs are left.
_NEAR: Final = 1.0
# Lessons between two steps of the fit: one solves 22 equations.
_BATCH: Final = 16
# Steepness before any click: what lists of shops and searches show is 0.5 to 1.
_STEEPNESS: Final = 0.5
# Evidence for it, and for a law without folds, in pairs of a weight of a quarter each.
_PRIOR: Final = 1.0
_PRIOR_STEP: Final = 20.0
# Share of the evidence that stays at each step, at least: some 30,000 clicks count. The first
# lessons, taken at a bias still wrong, fade sooner.
_MEMORY: Final = 1.0 - 1.0 / 2000.0
_FADE: Final = 0.25
_LONGEST_STEP: Final = 0.5
# No place is looked at less than e^-6 as often as the first, or more than e^6 times as often.
_STEEPEST: Final = 6.0


class Attention(NamedTuple):
    """View over the tables of one arena."""

    bias: NDArray[np.float64]  # [PLACES] log propensity, relative to the first place
    fitted: NDArray[np.float64]  # [PLACES + 2] steepness, differences, slope, bend
    evidence: NDArray[np.float64]  # [PLACES + 2, PLACES + 2] information matrix
    gradient: NDArray[np.float64]  # [PLACES + 2] sum of the lessons since the last step
    lessons: NDArray[np.int64]  # [1] clicks


def declare(arena: Arena) -> None:
    arena.add("attention.bias", np.float64, PLACES)
    arena.add("attention.fitted", np.float64, _FITTED)
    arena.add("attention.evidence", np.float64, _FITTED, _FITTED)
    arena.add("attention.gradient", np.float64, _FITTED)
    arena.add("attention.lessons", np.int64, 1)
    arena["attention.fitted"][0] = _STEEPNESS
    for place in range(1, PLACES):
        arena["attention.bias"][place] = -_STEEPNESS * math.log(place + 1.0)


def view(arena: Arena) -> Attention:
    return Attention._make([arena[f"attention.{name}"] for name in Attention._fields])


@njit(cache=True, nogil=True)
def learn(
    a: Attention, place: NDArray[np.uint8], score: NDArray[np.float32], hit: NDArray[np.uint8]
) -> None:
    """Learn from the clicks (`hit` 1) of one list, whose places are below PLACES.

    Each click is held against every other item: over many lists, the odds of two places are the
    ratio of their clicks, also where both are clicked.
    """
    n = place.shape[0]
    for at in range(n):
        if not hit[at]:
            continue
        for other in range(n):
            here, there, gap = int(place[at]), int(place[other]), score[at] - score[other]
            if here < there:
                _compare(a, here, there, gap, 1.0, n - 1.0)
            elif there < here:
                _compare(a, there, here, -gap, 0.0, n - 1.0)
        a.lessons[0] += 1
        if a.lessons[0] % _BATCH == 0:
            _step(a)


@inner
def _compare(a: Attention, upper: int, lower: int, gap: float, taken: float, others: float) -> None:
    """Add a click on the upper of two places (`taken` 1) or on the lower (0).

    A pair counts by how near its scores are; all pairs of a click count as one lesson.
    """
    near = math.exp(-abs(gap) / _NEAR) / others
    if not near > 1e-4:  # also where a score was not told
        return
    at = np.array([0, lower, upper, _SLOPE, _BEND])
    law, bend = math.log((lower + 1.0) / (upper + 1.0)), math.log1p(0.5 * (upper + lower))
    x = np.array([law, -1.0, 1.0 if upper > 0 else 0.0, gap, gap * bend])
    if upper == 0:
        at[2] = lower  # the first place has nothing of its own
    odds = 0.0
    for k in range(5):
        odds += a.fitted[at[k]] * x[k]
    share = 1.0 / (1.0 + math.exp(-odds))
    known = near * share * (1.0 - share)
    for k in range(5):
        a.gradient[at[k]] += near * (share - taken) * x[k]
        for other in range(5):
            if at[other] <= at[k]:  # the lower triangle only
                a.evidence[at[k], at[other]] += known * x[k] * x[other]


@inner
def _prior(k: int, other: int) -> float:
    """Precision before any click, of the lower triangle."""
    if not 1 <= k < PLACES:
        return _PRIOR if k == other else 0.0
    if k == other:
        return _PRIOR_STEP if k == PLACES - 1 else 2.0 * _PRIOR_STEP
    return -_PRIOR_STEP if other == k - 1 and other > 0 else 0.0


@inner
def _solved(a: Attention) -> NDArray[np.float64]:
    """Information and prior, times what is returned, is the gradient.

    By a Cholesky factor of our own: LAPACK's bits depend on the processor.
    """
    factor, step = np.zeros((_FITTED, _FITTED)), np.zeros(_FITTED)
    for k in range(_FITTED):
        step[k] = a.gradient[k]
        for other in range(k + 1):
            total = a.evidence[k, other] + _prior(k, other)
            for j in range(other):
                total -= factor[k, j] * factor[other, j]
            if k == other:
                factor[k, k] = math.sqrt(max(total, 1e-9))
            else:
                factor[k, other] = total / factor[other, other]
    for k in range(_FITTED):
        for j in range(k):
            step[k] -= factor[k, j] * step[j]
        step[k] /= factor[k, k]
    for k in range(_FITTED - 1, -1, -1):
        for j in range(k + 1, _FITTED):
            step[k] -= factor[j, k] * step[j]
        step[k] /= factor[k, k]
    return step


@inner
def _step(a: Attention) -> None:
    """A step of stochastic Newton: the new lessons' gradient by all the information so far.

    Bercu, Godichon & Portier (2020).
    """
    step = _solved(a)
    memory = min(_MEMORY, 1.0 - _FADE * _BATCH / a.lessons[0])
    for k in range(_FITTED):
        if math.isfinite(step[k]):
            a.fitted[k] -= min(max(step[k], -_LONGEST_STEP), _LONGEST_STEP)
        a.gradient[k] = 0.0
        for other in range(k + 1):
            a.evidence[k, other] *= memory
    for place in range(1, PLACES):
        bias = a.fitted[place] - a.fitted[0] * math.log(place + 1.0)
        a.bias[place] = min(max(bias, -_STEEPEST), _STEEPEST)
