"""Matrix factorisation for implicit feedback, solved in closed form as events come.

The user is never stored: `x = (a·G + Σ w_j q_j q_jᵀ + λ)⁻¹ Σ w_j q_j` over the history, with
`w = decay^lag·(floor + 1/(1+age/tau))`. An event solves its item anew from the fading sums
of its users, `q = (b·P + A + λ)⁻¹ Σ x`. All unseen items count as negatives, through G and P
(Hu, Koren & Volinsky, 2008), so none are sampled. Off unless asked for: 4 KB an item.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.compiled import inner
from models.settings import Factors as Settings
from models.tables import Arena
from models.vectors import mix, place, products, tiles_of

MOST_DIMS: Final = 32
# A pivot below it would be noise.
_TINY: Final = 1e-9
# Share of a new user in the mean of all users' products.
_NEWS: Final = np.float32(0.001)
_LENGTH, _DECAY, _TAU, _FLOOR, _UNSEEN, _UNSEEN_USERS, _REGULAR, _MEMORY = range(8)


class Factors(NamedTuple):
    """View; `vectors` is float32[items, dims], or without rows while the source is off."""

    vectors: NDArray[np.float32]
    products: NDArray[np.float32]  # A: [items, dims, dims], upper half
    sums: NDArray[np.float32]  # [items, dims]
    items: NDArray[np.float32]  # G: [dims, dims], upper half
    users: NDArray[np.float32]  # P: [dims, dims], upper half
    rejected: NDArray[np.int64]  # [1] solutions left out: not finite
    parameters: NDArray[np.float64]
    tiles: NDArray[np.float32]
    work: NDArray[np.float32]  # the learner's own: [dims + 1, dims]


def declare(arena: Arena, settings: Settings, on: bool) -> None:
    dims, rows = settings.dims, "items" if on else 0
    arena.add("factors.vectors", np.float32, rows, dims)
    arena.add("factors.products", np.float32, rows, dims, dims)
    arena.add("factors.sums", np.float32, rows, dims)
    arena.add("factors.items", np.float32, dims, dims)
    arena.add("factors.users", np.float32, dims, dims)
    arena.add("factors.rejected", np.int64, 1)


def turn(arena: Arena, settings: Settings, on: bool) -> None:
    """Give the tables their rows, empty, or take them away; nothing where it is so already."""
    if (arena["factors.vectors"].shape[0] > 0) != on:
        dims, rows = settings.dims, "items" if on else 0
        arena.reshape("factors.vectors", rows, dims)
        arena.reshape("factors.products", rows, dims, dims)
        arena.reshape("factors.sums", rows, dims)
        arena.reshape("factors.items", dims, dims)
        arena.reshape("factors.users", dims, dims)


def view(arena: Arena, settings: Settings) -> Factors:
    s = settings
    names = ("vectors", "products", "sums", "items", "users", "rejected")
    columns = [arena[f"factors.{name}"] for name in names]
    parameters = np.array(
        [s.length, s.decay, s.tau, s.floor, s.unseen, s.unseen_users, s.regularisation, s.memory]
    )
    work = np.zeros((s.dims + 1, s.dims), np.float32)
    return Factors._make([*columns, parameters, tiles_of(columns[0]), work])


def forget(arena: Arena, gone: NDArray[np.int64]) -> None:
    """Take the vectors of the rows `gone` out of the sum over all items."""
    if arena["factors.vectors"].shape[0] > 0:
        _forget(arena["factors.vectors"], arena["factors.items"], gone)


@njit(cache=True, nogil=True)
def _forget(
    vectors: NDArray[np.float32], items: NDArray[np.float32], gone: NDArray[np.int64]
) -> None:
    for at in range(gone.shape[0]):
        _replace(items, vectors[gone[at]], np.float32(-1.0))


@njit(cache=True, nogil=True)
def solve(a: NDArray[np.float32], b: NDArray[np.float32], x: NDArray[np.float32]) -> None:
    """Solve `a·x = b` by Cholesky for the upper half of a positive `a`, which is spent.

    Rows are read along their length, never down a column: that is three times as fast.
    """
    dims = b.shape[0]
    for k in range(dims):
        pivot = a[k]
        root = math.sqrt(max(pivot[k], np.float32(_TINY)))
        inverse = np.float32(1.0 / root)
        for j in range(k, dims):
            pivot[j] *= inverse
        pivot[k] = root
        for i in range(k + 1, dims):
            row, factor = a[i], pivot[i]
            for j in range(i, dims):
                row[j] -= factor * pivot[j]
    for k in range(dims):
        x[k] = b[k]
    for k in range(dims):
        pivot = a[k]
        x[k] /= pivot[k]
        for i in range(k + 1, dims):
            x[i] -= pivot[i] * x[k]
    for k in range(dims - 1, -1, -1):
        pivot, total = a[k], x[k]
        for i in range(k + 1, dims):
            total -= pivot[i] * x[i]
        x[k] = total / pivot[k]


@njit(cache=True, nogil=True)
def user(
    f: Factors, history: NDArray[np.int32], ages: NDArray[np.float64], length: int,
    work: NDArray[np.float32], x: NDArray[np.float32],
) -> bool:  # fmt: skip
    """Write the user's vector (float32[dims]); `work` has room for dims + 1 rows. False: none."""
    p, dims, known = f.parameters, f.items.shape[0], False
    a, b = work[:dims, :dims], work[dims, :dims]
    for i in range(dims):
        b[i] = 0.0
        for j in range(i, dims):
            a[i, j] = np.float32(p[_UNSEEN]) * f.items[i, j]
        a[i, i] += np.float32(p[_REGULAR])
    factor = 1.0
    for lag in range(min(int(p[_LENGTH]), length)):
        # An item met while the source was off has no vector yet: it says nothing.
        if history[lag] >= 0 and f.vectors[history[lag], 0] != 0.0:
            known = True
            q = f.vectors[history[lag]]
            near = p[_FLOOR] + 1.0 / (1.0 + max(ages[lag], 0.0) / p[_TAU])
            weight = np.float32(factor * near)
            for i in range(dims):
                share = weight * q[i]
                b[i] += share
                for j in range(i, dims):
                    a[i, j] += share * q[j]
        factor *= p[_DECAY]
    if known:
        solve(a, b, x[:dims])
    return known


@njit(cache=True, nogil=True)
def score(f: Factors, x: NDArray[np.float32], out: NDArray[np.float32], items: int) -> None:
    """Score all `items` (float32[items]), the best one 1, negative ones 0."""
    products(f.tiles, x, out, items)
    most = np.float32(0.0)
    for row in range(items):
        out[row] = max(out[row], np.float32(0.0))
        most = max(most, out[row])
    if most > 0.0:
        share = np.float32(1.0) / most
        for row in range(items):
            out[row] *= share


@njit(cache=True, nogil=True)
def start(f: Factors, item: int, key: np.uint64) -> None:
    """Give an item its first vector, drawn by its key alone."""
    dims = f.items.shape[0]
    for d in range(dims):
        bits = mix(key + np.uint64(d) * np.uint64(0xD1B54A32D192ED03))
        f.vectors[item, d] = np.float32(((bits >> np.uint64(11)) * 2.0**-53 - 0.5) * 0.2)
    _replace(f.items, f.vectors[item], np.float32(1.0))
    place(f.tiles, item, f.vectors[item])


@njit(cache=True, nogil=True)
def _replace(items: NDArray[np.float32], q: NDArray[np.float32], sign: np.float32) -> None:
    dims = q.shape[0]
    for i in range(dims):
        for j in range(i, dims):
            items[i, j] += sign * q[i] * q[j]


@njit(cache=True, nogil=True)
def learn(
    f: Factors, item: int, key: np.uint64, history: NDArray[np.int32], ages: NDArray[np.float64],
    length: int, weight: float, x: NDArray[np.float32],
) -> None:  # fmt: skip
    """Solve the item of an event of `weight` (at most 1) anew with the user of this history."""
    p, dims = f.parameters, f.items.shape[0]
    fresh = True
    for d in range(dims):
        fresh = fresh and f.vectors[item, d] == 0.0
    if fresh:
        start(f, item, key)
    if not user(f, history, ages, length, f.work, x):
        return
    if not _is_finite(x, dims):
        f.rejected[0] += 1
        return
    memory, share, q = np.float32(p[_MEMORY]), np.float32(weight), f.vectors[item]
    for i in range(dims):
        f.sums[item, i] = memory * f.sums[item, i] + share * x[i]
        for j in range(i, dims):
            both = x[i] * x[j]
            f.products[item, i, j] = memory * f.products[item, i, j] + share * both
            f.users[i, j] += _NEWS * (both - f.users[i, j])
            f.work[i, j] = f.products[item, i, j] + np.float32(p[_UNSEEN_USERS]) * f.users[i, j]
        f.work[i, i] += np.float32(p[_REGULAR])
    solve(f.work[:dims], f.sums[item], x[:dims])
    if not _is_finite(x, dims):
        f.rejected[0] += 1
        return
    _replace(f.items, q, np.float32(-1.0))
    for d in range(dims):
        q[d] = x[d]
    _replace(f.items, q, np.float32(1.0))
    place(f.tiles, item, q)


@inner
def _is_finite(x: NDArray[np.float32], dims: int) -> bool:
    broken = 0
    for d in range(dims):
        broken += not math.isfinite(x[d])
    return broken == 0
