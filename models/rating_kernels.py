"""Kernels of the rating model: what each component says of a pair, and what it learns.

Every component but the bias speaks of the residual, the rating less the biases. Biases and
factors are Kalman filters with a variance a number (Stern, Herbrich and Graepel, Matchbox,
WWW 2009, with a Gaussian likelihood), so that steps shrink as evidence grows; a user's factors
are joined by the echo of what they rated lately (Koren, SVD++, KDD 2008).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models import rating_neighbours, rating_stack
from models.compiled import dividing, inner
from models.index import find, insert
from models.rating_neighbours import Near
from models.rating_tables import (
    ATTRIBUTE,
    AWAY,
    AWAY_FAST,
    AWAY_RECENT,
    AWAY_SLOW,
    BIAS,
    CATEGORIES,
    CROSSES,
    FACTORS,
    FIRST_GUEST,
    GUESTS,
    ITEM_COUNT,
    NUMBERS,
    ONE,
    RECENT,
    RECENT_FAST,
    RECENT_SLOW,
    REGRESSION,
    RING,
    STACK,
    TASTE,
    USER_COUNT,
    Tables,
    Work,
)
from models.vectors import mix

LOWEST: Final = 1.0
HIGHEST: Final = 5.0
# Before the first rating, as if this many had been the middle between "good" and "average".
_MEAN: Final = 3.5
_MEAN_WEIGHT: Final = 20.0
# Variances at the start, and what is added per rating so that steps never reach zero: users'
# moods drift, items hardly do. In units of the rating's own noise, 1.
_USER_BIAS, _USER_DRIFT = 0.2, 0.004
_ITEM_BIAS, _ITEM_DRIFT = 0.3, 0.0001
_USER_FACTOR, _ITEM_FACTOR, _FACTOR_DRIFT = 0.1, 0.2, 1e-5
# Factors begin as small random numbers: at zero they would have no direction to learn.
_FIRST_FACTOR, _FIRST_ECHO, _ECHO_RATE = 0.05, 0.005, 0.02
_OF_CATEGORY, _OF_ITEM_MEAN, _OF_NUMBER = 0.05, 0.2, 0.05
_LARGEST: Final = 10.0
# Ratings of an (attribute, item) before their mean counts half.
_SHRINKAGE: Final = 8.0
_FAST, _MIDDLE, _SLOW = 0.5, 0.2, 0.05
_KEPT: Final = 4.0


@njit(cache=True, nogil=True)
def start(t: Tables) -> None:
    """The first state of an empty model."""
    t.mean[0], t.mean[1], t.mean[2], t.mean[3] = _MEAN, _MEAN_WEIGHT, 0.0, 0.0
    rating_stack.start(t)


@njit(cache=True, nogil=True)
def foretell(
    t: Tables, near: Near, w: Work, user_key: np.uint64, item_key: np.uint64, now: float
) -> float:
    """The rating this user would give this item, 1 to 5; writes nothing but `w`."""
    user, item = find(t.user_slots, t.user_key, user_key), find(t.item_slots, t.item_key, item_key)
    if user >= t.user_key.shape[0] or item >= t.item_key.shape[0]:
        user = item = -1
    _say(t, w, user, item, item_key, now)
    if user >= 0 and item >= 0:
        ring, residuals = t.user_ring[user], t.user_residual[user]
        rating_neighbours.say(near, user, item, ring, residuals, w.stack[STACK:])
    said = rating_stack.foretold(t, w)
    if not math.isfinite(said):
        return _MEAN
    return min(max(said, LOWEST), HIGHEST)


@njit(cache=True, nogil=True)
def learn(
    t: Tables, near: Near, w: Work, users: NDArray[np.uint64], items: NDArray[np.uint64],
    ratings: NDArray[np.float64], times: NDArray[np.float64],
    starts: NDArray[np.int64], attributes: NDArray[np.uint64], guests: NDArray[np.float64],
    begin: int, out: NDArray[np.float64],
) -> int:  # fmt: skip
    """Foretell, then learn each rating from `begin` on; return where it stopped.

    It stops before a user or an item there is no room for; ratings are finite.
    """
    for at in range(begin, users.shape[0]):
        user = find(t.user_slots, t.user_key, users[at])
        item = find(t.item_slots, t.item_key, items[at])
        if (user < 0 and t.used[0] >= t.most[0]) or (item < 0 and t.used[1] >= t.most[1]):
            return at
        told = min(starts[at + 1] - starts[at], w.attributes.shape[0])
        for place in range(w.attributes.shape[0]):
            # A plain 0 beside an unsigned number would make both a float, which cannot hold a key.
            w.attributes[place] = attributes[starts[at] + place] if place < told else np.uint64(0)
        for guest in range(GUESTS):
            w.guests[guest] = guests[at, guest]
        out[at] = foretell(t, near, w, users[at], items[at], times[at])
        if user < 0:
            user = _new_user(t, users[at])
        if item < 0:
            item = new_item(t, items[at])
        rating = min(max(ratings[at], LOWEST), HIGHEST)
        ring, residuals, count = t.user_ring[user], t.user_residual[user], t.item_count[item]
        residual = rating - w.stack[BIAS]
        rating_neighbours.learn(near, user, item, residual, ring, residuals, count)
        _learn_one(t, w, user, item, rating, times[at])
    return users.shape[0]


@inner
def _say(t: Tables, w: Work, user: int, item: int, item_key: np.uint64, now: float) -> None:
    s, base = w.stack, t.mean[0]
    base += t.user_bias[user, 0] if user >= 0 else 0.0
    base += t.item_bias[item, 0] if item >= 0 else 0.0
    s[ONE], s[BIAS] = 1.0, base
    s[FACTORS] = _by_factors(t, w, user, item)
    s[REGRESSION] = _by_taste(t, w, user, item)
    s[ATTRIBUTE] = _by_attributes(t, w, item_key)
    users, items = t.user_count[user] if user >= 0 else 0, t.item_count[item] if item >= 0 else 0
    s[USER_COUNT], s[ITEM_COUNT] = math.log1p(users) * 0.2, math.log1p(items) * 0.2
    for at in range(3):
        s[RECENT_FAST + at] = t.user_recent[user, at] if user >= 0 else 0.0
    # A mood passes: what was said of late counts by how long ago that was.
    s[AWAY] = math.log1p(max(now - t.user_time[user], 0.0)) * 0.1 if users > 0 else 0.0
    s[AWAY_FAST] = s[AWAY] * s[RECENT_FAST]
    s[AWAY_RECENT] = s[AWAY] * s[RECENT]
    s[AWAY_SLOW] = s[AWAY] * s[RECENT_SLOW]
    for guest in range(GUESTS):
        said = w.guests[guest] - base
        s[FIRST_GUEST + guest] = min(max(said, -_KEPT), _KEPT) if math.isfinite(said) else 0.0
    s[STACK:] = 0.0


@inner
def _by_factors(t: Tables, w: Work, user: int, item: int) -> float:
    factors, total = w.who.shape[0], 0.0
    if user < 0 or item < 0:
        return 0.0
    for f in range(factors):
        w.who[f] = t.user_factors[user, f]
    weight = _echo_weight(t, user)
    for at in range(RING):
        rated = t.user_ring[user, at]
        if 0 <= rated < t.item_echo.shape[0]:
            said = weight * t.user_residual[user, at]
            for f in range(factors):
                w.who[f] += said * t.item_echo[rated, f]
    for f in range(factors):
        total += w.who[f] * t.item_factors[item, f]
    return total


@inner
def _echo_weight(t: Tables, user: int) -> float:
    return 1.0 / math.sqrt(min(t.user_count[user], RING) + 5.0)


@inner
def _by_taste(t: Tables, w: Work, user: int, item: int) -> float:
    if user < 0 or item < 0:
        return 0.0
    x, bits, mask = w.x, 0, t.item_categories[item]
    for at in range(CATEGORIES):
        bits += (mask >> np.uint32(at)) & np.uint32(1)
    for at in range(CATEGORIES):
        has = (mask >> np.uint32(at)) & np.uint32(1)
        x[at] = 1.0 / math.sqrt(bits) if has else 0.0
    x[CATEGORIES] = t.item_bias[item, 0]
    x[CATEGORIES + 1] = 0.5 * (math.log1p(t.item_count[item]) - t.mean[2])
    for number in range(NUMBERS):
        n, mean, squares = t.numbers[number, 0], t.numbers[number, 1], t.numbers[number, 2]
        value, scaled = t.item_numbers[item, number], 0.0
        if (t.item_numbered[item] >> number) & 1 and squares > 0.0:
            scaled = min(max((value - mean) / math.sqrt(squares / n), -3.0), 3.0)
        x[CATEGORIES + 2 + number] = scaled
    total = 0.0
    for at in range(TASTE):
        total += t.user_taste[user, at] * x[at]
    return total


@inner
def _bucket(attribute: np.uint64, item_key: np.uint64) -> int:
    return int(mix(attribute ^ mix(item_key)) % np.uint64(CROSSES))


@inner
def _by_attributes(t: Tables, w: Work, item_key: np.uint64) -> float:
    total, told = 0.0, 0
    for at in range(w.attributes.shape[0]):
        if w.attributes[at] != 0:
            bucket = _bucket(w.attributes[at], item_key)
            total += t.crosses[bucket, 0] / (t.crosses[bucket, 1] + _SHRINKAGE)
            told += 1
    return total / math.sqrt(told) if told else 0.0


@inner
def _learn_one(t: Tables, w: Work, user: int, item: int, rating: float, time: float) -> None:
    said = rating_stack.foretold(t, w)
    residual = rating - w.stack[BIAS]
    if not rating_stack.learn(t, w, rating - min(max(said, LOWEST - 1.0), HIGHEST + 1.0)):
        t.counts[1] += 1
    _learn_factors(t, w, user, item, residual)
    _learn_taste(t, w, user, item, residual)
    _learn_attributes(t, w, t.item_key[item], residual)
    _learn_bias(t, user, item, residual)
    for at, rate in enumerate((_FAST, _MIDDLE, _SLOW)):
        t.user_recent[user, at] += rate * (residual - t.user_recent[user, at])
    place = t.user_count[user] % RING
    t.user_ring[user, place], t.user_residual[user, place] = item, residual
    t.mean[3] = min(t.mean[3] + 1.0, 1e4)
    t.mean[2] += (math.log1p(t.item_count[item]) - t.mean[2]) / t.mean[3]
    t.counts[0] += 1
    t.user_count[user] += 1
    t.item_count[item] += 1
    t.user_last[user] = t.item_last[item] = t.counts[0]
    t.user_time[user] = max(t.user_time[user], time)


@inner
def _learn_bias(t: Tables, user: int, item: int, residual: float) -> None:
    t.mean[1] += 1.0
    t.mean[0] += residual / t.mean[1]
    u, i = t.user_bias[user], t.item_bias[item]
    spread = 1.0 + u[1] + i[1]
    u[0] = min(max(u[0] + u[1] / spread * residual, -_KEPT), _KEPT)
    i[0] = min(max(i[0] + i[1] / spread * residual, -_KEPT), _KEPT)
    u[1] += _USER_DRIFT - u[1] * u[1] / spread
    i[1] += _ITEM_DRIFT - i[1] * i[1] / spread


@dividing
def _learn_factors(t: Tables, w: Work, user: int, item: int, residual: float) -> None:
    """A step of the user's and the item's filters, and of the echo of all in the ring."""
    said, spread, factors = _by_factors(t, w, user, item), 1.0, w.who.shape[0]
    p, q = t.user_factors[user], t.item_factors[item]
    vp, vq = t.user_spread[user], t.item_spread[item]
    for f in range(factors):
        spread += vq[f] * w.who[f] ** 2 + vp[f] * q[f] ** 2
    error = min(max(residual - said, -_KEPT), _KEPT)
    echo = _ECHO_RATE * error * _echo_weight(t, user)
    for at in range(RING):
        rated = t.user_ring[user, at]
        if rated >= 0:
            step = echo * t.user_residual[user, at]
            for f in range(factors):
                moved = t.item_echo[rated, f] + step * q[f]
                t.item_echo[rated, f] = min(max(moved, -_LARGEST), _LARGEST)
    for f in range(factors):
        old, who = q[f], w.who[f]
        q[f] = min(max(old + vq[f] * who / spread * error, -_LARGEST), _LARGEST)
        p[f] = min(max(p[f] + vp[f] * old / spread * error, -_LARGEST), _LARGEST)
        vq[f] += _FACTOR_DRIFT - (vq[f] * who) ** 2 / spread
        vp[f] += _FACTOR_DRIFT - (vp[f] * old) ** 2 / spread


@dividing
def _learn_taste(t: Tables, w: Work, user: int, item: int, residual: float) -> None:
    """Bayesian linear regression of the user's residuals on what the item is, one row further."""
    error = residual - _by_taste(t, w, user, item)
    c, x, gain, spread, sound = t.user_covariance[user], w.x, w.gain, 1.0, True
    for row in range(TASTE):
        gain[row] = 0.0
        for column in range(TASTE):
            gain[row] += c[row, column] * x[column]
        spread += x[row] * gain[row]
    for row in range(TASTE):
        moved = t.user_taste[user, row] + gain[row] / spread * error
        t.user_taste[user, row] = min(max(moved, -_LARGEST), _LARGEST)
        for column in range(row + 1):
            left = c[row, column] - np.float32(gain[row] * gain[column] / spread)
            c[row, column] = left
            c[column, row] = left
        sound = sound and c[row, row] > 0.0
    if not sound or spread < 1.0:  # rounding ate the variance: begin again with what is known
        t.counts[1] += 1
        _start_taste(t, user)


@inner
def _learn_attributes(t: Tables, w: Work, item_key: np.uint64, residual: float) -> None:
    for at in range(w.attributes.shape[0]):
        if w.attributes[at] != 0:
            bucket = _bucket(w.attributes[at], item_key)
            if t.crosses[bucket, 1] >= 1e6:  # beyond, float32 would count no further
                t.crosses[bucket, 0] *= np.float32(0.5)
                t.crosses[bucket, 1] *= np.float32(0.5)
            t.crosses[bucket, 0] += np.float32(residual)
            t.crosses[bucket, 1] += np.float32(1.0)


@inner
def _start_taste(t: Tables, user: int) -> None:
    for row in range(TASTE):
        for column in range(TASTE):
            t.user_covariance[user, row, column] = 0.0
        spread = _OF_CATEGORY if row < CATEGORIES or row == CATEGORIES + 1 else _OF_NUMBER
        t.user_covariance[user, row, row] = _OF_ITEM_MEAN if row == CATEGORIES else spread


@inner
def _draw(key: np.uint64, at: int) -> float:
    """A number of mean 0 and variance 1, near enough to normal: the sum of four uniform ones."""
    total = -2.0
    for part in range(4):
        bits = mix(key + np.uint64(4 * at + part))
        total += float(bits >> np.uint64(11)) * 2.0**-53
    return total * math.sqrt(3.0)


@inner
def _new_user(t: Tables, key: np.uint64) -> int:
    row = t.used[0]
    t.user_key[row] = key
    t.user_bias[row, 1] = _USER_BIAS
    for f in range(t.user_factors.shape[1]):
        t.user_factors[row, f] = _FIRST_FACTOR * _draw(key, f)
        t.user_spread[row, f] = _USER_FACTOR
    _start_taste(t, row)
    insert(t.user_slots, key, row)
    t.used[0] = row + 1
    return int(row)


@njit(cache=True, nogil=True)
def new_item(t: Tables, key: np.uint64) -> int:
    """Meet an item: give it the next row. The tables must have room."""
    row, factors = t.used[1], t.item_factors.shape[1]
    t.item_key[row] = key
    t.item_last[row] = t.counts[0]
    t.item_bias[row, 1] = _ITEM_BIAS
    for f in range(factors):
        t.item_factors[row, f] = _FIRST_FACTOR * _draw(key, f)
        t.item_echo[row, f] = _FIRST_ECHO * _draw(key, factors + f)
        t.item_spread[row, f] = _ITEM_FACTOR
    insert(t.item_slots, key, row)
    t.used[1] = row + 1
    return int(row)
