"""Time-aware item co-occurrence, one horizon per set of parameters.

For the history item j at lag d (0 = newest) and age t before an event on i:
`W[j,i] += w·decay^d·(floor + 1/(1+t/tau))`, the reverse pair a share `back` of it, and
`n[i] += w`; all fade with events. Dense while the catalogue is small; above `DENSE_ITEMS`
each row keeps its `SLOTS` heaviest partners.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.compiled import dividing, inner
from models.listing import list_best, list_touched
from models.partners import SLOTS, claim, follow, slot_of
from models.settings import Cooccurrence as Settings
from models.tables import Arena

# A dense matrix costs items² × 4 bytes a horizon: 64 MB here, and a snapshot carries it.
DENSE_ITEMS: Final = 4096
#: Places of the sieve that `spread` looks for rows with: many more than there are rows.
SIEVE: Final = 4096
_GROWN: Final = 1024.0

(
    LENGTH, DECAY, SCORE_LENGTH, SCORE_DECAY, ALPHA, BETA, BACK, GROWTH, TAU, SCORE_TAU, FLOOR,
) = range(11)  # fmt: skip


class Cooccurrence(NamedTuple):
    """View over one horizon. `dense` is float32[items, items] or empty; then the slots hold."""

    dense: NDArray[np.float32]
    partner: NDArray[np.int32]  # [items, SLOTS], row + 1, 0 = free
    weight: NDArray[np.float32]  # [items, SLOTS]
    total: NDArray[np.float64]  # n
    source_norm: NDArray[np.float64]  # n^-alpha
    target_norm: NDArray[np.float64]  # n^-beta
    scale: NDArray[np.float64]  # [growth of a weight since the last rescale]
    parameters: NDArray[np.float64]


def declare(arena: Arena, name: str) -> None:
    arena.add(f"cooccurrence.{name}.dense", np.float32, "dense", "dense")
    arena.add(f"cooccurrence.{name}.partner", np.int32, 0, 0)
    arena.add(f"cooccurrence.{name}.weight", np.float32, 0, 0)
    for column in ("count", "source_norm", "target_norm"):
        arena.add(f"cooccurrence.{name}.{column}", np.float64, "items")
    arena.add(f"cooccurrence.{name}.scale", np.float64, 1, fill=1.0)


def view(arena: Arena, name: str, settings: Settings) -> Cooccurrence:
    s = settings
    parameters = np.array(
        [
            s.length, s.decay, s.score_length, s.score_decay, s.alpha, s.beta, s.back,
            math.pow(2.0, 1.0 / s.half_life), s.tau, s.score_tau, s.floor,
        ]
    )  # fmt: skip
    columns = ("dense", "partner", "weight", "count", "source_norm", "target_norm", "scale")
    tables = [arena[f"cooccurrence.{name}.{column}"] for column in columns]
    return Cooccurrence._make([*tables, parameters])


def go_sparse(arena: Arena, name: str) -> None:
    """Keep the heaviest `SLOTS` partners of every row and give the dense matrix back."""
    items = arena.count("items")
    dense = arena[f"cooccurrence.{name}.dense"][:items, :items].copy()
    make_sparse(arena, name)
    _to_slots(dense, arena[f"cooccurrence.{name}.partner"], arena[f"cooccurrence.{name}.weight"])


def make_sparse(arena: Arena, name: str) -> None:
    """Give the tables the sparse shape, empty: what a dump of a sparse state is loaded into."""
    arena.drop(f"cooccurrence.{name}.dense")
    arena.reshape(f"cooccurrence.{name}.partner", "items", SLOTS)
    arena.reshape(f"cooccurrence.{name}.weight", "items", SLOTS)


@njit(cache=True, nogil=True)
def _to_slots(
    dense: NDArray[np.float32], partner: NDArray[np.int32], weight: NDArray[np.float32]
) -> None:
    for row in range(dense.shape[0]):
        others = np.flatnonzero(dense[row])
        order = np.argsort(-dense[row][others], kind="mergesort")
        for slot in range(min(SLOTS, others.shape[0])):
            other = others[order[slot]]
            partner[row, slot] = other + 1
            weight[row, slot] = dense[row, other]


def renumber(arena: Arena, name: str, moved: NDArray[np.int32]) -> None:
    """Follow rows to where they moved (int32[items], -1 = gone); what is gone is no partner."""
    partner, weight = (arena[f"cooccurrence.{name}.{column}"] for column in ("partner", "weight"))
    follow(partner, (weight,), moved, arena.count("items"))


@njit(cache=True, nogil=True)
def _add(
    dense: NDArray[np.float32], partner: NDArray[np.int32], weight: NDArray[np.float32],
    source: int, target: int, amount: float,
) -> None:  # fmt: skip
    if partner.shape[0] == 0:
        dense[source, target] += np.float32(amount)
        return
    row, weights = partner[source], weight[source]
    slot = slot_of(row, target + 1)
    if slot < 0:
        slot = claim(row, weights, target + 1)
    weights[slot] += np.float32(amount)


@njit(cache=True, nogil=True)
def _note_count(c: Cooccurrence, item: int) -> None:
    # Norms use n in grown units: the common factor is the same for every candidate of a list.
    c.source_norm[item] = math.pow(c.total[item], -c.parameters[ALPHA])
    c.target_norm[item] = math.pow(c.total[item], -c.parameters[BETA])


@njit(cache=True, nogil=True)
def learn(
    c: Cooccurrence, item: int, history: NDArray[np.int32], ages: NDArray[np.float64], length: int,
    weight: float, items: int,
) -> None:  # fmt: skip
    """Pair `item` with the newest of `history` (int32 rows, newest first; ages in seconds)."""
    p = c.parameters
    amount = weight * c.scale[0]
    factor = 1.0
    for lag in range(min(int(p[LENGTH]), length)):
        other = history[lag]
        if other >= 0 and other != item:
            x = amount * factor * (p[FLOOR] + 1.0 / (1.0 + max(ages[lag], 0.0) / p[TAU]))
            _add(c.dense, c.partner, c.weight, other, item, x)
            if p[BACK] > 0.0:
                _add(c.dense, c.partner, c.weight, item, other, x * p[BACK])
        factor *= p[DECAY]
    c.total[item] += amount
    _note_count(c, item)
    c.scale[0] *= p[GROWTH]
    if c.scale[0] > _GROWN:
        _rescale(c, items)


@njit(cache=True, nogil=True)
def _rescale(c: Cooccurrence, items: int) -> None:
    shrink = 1.0 / c.scale[0]
    for row in range(items):
        if c.partner.shape[0] == 0:
            for column in range(items):
                c.dense[row, column] *= np.float32(shrink)
        else:
            for slot in range(SLOTS):
                c.weight[row, slot] *= np.float32(shrink)
        if c.total[row] > 0.0:
            c.total[row] *= shrink
            _note_count(c, row)
    c.scale[0] = 1.0


@njit(cache=True, nogil=True)
def pull(c: Cooccurrence, source: int, lag: int, age: float) -> float:
    """Factor that history item `source` at `lag` and `age` (seconds) puts on its partners."""
    return _pull(c.parameters, c.total, c.source_norm, source, lag, age)


@njit(cache=True, nogil=True)
def _pull(
    p: NDArray[np.float64], total: NDArray[np.float64], norm: NDArray[np.float64],
    source: int, lag: int, age: float,
) -> float:  # fmt: skip
    if lag >= int(p[SCORE_LENGTH]) or total[source] <= 0.0:
        return 0.0
    time = p[FLOOR] + 1.0 / (1.0 + max(age, 0.0) / p[SCORE_TAU])
    return math.pow(p[SCORE_DECAY], lag) * time * norm[source]


@njit(cache=True, nogil=True)
def between(c: Cooccurrence, source: int, target: int) -> float:
    """W[source, target]."""
    if c.partner.shape[0] == 0:
        return c.dense[source, target]
    for slot in range(SLOTS):
        if c.partner[source, slot] == target + 1:
            return c.weight[source, slot]
    return 0.0


@njit(cache=True, nogil=True)
def score(
    c: Cooccurrence, history: NDArray[np.int32], ages: NDArray[np.float64], length: int,
    out: NDArray[np.float32], touched: NDArray[np.int32], found: NDArray[np.float32], items: int,
) -> tuple[int, np.float32]:  # fmt: skip
    """Score items for a history, the best one 1, in `out` (float32[items], zeros before).

    Of a large catalogue only few are touched: their rows, once each, are written into `touched`,
    their scores into `found` (int32 and float32[HISTORY * SLOTS + 1]), and `out` has what they
    were made of. Returns how many, -1 where all items have a score, and what they were divided
    by. Whoever asked calls `clear` when it was read.
    """
    count, sparse = 0, c.partner.shape[0] > 0
    for lag in range(length):
        source = history[lag]
        if source >= 0:
            factor = np.float32(_pull(c.parameters, c.total, c.source_norm, source, lag, ages[lag]))
            if factor != 0.0 and sparse:
                count = _add_partners(
                    c.partner[source], c.weight[source], factor, out, items, touched, count
                )
            elif factor != 0.0:
                weights = c.dense[source]
                for row in range(items):
                    out[row] += factor * weights[row]
    if sparse:
        return count, _finish_touched(c.target_norm, out, touched, found, count)
    _finish(c.target_norm, out, items)
    return -1, np.float32(1.0)


@inner
def best(
    out: NDArray[np.float32], touched: NDArray[np.int32], found: NDArray[np.float32], count: int,
    masked: NDArray[np.uint8], listed: NDArray[np.int32], most: int, items: int,
) -> int:  # fmt: skip
    """List the rows of what `score` has written; return how many."""
    if count < 0:
        return list_best(out, masked, listed, most, items)
    return list_touched(found, touched, count, masked, listed, most)


@dividing
def say(
    norm: NDArray[np.float64], scores: NDArray[np.float32], count: int, most: np.float32,
    candidates: NDArray[np.int32], n: int, out: NDArray[np.float32],
) -> None:  # fmt: skip
    """Write the scores of `n` candidates (float32[n]), given what `score` wrote and returned."""
    for at in range(n):
        out[at] = scores[candidates[at]]
    if count > 0 and most > 0.0:
        for at in range(n):
            out[at] = out[at] * np.float32(norm[candidates[at]]) / most


@njit(cache=True, nogil=True)
def clear(out: NDArray[np.float32], touched: NDArray[np.int32], count: int, items: int) -> None:
    """Leave zeros where `score` has written, given the count it returned."""
    if count < 0:
        for row in range(items):
            out[row] = 0.0
    for at in range(count):
        out[touched[at]] = 0.0


@dividing
def _finish(norm: NDArray[np.float64], out: NDArray[np.float32], items: int) -> None:
    most = np.float32(0.0)
    for row in range(items):
        if out[row] > 0.0:
            out[row] *= np.float32(norm[row])
            most = max(most, out[row])
    if most > 0.0:
        for row in range(items):
            out[row] /= most


@dividing
def _finish_touched(
    norm: NDArray[np.float64], out: NDArray[np.float32], touched: NDArray[np.int32],
    found: NDArray[np.float32], count: int,
) -> np.float32:  # fmt: skip
    most = np.float32(0.0)
    for at in range(count):
        row = touched[at]
        found[at] = out[row] * np.float32(norm[row])
        most = max(most, found[at])
    if most > 0.0:
        for at in range(count):
            found[at] /= most
    return most


@njit(cache=True, nogil=True)
def _add_partners(
    partners: NDArray[np.int32], weights: NDArray[np.float32], factor: np.float32,
    out: NDArray[np.float32], items: int, touched: NDArray[np.int32], count: int,
) -> int:  # fmt: skip
    for slot in range(SLOTS):
        row = partners[slot] - 1
        if row < 0:
            return count
        if row < items and weights[slot] > 0.0:
            before = out[row]
            touched[count] = row
            count += before == 0.0
            out[row] = before + factor * weights[slot]
    return count


class Pulls(NamedTuple):
    """What items of a history pull on some rows: `weight[n]` of `lag[n]` on row number `row[n]`."""

    row: NDArray[np.int32]
    lag: NDArray[np.int32]
    weight: NDArray[np.float64]


@inner
def spread(
    c: Cooccurrence, history: NDArray[np.int32], ages: NDArray[np.float64],
    passed: NDArray[np.float32], length: int, rows: NDArray[np.int64], count: int,
    place: NDArray[np.int32], near: NDArray[np.uint8], out: Pulls,
) -> int:  # fmt: skip
    """Write what pulls on the first `count` rows, in the order of lags; return how many.

    Lags that are `passed` over (not 0) pull on nothing, and no item on itself. `place`
    (int32[items]) is 1 + the number of each of the rows, and 0 of all other items; `near`
    (uint8[SIEVE]) is not 0 at `(row + 1) % SIEVE` of each: it stays in the nearest cache. `out`
    has room for `count · length`.
    """
    n, sparse = 0, c.partner.shape[0] > 0
    for lag in range(min(length, int(c.parameters[SCORE_LENGTH]))):
        source = history[lag]
        if source < 0 or passed[lag] > 0.0:
            continue
        factor = _pull(c.parameters, c.total, c.source_norm, source, lag, ages[lag])
        if factor > 0.0 and sparse:
            partners, weights = c.partner[source], c.weight[source]
            n = _spread_one(partners, weights, source, factor, lag, place, near, out, n)
        elif factor > 0.0:
            for at in range(count):
                weight = factor * c.dense[source, rows[at]]
                if weight > 0.0 and rows[at] != source:
                    out.row[n], out.lag[n], out.weight[n] = at, lag, weight
                    n += 1
    return n


@inner
def _spread_one(
    partners: NDArray[np.int32], weights: NDArray[np.float32], source: int, factor: float, lag: int,
    place: NDArray[np.int32], near: NDArray[np.uint8], out: Pulls, n: int,
) -> int:  # fmt: skip
    for slot in range(SLOTS):
        held = partners[slot]  # row + 1
        if held == 0:
            return n
        if near[held & (SIEVE - 1)]:
            row, weight = held - 1, factor * weights[slot]
            if row < place.shape[0] and place[row] > 0 and row != source and weight > 0.0:
                out.row[n], out.lag[n], out.weight[n] = place[row] - 1, lag, weight
                n += 1
    return n
