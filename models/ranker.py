"""The online ranker: one small hidden layer plus a linear skip over the sources' features.

`score(c) = skip·f(c) + out·leaky(hidden·[f(c), context, 1])`; a scored event that hits a
candidate is one listwise softmax example, learned with Adam (Kingma & Ba, 2014) in
mini-batches that follow the log. All weights start from those the preset ships: of `films`
and `shop` learned from MovieLens-100K and from Yoochoose, of `auto` a blend set by hand, with
hidden units as pairs that cancel. The first day is better than an equal blend.
"""

from __future__ import annotations

import json
import math
from importlib.resources import files
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.compiled import dividing
from models.features import CONTEXT, NAMES
from models.settings import Ranker as Settings
from models.tables import Arena
from models.vectors import add_eight, dot, mix

HIDDEN: Final = 32
_INPUTS: Final = len(NAMES) + len(CONTEXT) + 1
_OUT: Final = _INPUTS * HIDDEN
_SKIP: Final = _OUT + HIDDEN
_WEIGHTS: Final = _SKIP + len(NAMES)

# Lessons summed before a step: one alone is too noisy for Adam, many come too late.
_BATCH: Final = 4
# The step falls from `learning_rate` to this share of it, half of the way after _SETTLED lessons.
_LAST_RATE: Final = 0.3
_SETTLED: Final = 5000.0
_MEAN_MEMORY: Final = 0.9
_SQUARE_MEMORY: Final = 0.999
# Longest gradient a step believes; a lesson's is about 1.
_LONGEST: Final = 5.0
#: What a unit lets through below zero, so that none can die.
LEAK: Final = np.float32(0.1)
# A candidate with less of the probability than this has nothing to teach. Ten times as much
# costs 8 % of the hits on ML-100K: what is left out all errs in one direction.
_NEGLIGIBLE: Final = 1e-4


class Ranker(NamedTuple):
    """View; `hidden`, `out` and `skip` are parts of the one array `weights`."""

    hidden: NDArray[np.float32]  # [HIDDEN, features + context + 1]
    out: NDArray[np.float32]  # [HIDDEN]
    skip: NDArray[np.float32]  # [features]
    weights: NDArray[np.float32]
    mean: NDArray[np.float32]  # Adam's running means of gradients and of their squares
    square: NDArray[np.float32]
    gradient: NDArray[np.float32]  # sum of the lessons of the mini-batch not yet full
    lessons: NDArray[np.int64]  # [2] examples learned, and updates left out: not finite
    parameters: NDArray[np.float64]  # [learning rate, dislike penalty]


def declare(arena: Arena, preset: str) -> None:
    for name in ("weights", "mean", "square", "gradient"):
        arena.add(f"ranker.{name}", np.float32, _WEIGHTS)
    arena.add("ranker.lessons", np.int64, 2)
    arena["ranker.weights"][:] = initial_weights(preset)


def initial_weights(preset: str) -> NDArray[np.float32]:
    """Return the weights to start from, as the preset ships them by the names of the features.

    What was not shipped (a source of later) starts from nothing in the skip, and before the
    hidden units from drawn numbers in pairs, which the `out` of the pairs very nearly cancels.
    """
    shipped = json.loads((files("models") / "ranker_weights.json").read_text())[preset]
    weights = np.zeros(_WEIGHTS, np.float32)
    hidden = weights[:_OUT].reshape(HIDDEN, _INPUTS)
    for at, name in enumerate((*NAMES, *CONTEXT, "bias")):
        if name in shipped["hidden"]:
            hidden[:, at] = shipped["hidden"][name]
        elif name != "bias":
            half = [0.4 * _drawn(at * HIDDEN + unit) for unit in range(HIDDEN // 2)]
            hidden[:, at] = half + half
    weights[_OUT:_SKIP] = shipped["out"]
    weights[_SKIP:] = [shipped["skip"].get(name, 0.0) for name in NAMES]
    return weights


def _drawn(counter: int) -> float:
    """A number from -1 to 1 that only the counter determines."""
    return float(int(mix(np.uint64(counter))) >> 11) * 2.0**-52 - 1.0


def view(arena: Arena, settings: Settings) -> Ranker:
    weights = arena["ranker.weights"]
    parameters = np.array([settings.learning_rate, settings.dislike_penalty])
    parts = weights[:_OUT].reshape(HIDDEN, _INPUTS), weights[_OUT:_SKIP], weights[_SKIP:]
    columns = [arena[f"ranker.{c}"] for c in ("weights", "mean", "square", "gradient", "lessons")]
    return Ranker._make([*parts, *columns, parameters])


@njit(cache=True, nogil=True)
def score(
    r: Ranker, features: NDArray[np.float32], context: NDArray[np.float32], count: int,
    units: NDArray[np.float32], out: NDArray[np.float64],
) -> None:  # fmt: skip
    """Write the scores (float64[count]) of `count` columns of features (float32[features, *]).

    `units` (float32[HIDDEN + 1, *]) keeps what went into the hidden units, for `learn`.
    Candidates lie along the rows: eight features at a time are added to all of them.
    """
    given, total = r.skip.shape[0], units[HIDDEN]
    total[:count] = 0.0
    _mix_in(r.skip, features, given, total, count)
    for h in range(HIDDEN):
        z, weights = units[h], r.hidden[h]
        bias = weights[_INPUTS - 1]
        for c in range(context.shape[0]):
            bias += weights[given + c] * context[c]
        for at in range(count):
            z[at] = bias
        _mix_in(weights, features, given, z, count)
        for at in range(count):
            total[at] += r.out[h] * max(z[at], LEAK * z[at])
    for at in range(count):
        out[at] = total[at]


@njit(cache=True, nogil=True)
def _mix_in(
    weights: NDArray[np.float32], features: NDArray[np.float32], given: int,
    out: NDArray[np.float32], count: int,
) -> None:  # fmt: skip
    whole = given - given % 8
    for f in range(0, whole, 8):
        add_eight(features, f, weights, out, count)
    for f in range(whole, given):
        weight, column = weights[f], features[f]
        for at in range(count):
            out[at] += weight * column[at]


@njit(cache=True, nogil=True)
def learn(
    r: Ranker, features: NDArray[np.float32], context: NDArray[np.float32],
    units: NDArray[np.float32], scores: NDArray[np.float64], count: int, target: int,
    weight: float, beside: NDArray[np.float64],
) -> None:  # fmt: skip
    """One listwise example, right after `score` of the same: candidate `target` was taken.

    `weight` is this lesson's. `beside` (float64[count]) are the errors of another one over the
    same candidates, or zeros.
    `features` and `units` are spent: what has nothing to teach is squeezed out of them.
    """
    most, total = scores[target], 0.0
    for at in range(count):
        most = max(most, scores[at])
    for at in range(count):
        total += math.exp(scores[at] - most)
    if not math.isfinite(total):
        r.lessons[1] += 1
        return
    errors, kept = units[HIDDEN], 0
    for at in range(count):
        error = math.exp(scores[at] - most) / total - (1.0 if at == target else 0.0)
        error = weight * error + beside[at]
        if abs(error) > _NEGLIGIBLE:
            for h in range(HIDDEN):
                units[h, kept] = units[h, at]
            for f in range(features.shape[0]):
                features[f, kept] = features[f, at]
            errors[kept] = error
            kept += 1
    _add(r, features, context, units, errors, kept)
    r.lessons[0] += 1
    if r.lessons[0] % _BATCH == 0:
        _step(r)


@njit(cache=True, nogil=True)
def _add(
    r: Ranker, features: NDArray[np.float32], context: NDArray[np.float32],
    units: NDArray[np.float32], errors: NDArray[np.float32], count: int,
) -> None:  # fmt: skip
    """Add the gradient of `count` candidates whose scores err by `errors` (float32[count])."""
    given, g = features.shape[0], r.gradient
    padded = (count + 7) // 8 * 8  # zeros fill up the eight lanes of the inner products
    errors[count:padded] = 0.0
    for f in range(given):
        features[f, count:padded] = 0.0
        g[_SKIP + f] += dot(errors, features[f], padded)
    for h in range(HIDDEN):
        z, at_h, total, share = units[h], h * _INPUTS, np.float32(0.0), r.out[h]
        for at in range(count):
            slope = np.float32(1.0) if z[at] > 0.0 else LEAK
            g[_OUT + h] += errors[at] * slope * z[at]
            z[at] = errors[at] * slope * share
            total += z[at]
        z[count:padded] = 0.0
        for f in range(given):
            g[at_h + f] += dot(z, features[f], padded)
        for c in range(context.shape[0]):
            g[at_h + given + c] += total * context[c]


@dividing
def _step(r: Ranker) -> None:
    """Adam on the full mini-batch; one that is not finite is dropped whole."""
    square = 0.0
    for i in range(_WEIGHTS):
        square += r.gradient[i] * r.gradient[i]
    length = math.sqrt(square) / _BATCH
    if math.isfinite(length):
        shrink = np.float32(min(1.0, _LONGEST / max(length, 1e-9)) / _BATCH)
        steps = r.lessons[0] // _BATCH
        falling = _LAST_RATE + (1.0 - _LAST_RATE) / (1.0 + r.lessons[0] / _SETTLED)
        rate = np.float32(r.parameters[0] * falling / (1.0 - _MEAN_MEMORY**steps))
        unbias = np.float32(1.0 / (1.0 - _SQUARE_MEMORY**steps))
        m, s = np.float32(_MEAN_MEMORY), np.float32(_SQUARE_MEMORY)
        for i in range(_WEIGHTS):
            g = r.gradient[i] * shrink
            r.mean[i] = m * r.mean[i] + (np.float32(1.0) - m) * g
            r.square[i] = s * r.square[i] + (np.float32(1.0) - s) * g * g
            r.weights[i] -= rate * r.mean[i] / (np.sqrt(r.square[i] * unbias) + np.float32(1e-8))
    else:
        r.lessons[1] += 1
    for i in range(_WEIGHTS):
        r.gradient[i] = 0.0
