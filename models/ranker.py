"""The online ranker: a softmax-linear blend of the sources' features.

`score(c) = w·f(c)`; a scored event that hits a candidate is one listwise softmax example,
learned with AdaGrad. It starts from shipped weights, so that the first day beats a blend.
"""

from __future__ import annotations

import json
import math
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.features import NAMES
from models.settings import Ranker as Settings
from models.tables import Arena


class Ranker(NamedTuple):
    weights: NDArray[np.float64]  # [features]
    squares: NDArray[np.float64]  # AdaGrad's accumulators
    lessons: NDArray[np.int64]  # [1] examples learned
    parameters: NDArray[np.float64]  # [learning rate, dislike penalty]


def declare(arena: Arena) -> None:
    arena.add("ranker.weights", np.float64, len(NAMES))
    arena.add("ranker.squares", np.float64, len(NAMES))
    arena.add("ranker.lessons", np.int64, 1)
    arena["ranker.weights"][:] = initial_weights()


def initial_weights() -> NDArray[np.float64]:
    """Return the shipped weights (float64[features]); a feature they do not name starts at 0."""
    shipped = json.loads((files("models") / "ranker_weights.json").read_text())
    return np.array([shipped.get(name, 0.0) for name in NAMES])


def view(arena: Arena, settings: Settings) -> Ranker:
    parameters = np.array([settings.learning_rate, settings.dislike_penalty])
    columns = ("weights", "squares", "lessons")
    return Ranker(*(arena[f"ranker.{c}"] for c in columns), parameters)


@njit(cache=True, nogil=True)
def score(
    r: Ranker, features: NDArray[np.float32], count: int, out: NDArray[np.float64]
) -> None:
    """Write the scores (float64[count]) of `count` rows of features (float32[*, features])."""
    for at in range(count):
        total = 0.0
        for f in range(r.weights.shape[0]):
            total += r.weights[f] * features[at, f]
        out[at] = total


@njit(cache=True, nogil=True)
def learn(
    r: Ranker,
    features: NDArray[np.float32],
    scores: NDArray[np.float64],
    count: int,
    target: int,
    gradient: NDArray[np.float64],
) -> None:
    """One listwise example: candidate `target` was taken. `gradient` is scratch."""
    most = scores[0]
    for at in range(count):
        most = max(most, scores[at])
    total = 0.0
    for at in range(count):
        total += math.exp(scores[at] - most)
    for f in range(r.weights.shape[0]):
        gradient[f] = features[target, f]
    for at in range(count):
        share = math.exp(scores[at] - most) / total
        for f in range(r.weights.shape[0]):
            gradient[f] -= share * features[at, f]
    for f in range(r.weights.shape[0]):
        step = gradient[f]
        if not math.isfinite(step):
            return
    r.lessons[0] += 1
    for f in range(r.weights.shape[0]):
        step = gradient[f]
        r.squares[f] += step * step
        r.weights[f] += r.parameters[0] * step / math.sqrt(r.squares[f] + 1.0)
