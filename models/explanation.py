"""Why an item has its score: what each source gave to it, and each past event to the source.

Exact Shapley values (Shapley, 1953) of the ranker over its groups of features, one a source and
one for what is known of item and user; a group that is left out has the mean of the list's
candidates. So `base` is the score of the average candidate, and a value tells what sets this
item apart from it; against zeros, which no candidate has, base would be the score of nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models import cooccurrence, impressions, ranker
from models.compiled import inner
from models.examples import HISTORY
from models.features import (
    CONTENT,
    EMBEDDINGS,
    FAST,
    FORWARD,
    OWN,
    RECENT,
    SLOW,
    SOURCES,
)
from models.ranking import FORGIVEN
from models.state import Scratch, State
from models.vectors import dot

#: What is told beside the sources: the item's and the user's own features, how often it was taken
#: where it was shown, and the push of what the user dislikes.
BESIDE: Final = ("context", "impressions", "dislikes")
_CONTEXT: Final = len(SOURCES)
_IMPRESSIONS: Final = _CONTEXT + 1
_DISLIKES: Final = _CONTEXT + 2
_NAMES: Final = (*SOURCES, *BESIDE)
# A share of less than this is noise of the arithmetic.
_TINY: Final = 1e-12


@dataclass(frozen=True)
class Explanation:
    """`base` and all `sources` add up to the score; `events` are (row, source, value).

    The events of one source add up to it; a source that no past event feeds has none.
    """

    base: float
    sources: dict[str, float] = field(default_factory=dict)
    events: tuple[tuple[int, str, float], ...] = ()


def explain(
    s: State, w: Scratch, row: int, score: float, count: int, length: int, guests: bool
) -> Explanation | None:
    """Explain the score of `row` among the `count` candidates in scratch, after their ranking.

    None where it is none of them: somebody else has brought it.
    """
    found = np.flatnonzero(w.candidates[:count] == row)
    if not len(found):
        return None
    values, shares = np.zeros(len(_NAMES)), np.zeros((len(_NAMES), HISTORY))
    _explain(s, w, int(found[0]), count, length, values, shares)
    there = [*(w.listed_count >= 0), True, *(values[_IMPRESSIONS:] != 0.0)]
    told = zip(_NAMES, values.tolist(), there, strict=True)
    sources = {name: value for name, value, is_there in told if is_there}
    if guests:
        sources["guests"] = score - float(w.final[found[0]])
    events = [
        (int(w.history[lag]), _NAMES[source], float(values[source] * shares[source, lag]))
        for source, lag in zip(*np.nonzero(shares > _TINY), strict=True)
    ]
    events.sort(key=lambda event: -abs(event[2]))
    # The ranker adds in single precision; what that rounds off is of no source.
    return Explanation(score - sum(sources.values()), sources, tuple(events))


@njit(cache=True, nogil=True)
def _explain(
    s: State, w: Scratch, at: int, count: int, length: int,
    values: NDArray[np.float64], shares: NDArray[np.float64],
) -> None:  # fmt: skip
    """Fill values (float64[names]), and past events' shares in them (float64[names, HISTORY])."""
    there = np.zeros(_CONTEXT + 1, np.int64)
    groups = 0
    for group in range(_CONTEXT + 1):
        if group == _CONTEXT or w.listed_count[group] >= 0:
            there[groups] = group
            groups += 1
    _shapley(s.ranker, w.features, w.context, count, at, there[:groups], values)
    row = w.candidates[at]
    merit = impressions.merit(s.impressions, row, impressions.usual(s.impressions))
    values[_IMPRESSIONS] = impressions.bonus(s.impressions, merit)
    values[_DISLIKES] = w.final[at] - w.plain[at]
    _share_pulls(s, w, row, length, shares)
    _share_vectors(s, w, row, length, shares)
    if values[_DISLIKES] < 0.0:
        _blame_dislike(s, w, row, length, shares[_DISLIKES])
    for source in range(shares.shape[0]):
        total = 0.0
        for lag in range(length):
            total += shares[source, lag]
        for lag in range(length):
            shares[source, lag] = shares[source, lag] / total if total > 0.0 else 0.0


@inner
def _shapley(
    r: ranker.Ranker, features: NDArray[np.float32], context: NDArray[np.float32],
    count: int, at: int, groups: NDArray[np.int64], values: NDArray[np.float64],
) -> None:  # fmt: skip
    """Write the value of each of `groups`; all 2^n coalitions, each one group from the last.

    What goes into a hidden unit is a sum over groups, so that a coalition costs its units only.
    """
    n, units, given = groups.shape[0], r.out.shape[0], r.skip.shape[0]
    z, steps = np.zeros(units), np.zeros((n, units))
    for h in range(units):
        z[h] = r.hidden[h, given + context.shape[0]]
        for c in range(context.shape[0]):
            z[h] += r.hidden[h, given + c] * context[c]
    for f in range(given):
        mean = 0.0
        for other in range(count):
            mean += features[f, other]
        mean /= count
        for h in range(units):
            z[h] += r.hidden[h, f] * mean
        for bit in range(n):
            if f // 3 == groups[bit]:
                apart = features[f, at] - mean
                values[groups[bit]] += r.skip[f] * apart
                for h in range(units):
                    steps[bit, h] += r.hidden[h, f] * apart
    worths = np.empty(1 << n)
    worths[0] = _bent(r.out, z)
    members = 0
    for number in range(1, 1 << n):
        bit = 0
        while not (number >> bit) & 1:
            bit += 1
        members ^= 1 << bit  # Gray's code
        sign = 1.0 if (members >> bit) & 1 else -1.0
        for h in range(units):
            z[h] += sign * steps[bit, h]
        worths[members] = _bent(r.out, z)
    _weigh(worths, n, groups, values)


@inner
def _bent(out: NDArray[np.float32], z: NDArray[np.float64]) -> float:
    total = 0.0
    for h in range(z.shape[0]):
        total += out[h] * max(z[h], ranker.LEAK * z[h])
    return total


@inner
def _weigh(
    worths: NDArray[np.float64], n: int, groups: NDArray[np.int64], values: NDArray[np.float64]
) -> None:
    """Add every group's mean worth over the orders in which the groups may come."""
    weight, sizes = np.empty(n), np.zeros(1 << n, np.int64)
    weight[0] = 1.0 / n
    for size in range(1, n):
        weight[size] = weight[size - 1] * size / (n - size)
    for members in range(1 << n):
        sizes[members] = sizes[members >> 1] + (members & 1)
    for bit in range(n):
        for members in range(1 << n):
            if not (members >> bit) & 1:
                gain = worths[members | (1 << bit)] - worths[members]
                values[groups[bit]] += weight[sizes[members]] * gain


@inner
def _share_pulls(s: State, w: Scratch, row: int, length: int, shares: NDArray[np.float64]) -> None:
    for lag in range(length):
        source = w.taste[lag]
        if source < 0:
            continue
        if source == row:
            shares[OWN, lag] = 1.0
            continue
        age = w.ages[lag]
        for number, horizon in (
            (FAST, s.fast), (SLOW, s.slow), (FORWARD, s.forward), (RECENT, s.recent)
        ):  # fmt: skip
            if w.listed_count[number] >= 0:
                pull = cooccurrence.pull(horizon, source, lag, age)
                shares[number, lag] = pull * cooccurrence.between(horizon, source, row)


@inner
def _share_vectors(
    s: State, w: Scratch, row: int, length: int, shares: NDArray[np.float64]
) -> None:
    """What each past item adds to the inner product; what is against the candidate has no share."""
    c, e = s.content, s.embeddings
    for lag in range(length):
        source = w.taste[lag]
        if source < 0:
            continue
        if w.listed_count[CONTENT] >= 0 and lag < c.parameters[0]:
            near = float(dot(c.vectors[source], c.vectors[row], c.vectors.shape[1]))
            shares[CONTENT, lag] = max(near, 0.0) * c.parameters[1] ** lag
        if w.listed_count[EMBEDDINGS] >= 0 and lag < e.parameters[0]:
            near = float(dot(e.inward[source], e.outward[row], e.inward.shape[1]))
            shares[EMBEDDINGS, lag] = max(near, 0.0) * e.parameters[1] ** lag


@inner
def _blame_dislike(
    s: State, w: Scratch, row: int, length: int, shares: NDArray[np.float64]
) -> None:
    """All of the push is the one disliked item's that pushes hardest (see `ranking`)."""
    c, e = s.content.vectors, s.embeddings.inward
    norm = float(dot(e[row], e[row], e.shape[1]))
    nearest, most, strength = -1, 0.0, 1.0
    for lag in range(length):
        disliked = w.history[lag]
        if disliked >= 0 and w.disliked[lag] > 0:
            like = max(float(dot(c[disliked], c[row], c.shape[1])), 0.0) ** 2
            norms = norm * float(dot(e[disliked], e[disliked], e.shape[1]))
            if norms > 0.0:
                like += max(float(dot(e[disliked], e[row], e.shape[1])), 0.0) ** 2 / norms
            push = strength * float(w.disliked[lag]) * like
            if push > most:
                nearest, most = lag, push
        strength *= FORGIVEN
    if nearest >= 0:
        shares[nearest] = 1.0
