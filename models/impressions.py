"""What was shown and what of it was taken: click-through counts and the bias of places.

A click says that an item was liked *and* looked at. How much each place is looked at is fitted
online as a conditional logit within the list (McFadden, 1974): of the items shown, the one at
place p with the ranker's score s is taken with odds `exp(scale·s + merit·m + bias[p])`. Places
follow from scores alone, so that given them what is left of the order is attention (the additive
click model of PAL, Guo et al., RecSys 2019; `exp(bias[p])` is the propensity of Joachims et al.,
WSDM 2017, relative to the first place). `m` is the item's own record, clicks over expected
clicks (Zhang & Jones, WWW 2007): what is shown and not taken sinks for everybody.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.compiled import inner
from models.examples import TYPES, Types
from models.index import Slots, find
from models.settings import Impressions as Settings
from models.tables import Arena

#: Places of a list that are learned from; what is shown below them is hardly looked at.
PLACES: Final = 20
#: Rungs a list may come from, in the order of their numbers; the last is any other.
SERVED: Final = ("personal", "session", "trending", "static", "other")
# Longest weight a click gets for a place that is seldom looked at. Without a bound a few clicks
# at the end of long lists would outweigh all others; at 1 nothing is corrected.
LARGEST_WEIGHT: Final = 5.0
# Places past the first, then the scale of the ranker's score and the weight of an item's record.
_SCALE: Final = PLACES - 1
_MERIT: Final = PLACES
_FITTED: Final = PLACES + 1
# Lessons between two steps of the fit: one solves 21 equations.
_BATCH: Final = 16
# What the fit believes before any click: places alike, the score as it is, no record; as strong
# as so many clicks.
_PRIOR: Final = 4.0
# Share of the evidence that stays at each step: some 30,000 lessons count.
_MEMORY: Final = 1.0 - 1.0 / 2000.0
_LONGEST_STEP: Final = 0.5
# An item's record begins as if it had been shown so often and taken as often as the average.
_EVIDENCE: Final = 20.0
# Above this many showings an item's counts are halved, so that an old item can still change.
_MOST_SHOWN: Final = 10_000.0
# A propensity below this was an exploration: the item was drawn, not ranked, into its place.
_DRAWN: Final = 0.5


class Lists(NamedTuple):
    """For n examples the list each was taken from, without what was taken from it before.

    Row i is `start[i]` to `start[i + 1]` of the columns; empty where no list is known.
    """

    start: NDArray[np.int64]  # [n + 1]
    key: NDArray[np.uint64]
    place: NDArray[np.uint8]  # from 0


class Outcomes(NamedTuple):
    """Lists that are closed: what each showed, and a mask of the types each item was taken by."""

    start: NDArray[np.int64]  # [n + 1]
    served: NDArray[np.uint8]  # [n] number in SERVED
    key: NDArray[np.uint64]
    place: NDArray[np.uint8]
    propensity: NDArray[np.float32]
    taken: NDArray[np.uint16]


class Impressions(NamedTuple):
    """View over the tables of one arena."""

    shown: NDArray[np.float64]  # [items] times shown
    expected: NDArray[np.float64]  # [items] times looked at, as far as places tell
    taken: NDArray[np.float64]  # [items]
    places: NDArray[np.float64]  # [PLACES, 2] shown, taken
    served: NDArray[np.float64]  # [len(SERVED), 3] lists, items shown, items taken
    explored: NDArray[np.float64]  # [2] shown, taken
    fitted: NDArray[np.float64]  # [PLACES + 1] log propensities past the first, scale, merit
    evidence: NDArray[np.float64]  # [PLACES + 1, PLACES + 1] information matrix
    gradient: NDArray[np.float64]  # [PLACES + 1] sum of the lessons since the last step
    lessons: NDArray[np.int64]  # [1]
    options: NDArray[np.int64]  # [learn, debias]


_TABLES: Final = (
    "shown", "expected", "taken", "places", "served", "explored", "fitted", "evidence",
    "gradient", "lessons",
)  # fmt: skip


def no_lists(n: int) -> Lists:
    """Lists of `n` examples that were not taken from any."""
    return Lists(np.zeros(n + 1, np.int64), np.empty(0, np.uint64), np.empty(0, np.uint8))


def declare(arena: Arena) -> None:
    for name in _TABLES[:3]:
        arena.add(f"impressions.{name}", np.float64, "items")
    arena.add("impressions.places", np.float64, PLACES, 2)
    arena.add("impressions.served", np.float64, len(SERVED), 3)
    arena.add("impressions.explored", np.float64, 2)
    arena.add("impressions.fitted", np.float64, _FITTED)
    arena.add("impressions.evidence", np.float64, _FITTED, _FITTED)
    arena.add("impressions.gradient", np.float64, _FITTED)
    arena.add("impressions.lessons", np.int64, 1)
    arena["impressions.fitted"][_SCALE] = 1.0


def view(arena: Arena, settings: Settings) -> Impressions:
    options = np.array([settings.learn, settings.learn and settings.debias], np.int64)
    return Impressions._make([*(arena[f"impressions.{name}"] for name in _TABLES), options])


@njit(cache=True, nogil=True)
def propensity(im: Impressions, place: int) -> float:
    """How much a place is looked at, the first one 1; never below 1 / LARGEST_WEIGHT."""
    if place == 0 or not im.options[1]:
        return 1.0
    seen = math.exp(im.fitted[min(place, PLACES - 1) - 1])
    return min(max(seen, 1.0 / LARGEST_WEIGHT), 1.0)


@njit(cache=True, nogil=True)
def count(
    im: Impressions, slots: Slots, keys: NDArray[np.uint64], lists: Outcomes, types: Types,
    items: int,
) -> None:  # fmt: skip
    """Count closed lists. An item is taken by any type that weighs and is not negative."""
    wanted = 0
    for kind in range(TYPES):
        if types.weight[kind] > 0.0 and not types.negative[kind]:
            wanted |= 1 << kind
    for at in range(lists.served.shape[0]):
        rung = min(int(lists.served[at]), len(SERVED) - 1)
        im.served[rung, 0] += 1.0
        for entry in range(lists.start[at], lists.start[at + 1]):
            hit = 1.0 if lists.taken[entry] & wanted else 0.0
            place = min(int(lists.place[entry]), PLACES - 1)
            im.served[rung, 1] += 1.0
            im.served[rung, 2] += hit
            im.places[place, 0] += 1.0
            im.places[place, 1] += hit
            if lists.propensity[entry] < _DRAWN:
                im.explored[0] += 1.0
                im.explored[1] += hit
            row = find(slots, keys, lists.key[entry])
            if 0 <= row < items:
                _count_item(im, row, propensity(im, place), hit)


@inner
def _count_item(im: Impressions, row: int, looked_at: float, hit: float) -> None:
    im.shown[row] += 1.0
    im.expected[row] += looked_at
    im.taken[row] += hit
    if im.shown[row] > _MOST_SHOWN:
        im.shown[row] *= 0.5
        im.expected[row] *= 0.5
        im.taken[row] *= 0.5


@njit(cache=True, nogil=True)
def usual(im: Impressions) -> float:
    """Share of all items shown that was taken; 0 before there was any."""
    shown = taken = 0.0
    for place in range(PLACES):
        shown += im.places[place, 0]
        taken += im.places[place, 1]
    return taken / shown if shown > 0.0 else 0.0


@njit(cache=True, nogil=True)
def merit(im: Impressions, row: int, rate: float) -> float:
    """Log of how much more often an item is taken than `rate` of its expected looks; -2 to 2."""
    if rate <= 0.0 or im.shown[row] == 0.0:
        return 0.0
    prior = _EVIDENCE * rate
    ratio = (im.taken[row] + prior) / (im.expected[row] * rate + prior)
    return min(max(math.log(ratio), -2.0), 2.0)


@njit(cache=True, nogil=True)
def bonus(im: Impressions, record: float) -> float:
    """What an item's record adds to the ranker's score."""
    return im.fitted[_MERIT] * record if im.options[1] else 0.0


@inner
def learn(
    im: Impressions, scores: NDArray[np.float64], merits: NDArray[np.float64],
    places: NDArray[np.int64], shown: int, target: int, errors: NDArray[np.float64],
) -> None:  # fmt: skip
    """One list of `shown` items of which `target` was taken.

    Writes what the ranker's score of each was off by, given its place (float64[shown], sum 0),
    and adds the list to the fit of the places.
    """
    most, total = -math.inf, 0.0
    for at in range(shown):
        errors[at] = _odds(im, scores[at], merits[at], places[at])
        most = max(most, errors[at])
    for at in range(shown):
        errors[at] = math.exp(errors[at] - most)
        total += errors[at]
    if not math.isfinite(total):
        errors[:shown] = 0.0
        return
    for at in range(shown):
        errors[at] /= total
    if im.options[1]:
        _inform(im, scores, merits, places, shown, target, errors)
        im.lessons[0] += 1
        if im.lessons[0] % _BATCH == 0:
            _step(im)
    errors[target] -= 1.0


@inner
def _odds(im: Impressions, score: float, record: float, place: int) -> float:
    if not im.options[1]:
        return score
    odds = im.fitted[_SCALE] * score + im.fitted[_MERIT] * record
    return odds + im.fitted[place - 1] if place > 0 else odds


@inner
def _inform(
    im: Impressions, scores: NDArray[np.float64], merits: NDArray[np.float64],
    places: NDArray[np.int64], shown: int, target: int, share: NDArray[np.float64],
) -> None:  # fmt: skip
    """Add a list's gradient and its information: the covariance of what its items are."""
    mean = np.zeros(_FITTED)
    for at in range(shown):
        mean[_SCALE] += share[at] * scores[at]
        mean[_MERIT] += share[at] * merits[at]
        if places[at] > 0:
            mean[places[at] - 1] += share[at]
    x = np.zeros(_FITTED)
    for at in range(shown):
        for k in range(_FITTED):
            x[k] = -mean[k]
        x[_SCALE] += scores[at]
        x[_MERIT] += merits[at]
        if places[at] > 0:
            x[places[at] - 1] += 1.0
        if at == target:
            for k in range(_FITTED):
                im.gradient[k] -= x[k]
        for k in range(_FITTED):
            for other in range(k + 1):
                im.evidence[k, other] += share[at] * x[k] * x[other]


@inner
def _step(im: Impressions) -> None:
    """A step of stochastic Newton: the new lessons' gradient by all the information so far.

    Bercu, Godichon & Portier (2020). Solved by a Cholesky factor of our own: LAPACK's bits
    depend on the processor.
    """
    factor, step = np.zeros((_FITTED, _FITTED)), np.zeros(_FITTED)
    for k in range(_FITTED):
        step[k] = im.gradient[k]
        for other in range(k + 1):
            total = im.evidence[k, other] + (_PRIOR if k == other else 0.0)
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
    for k in range(_FITTED):
        if math.isfinite(step[k]):
            im.fitted[k] -= min(max(step[k], -_LONGEST_STEP), _LONGEST_STEP)
        im.gradient[k] = 0.0
        for other in range(k + 1):
            im.evidence[k, other] *= _MEMORY
    im.fitted[_SCALE] = min(max(im.fitted[_SCALE], 0.0), 4.0)
    im.fitted[_MERIT] = min(max(im.fitted[_MERIT], 0.0), 2.0)


def click_through(im: Impressions) -> dict[str, Any]:
    """The counts for people and metrics; `propensity` is relative to the first place."""
    places = [
        {"place": place, "shown": shown, "taken": taken, "propensity": propensity(im, place)}
        for place, (shown, taken) in enumerate(im.places.tolist())
    ]
    served = {
        name: dict(zip(("lists", "shown", "taken"), counts, strict=True))
        for name, counts in zip(SERVED, im.served.tolist(), strict=True)
    }
    explored = dict(zip(("shown", "taken"), im.explored.tolist(), strict=True))
    return {"places": places, "served_by": served, "explored": explored}
