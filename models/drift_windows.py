"""Two-sample tests between a reference window and the current one, over a few bins.

Kolmogorov–Smirnov for what has an order, Jensen–Shannon for what need not have one. Counts
are integers, so a window never forgets wrongly, and no float of theirs can become NaN.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.compiled import inner
from models.tables import Arena

BINS: Final = 32
#: Samples of the reference: the first ones after the last drift. More would make both tests
#: finer and the blind time after a drift longer.
REFERENCE: Final = 1_000
#: Newest samples compared with it, and how few are enough to begin. A shift of 0.5 to 0.9
#: shows once it fills half of them.
CURRENT: Final = 200
_ENOUGH: Final = 100
#: Samples that a change has, once noticed, to grow large; after them it is a slight drift, or was
#: a burst that has passed. More, and a shift of 0.5 to 0.9 would take over 200 samples in all.
_GROWING: Final = 80
#: Samples between two tests.
EVERY: Final = 10
# Logarithm of the chance of a false alarm that one test may take: 10^5 stationary samples are
# 10^4 tests, together then at most 1 %.
_RARE: Final = 13.815510557964274  # ln 10^6
# Bins with fewer samples in both windows together count as one: the limit laws are of many.
_FEW: Final = 10

KS: Final = 0
JS: Final = 1

FILLED, COMPARED, SINCE, NOTICED = range(4)

#: What a value shows.
NOTHING: Final = 0
SLIGHT: Final = 1
LARGE: Final = 2


class Windows(NamedTuple):
    """View over the tables, a row a window."""

    test: NDArray[np.int64]  # [windows] KS or JS
    signal: NDArray[np.int64]  # [windows] what is pushed into it
    reference: NDArray[np.int32]  # [windows, BINS]
    current: NDArray[np.int32]  # [windows, BINS]
    ring: NDArray[np.uint8]  # [windows, CURRENT] bins of the current window
    # [windows, 4] samples in the reference, in the current, since, and those at the notice of a
    # change, 0: none
    state: NDArray[np.int64]
    distance: NDArray[np.float64]  # [windows, 2] at the last test: distance and its threshold
    rejected: NDArray[np.int64]  # [windows] numbers that were none
    least: NDArray[np.float64]  # [windows] distance of a large drift


def declare(arena: Arena, count: int) -> None:
    arena.add("drift.reference", np.int32, count, BINS)
    arena.add("drift.current", np.int32, count, BINS)
    arena.add("drift.ring", np.uint8, count, CURRENT)
    arena.add("drift.state", np.int64, count, 4)
    arena.add("drift.distance", np.float64, count, 2)
    arena.add("drift.unreadable", np.int64, count)


def view(arena: Arena, tests: list[int], signals: list[int]) -> Windows:
    names = ("reference", "current", "ring", "state", "distance", "unreadable")
    columns = [arena[f"drift.{name}"] for name in names]
    fixed = np.array(tests, np.int64), np.array(signals, np.int64)
    return Windows._make([*fixed, *columns, np.zeros(len(tests))])


def most(samples: int) -> int:
    """Drifts that a batch of so many samples can bring in one window, at most."""
    return samples // (REFERENCE + _ENOUGH) + 1


@njit(cache=True, nogil=True)
def push(w: Windows, row: int, value: float) -> int:
    """Take a value in, as the bin `floor(value)` from 0 to BINS - 1; NOTHING, SLIGHT or LARGE.

    A change that chance does not make is a drift when it is as large as `least`, or when it is
    still there `_GROWING` samples later. Then the window begins anew, with a reference of what
    follows, so that a change that lasts is one drift.
    """
    if not math.isfinite(value):
        w.rejected[row] += 1
        return NOTHING
    place = int(min(max(value, 0.0), BINS - 1.0))
    state = w.state[row]
    if state[FILLED] < REFERENCE:
        w.reference[row, place] += 1
        state[FILLED] += 1
        return NOTHING
    slot = state[SINCE] % CURRENT
    if state[COMPARED] == CURRENT:
        w.current[row, w.ring[row, slot]] -= 1
    else:
        state[COMPARED] += 1
    w.ring[row, slot] = place
    w.current[row, place] += 1
    state[SINCE] += 1
    if state[COMPARED] < _ENOUGH or state[SINCE] % EVERY:
        return NOTHING
    found = _judge(w, row)
    if found != NOTHING:
        w.reference[row] = 0
        w.current[row] = 0
        w.ring[row] = 0
        state[:] = 0
    return found


@inner
def _judge(w: Windows, row: int) -> int:
    """Compare the two windows."""
    state = w.state[row]
    if w.test[row] == KS:
        distance, threshold = _kolmogorov(w.reference[row], w.current[row], state[COMPARED])
    else:
        distance, threshold = _jensen(w.reference[row], w.current[row], state[COMPARED])
    w.distance[row, 0], w.distance[row, 1] = distance, threshold
    if distance > max(threshold, w.least[row]):
        return LARGE
    if state[NOTICED] == 0:
        if distance > threshold:
            state[NOTICED] = state[SINCE]
    elif state[SINCE] - state[NOTICED] >= _GROWING:
        state[NOTICED] = 0
        if distance > threshold:
            return SLIGHT
    return NOTHING


@inner
def _kolmogorov(r: NDArray[np.int32], c: NDArray[np.int32], m: int) -> tuple[float, float]:
    """Largest distance of the two distribution functions, and the one that chance reaches.

    `D > sqrt(-ln(p/2)/2 · (n+m)/(n·m))` has a chance of p (Smirnov, 1948); bins make it rarer.
    """
    below_r = below_c = 0
    largest = 0.0
    for place in range(BINS):
        below_r += r[place]
        below_c += c[place]
        largest = max(largest, abs(below_r / REFERENCE - below_c / m))
    spread = (REFERENCE + m) / (REFERENCE * float(m))
    return largest, math.sqrt((_RARE + math.log(2.0)) / 2.0 * spread)


@inner
def _jensen(r: NDArray[np.int32], c: NDArray[np.int32], m: int) -> tuple[float, float]:
    """Jensen–Shannon distance (root of the divergence in bits), and the one chance reaches.

    Without a drift, 8·JSD·n·m/(n+m) in nats is chi-square with k - 1 degrees of freedom (JSD
    to second order), which passes `k - 1 + 2·sqrt((k-1)·x) + 2·x` with a chance of at most
    exp(-x) (Laurent & Massart, 2000). Its mean, k - 1, is taken off both, or windows of many bins
    would always seem far apart.
    """
    divergence, bins = 0.0, 0
    few_r = few_c = 0
    for place in range(BINS):
        if r[place] + c[place] < _FEW:
            few_r += r[place]
            few_c += c[place]
            continue
        divergence += _share(r[place] / REFERENCE, c[place] / m)
        bins += 1
    if few_r + few_c > 0:
        divergence += _share(few_r / REFERENCE, few_c / m)
        bins += 1
    free = max(bins - 1, 1)
    spread = (REFERENCE + m) / (REFERENCE * float(m)) / 8.0
    divergence -= free * spread
    threshold = (2.0 * math.sqrt(free * _RARE) + 2.0 * _RARE) * spread
    return math.sqrt(max(divergence, 0.0) / math.log(2.0)), math.sqrt(threshold / math.log(2.0))


@inner
def _share(p: float, q: float) -> float:
    middle, share = (p + q) / 2.0, 0.0
    if p > 0.0:
        share += p * math.log(p / middle) / 2.0
    if q > 0.0:
        share += q * math.log(q / middle) / 2.0
    return share
