"""The online ranker: one small hidden layer plus a linear skip over the sources' features.

`score(c) = skip·f(c) + out·leaky(hidden·[f(c), context, 1])`; a scored event that hits a
candidate is one listwise softmax example, learned with Adam (Kingma & Ba, 2014) in
mini-batches that follow the log. The skip starts from shipped weights, the hidden layer as
pairs of units that cancel: the first lists are those of the shipped blend exactly.
"""

from __future__ import annotations

import json
import math
from importlib.resources import files
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.embeddings import mix
from models.features import CONTEXT, NAMES
from models.settings import Ranker as Settings
from models.tables import Arena

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
# What a unit lets through below zero, so that none can die.
_LEAK: Final = np.float32(0.1)
# A candidate with less of the probability than this has nothing to teach.
_NEGLIGIBLE: Final = 1e-4


class Ranker(NamedTuple):
    """View; `hidden`, `out` and `skip` are parts of the one array `weights`."""

    hidden: NDArray[np.float32]  # [features + context + 1, HIDDEN]
    out: NDArray[np.float32]  # [HIDDEN]
    skip: NDArray[np.float32]  # [features]
    weights: NDArray[np.float32]
    mean: NDArray[np.float32]  # Adam's running means of gradients and of their squares
    square: NDArray[np.float32]
    gradient: NDArray[np.float32]  # sum of the lessons of the mini-batch not yet full
    lessons: NDArray[np.int64]  # [1] examples learned
    parameters: NDArray[np.float64]  # [learning rate, dislike penalty]


def declare(arena: Arena) -> None:
    for name in ("weights", "mean", "square", "gradient"):
        arena.add(f"ranker.{name}", np.float32, _WEIGHTS)
    arena.add("ranker.lessons", np.int64, 1)
    arena["ranker.weights"][:] = initial_weights()


def initial_weights() -> NDArray[np.float32]:
    """Return the weights to start from: shipped ones for the skip, drawn ones before it."""
    shipped = json.loads((files("models") / "ranker_weights.json").read_text())
    half, weights = HIDDEN // 2, np.zeros(_WEIGHTS, np.float32)
    hidden = weights[:_OUT].reshape(_INPUTS, HIDDEN)
    for at in range(_INPUTS - 1):
        for unit in range(half):
            hidden[at, unit] = hidden[at, unit + half] = _drawn(at * half + unit) * 0.4
    for unit in range(half):
        weights[_OUT + unit] = _drawn(_OUT + unit) * 0.5
        weights[_OUT + unit + half] = -weights[_OUT + unit]
    weights[_SKIP:] = [shipped.get(name, 0.0) for name in NAMES]
    return weights


def _drawn(counter: int) -> float:
    """A number from -1 to 1 that only the counter determines."""
    return float(int(mix(np.uint64(counter))) >> 11) * 2.0**-52 - 1.0


def view(arena: Arena, settings: Settings) -> Ranker:
    weights = arena["ranker.weights"]
    parameters = np.array([settings.learning_rate, settings.dislike_penalty])
    parts = weights[:_OUT].reshape(_INPUTS, HIDDEN), weights[_OUT:_SKIP], weights[_SKIP:]
    columns = [arena[f"ranker.{c}"] for c in ("weights", "mean", "square", "gradient", "lessons")]
    return Ranker._make([*parts, *columns, parameters])


@njit(cache=True, nogil=True)
def score(
    r: Ranker, features: NDArray[np.float32], context: NDArray[np.float32], count: int,
    units: NDArray[np.float32], out: NDArray[np.float64],
) -> None:  # fmt: skip
    """Write the scores (float64[count]) of `count` rows of features (float32[*, features]).

    `units` (float32[*, HIDDEN]) keeps what went into the hidden units, for `learn`.
    """
    given = r.skip.shape[0]
    for at in range(count):
        z, total = units[at], np.float32(0.0)
        for h in range(HIDDEN):
            z[h] = r.hidden[_INPUTS - 1, h]
        for c in range(context.shape[0]):
            for h in range(HIDDEN):
                z[h] += r.hidden[given + c, h] * context[c]
        for f in range(given):
            x = features[at, f]
            total += r.skip[f] * x
            for h in range(HIDDEN):
                z[h] += r.hidden[f, h] * x
        for h in range(HIDDEN):
            total += r.out[h] * (z[h] if z[h] > 0.0 else _LEAK * z[h])
        out[at] = total


@njit(cache=True, nogil=True)
def learn(
    r: Ranker, features: NDArray[np.float32], context: NDArray[np.float32],
    units: NDArray[np.float32], scores: NDArray[np.float64], count: int, target: int,
) -> None:  # fmt: skip
    """One listwise example, right after `score` of the same: candidate `target` was taken."""
    most, total = scores[target], 0.0
    for at in range(count):
        most = max(most, scores[at])
    for at in range(count):
        total += math.exp(scores[at] - most)
    if not math.isfinite(total):
        return
    for at in range(count):
        error = math.exp(scores[at] - most) / total - (1.0 if at == target else 0.0)
        if abs(error) > _NEGLIGIBLE:
            _add(r.gradient, r.out, features[at], context, units[at], np.float32(error))
    r.lessons[0] += 1
    if r.lessons[0] % _BATCH == 0:
        _step(r)


@njit(cache=True, nogil=True)
def _add(
    g: NDArray[np.float32], out: NDArray[np.float32], features: NDArray[np.float32],
    context: NDArray[np.float32], units: NDArray[np.float32], error: np.float32,
) -> None:  # fmt: skip
    """Add one candidate's share; `units` is spent: it holds the hidden gradient afterwards."""
    given = features.shape[0]
    for h in range(HIDDEN):
        slope = np.float32(1.0) if units[h] > 0.0 else _LEAK
        g[_OUT + h] += error * slope * units[h]
        units[h] = error * slope * out[h]
        g[_OUT - HIDDEN + h] += units[h]
    for f in range(given):
        x = features[f]
        g[_SKIP + f] += error * x
        for h in range(HIDDEN):
            g[f * HIDDEN + h] += units[h] * x
    for c in range(context.shape[0]):
        for h in range(HIDDEN):
            g[(given + c) * HIDDEN + h] += units[h] * context[c]


@njit(cache=True, nogil=True)
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
    for i in range(_WEIGHTS):
        r.gradient[i] = 0.0
