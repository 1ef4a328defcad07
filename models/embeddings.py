"""Bag-of-history embeddings, a two-tower model learning online.

The user is the normalised, decayed sum of the input vectors of their history; an item
scores `SHARPNESS·x·out[c] + bias[c]`. Logistic loss against sampled negatives, AdaGrad per
element (Duchi et al., 2011). A user's embedding is a function of history and tables.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.coarse import Coarse, coarse_of, coarse_products, place_rounded
from models.compiled import dividing, inner
from models.listing import list_best
from models.settings import Embeddings as Settings
from models.tables import Arena
from models.vectors import dot, mix, normalise

# A unit user would need outward vectors of norm 10 to tell one item in a thousand apart, and
# they would take too long to grow; at 1 ML-100K finds .135 in its first ten, at 6 .179.
_SHARPNESS: Final = np.float32(6.0)
# AdaGrad's sums forget with this at every touch of a row, or an old item could never change.
_MEMORY: Final = np.float32(0.9999)
_EPSILON: Final = np.float32(1e-6)
_STEP: Final = np.float32(1.0 / 1024.0)
# Items looked at side by side for the best one.
_LANES: Final = 256
_LENGTH, _DECAY, _RATE, _NEGATIVES = range(4)


class Embeddings(NamedTuple):
    """View: vectors are float32[items, dims], `bias` float32[items]; squares are AdaGrad's."""

    inward: NDArray[np.float32]
    outward: NDArray[np.float32]
    inward_square: NDArray[np.float32]
    outward_square: NDArray[np.float32]
    bias: NDArray[np.float32]
    bias_square: NDArray[np.float32]
    rejected: NDArray[np.int64]  # [1] updates left out: not finite
    parameters: NDArray[np.float64]
    coarse: Coarse  # `outward` once more, as scoring reads it


_VECTORS: Final = ("inward", "outward", "inward_square", "outward_square")
_NUMBERS: Final = ("bias", "bias_square")


def declare(arena: Arena, settings: Settings) -> None:
    for column in _VECTORS:
        arena.add(f"embeddings.{column}", np.float32, "items", settings.dims)
    for column in _NUMBERS:
        arena.add(f"embeddings.{column}", np.float32, "items")
    arena.add("embeddings.rejected", np.int64, 1)


def view(arena: Arena, settings: Settings) -> Embeddings:
    s = settings
    parameters = np.array([s.length, s.decay, s.learning_rate, s.negatives])
    columns = [arena[f"embeddings.{name}"] for name in (*_VECTORS, *_NUMBERS, "rejected")]
    return Embeddings._make([*columns, parameters, coarse_of(arena["embeddings.outward"])])


@njit(cache=True, nogil=True)
def start(e: Embeddings, item: int, key: np.uint64) -> None:
    """Give a new item its first vectors, drawn by its key alone (uniform, norm about 0.5)."""
    dims = e.inward.shape[1]
    spread = 2.0 / math.sqrt(dims)
    for d in range(dims):
        bits = mix(key + np.uint64(d) * np.uint64(0xD1B54A32D192ED03))
        unit = (bits >> np.uint64(11)) * 2.0**-53
        e.inward[item, d] = np.float32((unit - 0.5) * spread)


@njit(cache=True, nogil=True)
def user(e: Embeddings, history: NDArray[np.int32], length: int, out: NDArray[np.float32]) -> float:
    """Write the user's embedding (float32[dims], norm 1, or zeros); return the raw norm."""
    dims = e.inward.shape[1]
    out[:dims] = 0.0
    share = np.float32(1.0)
    for lag in range(min(int(e.parameters[_LENGTH]), length)):
        item = history[lag]
        if item >= 0:
            for d in range(dims):
                out[d] += share * e.inward[item, d]
        share *= np.float32(e.parameters[_DECAY])
    return normalise(out, dims)


@njit(cache=True, nogil=True)
def score(e: Embeddings, x: NDArray[np.float32], out: NDArray[np.float32], items: int) -> None:
    """Score all `items` (float32[items]) in the order of their odds, the best one 1."""
    coarse_products(e.coarse, x, out, items)
    # The largest of each lane first: that vectorises.
    tops, most = np.full(_LANES, np.float32(-1e30)), np.float32(-1e30)
    for first in range(0, items, _LANES):
        part, bias = out[first : min(first + _LANES, items)], e.bias[first : first + _LANES]
        for lane in range(part.shape[0]):
            part[lane] = _SHARPNESS * part[lane] + bias[lane]
            tops[lane] = part[lane] if part[lane] > tops[lane] else tops[lane]
    for lane in range(_LANES):
        most = max(most, tops[lane])
    for row in range(items):
        out[row] = max(np.float32(1.0) + (out[row] - most) * _STEP, np.float32(0.0))


@inner
def best(
    out: NDArray[np.float32], masked: NDArray[np.uint8], listed: NDArray[np.int32], most: int,
    items: int,
) -> int:  # fmt: skip
    """List the rows of the best of `score`; return how many."""
    count = list_best(out, masked, listed, most, items)
    while count > 0 and _odds(out[listed[count - 1]]) == 0.0:
        count -= 1
    return count


@inner
def say(
    scores: NDArray[np.float32], candidates: NDArray[np.int32], count: int,
    out: NDArray[np.float32],
) -> None:  # fmt: skip
    """Write the odds of `count` candidates (float32[count]), the best item's 1."""
    for at in range(count):
        out[at] = scores[candidates[at]]
    for at in range(count):
        out[at] = _odds(out[at])


@inner
def _odds(near: np.float32) -> np.float32:
    """(1 + z/1024)^1024 for exp(z): as monotone, and a tenth of its time."""
    near *= near
    near *= near
    near *= near
    near *= near
    near *= near
    near *= near
    near *= near
    near *= near
    near *= near
    near *= near
    return near


@dividing
def _pull(
    out: NDArray[np.float32], square: NDArray[np.float32], bias: NDArray[np.float32],
    bias_square: NDArray[np.float32], item: int, rate: np.float32, x: NDArray[np.float32],
    gradient: NDArray[np.float32], label: float, weight: float,
) -> bool:  # fmt: skip
    """Move an item towards or away from the user; False: what it is or they are is not finite."""
    # Arrays one by one, not the view: numba counts references of all that is passed.
    dims = out.shape[0]
    logit = _SHARPNESS * dot(x, out, dims) + bias[item]
    if not math.isfinite(logit):
        return False
    logit = min(max(logit, -30.0), 30.0)
    error = np.float32(weight * (label - 1.0 / (1.0 + math.exp(-logit))))
    pull = error * _SHARPNESS
    for d in range(dims):
        gradient[d] += pull * out[d]
        step = pull * x[d]
        square[d] = _MEMORY * square[d] + step * step
        out[d] += rate * step / (np.sqrt(square[d]) + _EPSILON)
    bias_square[item] = _MEMORY * bias_square[item] + error * error
    bias[item] += rate * error / (np.sqrt(bias_square[item]) + _EPSILON)
    return True


@njit(cache=True, nogil=True)
def learn(
    e: Embeddings,
    item: int,
    history: NDArray[np.int32],
    length: int,
    weight: float,
    seed: np.uint64,
    items: int,
    x: NDArray[np.float32],
    gradient: NDArray[np.float32],
) -> None:
    """One positive and the sampled negatives; `seed` (the event's key) draws the negatives."""
    dims = e.inward.shape[1]
    norm = user(e, history, length, x)
    if norm <= 1e-9:
        return
    gradient[:dims] = 0.0
    rate, blocks, steps = np.float32(e.parameters[_RATE]), e.coarse.blocks, e.coarse.steps
    for k in range(-1, int(e.parameters[_NEGATIVES])):
        other, fresh = item, True
        if k >= 0:
            other = int(np.int64(mix(seed + np.uint64(k)) % np.uint64(items)))
            fresh = other != item
            for lag in range(length):
                fresh = fresh and history[lag] != other
        if fresh:
            out = e.outward[other]
            if _pull(
                out, e.outward_square[other], e.bias, e.bias_square, other, rate, x, gradient,
                1.0 if k < 0 else 0.0, weight,
            ):  # fmt: skip
                place_rounded(blocks, steps, other, out)
            else:
                e.rejected[0] += 1
    _learn_history(e, history, length, x, gradient, norm)


@dividing
def _learn_history(
    e: Embeddings, history: NDArray[np.int32], length: int,
    x: NDArray[np.float32], gradient: NDArray[np.float32], norm: float,
) -> None:  # fmt: skip
    dims = e.inward.shape[1]
    # Through the normalisation: only the part of the gradient across x moves the bag.
    along = np.float32(dot(gradient, x, dims))
    inverse = np.float32(1.0 / max(norm, 0.1))
    for d in range(dims):
        gradient[d] = (gradient[d] - along * x[d]) * inverse
    rate, share = np.float32(e.parameters[_RATE]), np.float32(1.0)
    for lag in range(min(int(e.parameters[_LENGTH]), length)):
        other = history[lag]
        if other >= 0:
            row, square = e.inward[other], e.inward_square[other]
            for d in range(dims):
                step = share * gradient[d]
                square[d] = _MEMORY * square[d] + step * step
                row[d] += rate * step / (np.sqrt(square[d]) + _EPSILON)
        share *= np.float32(e.parameters[_DECAY])
