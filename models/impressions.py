"""What was shown and what of it was taken: click-through counts and the bias of places.

A click says that an item was liked *and* looked at. How much each place is looked at is fitted
online where chance decides: neighbours in a list whose scores are nearly equal are as good as
swapped at random, so what they differ by in clicks is attention. That is a regression
discontinuity in the gap of scores (Narayanan & Kalyanam, Marketing Science 2015), here a local
logistic regression on the places of neighbours with the gap as its slope. `exp(bias[p])` is the
propensity of Joachims et al. (WSDM 2017), relative to the first place. It enters the ranker's
lesson as an offset beside the score (the additive click model of PAL, Guo et al., RecSys 2019) and
not as an inverse weight, so that no click outweighs many. `merit` is an item's own record, clicks
over expected clicks (Zhang & Jones, WWW 2007): what is shown and not taken sinks.
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
# What is fitted: the steepness of a power law over the places, how each step down differs from
# it, and the slope of the gap at the first place and how it bends down the list, for what is
# liked for sure cannot be liked more. Places with few clicks so lean on the others.
_STEPS: Final = PLACES - 1
_SLOPE: Final = PLACES
_BEND: Final = PLACES + 1
_FITTED: Final = PLACES + 2
# Gap of scores, in the ranker's logits, at which neighbours count for less by e. Wider, the
# slope alone would have to tell taste from place; narrower, few neighbours are left.
_NEAR: Final = 0.5
# Lessons between two steps of the fit: one solves 22 equations.
_BATCH: Final = 16
# Steepness before any click: what lists of shops and searches show is 0.5 to 1.
_STEEPNESS: Final = 0.5
# Evidence for it, and for a power law at all, in lessons of a quarter each.
_PRIOR: Final = 1.0
_PRIOR_STEP: Final = 20.0
# Share of the evidence that stays at each step, at least: some 30,000 clicks count. The first
# lessons, taken at a bias still wrong, fade sooner.
_MEMORY: Final = 1.0 - 1.0 / 2000.0
_FADE: Final = 0.25
_LONGEST_STEP: Final = 0.5
# No place is looked at less than e^-6 as often as the first, or more than e^6 times as often.
_STEEPEST: Final = 6.0
# How strongly an item's record is doubted before it has foretold anything, in clicks.
_DOUBT: Final = 10.0
# An item's record begins as if it had been shown so often and taken as often as the average.
_EVIDENCE: Final = 20.0
# Above this many showings an item's counts are halved, so that an old item can still change.
_MOST_SHOWN: Final = 10_000.0
# A propensity below this was an exploration: the item was drawn, not ranked, into its place.
_DRAWN: Final = 0.5


class Lists(NamedTuple):
    """For n examples the list each was taken from, less what was taken from it before.

    Row i is `start[i]` to `start[i + 1]` of the columns; empty where no list is known, and where
    there is nothing more to choose. `rung` tells of the list either way.
    """

    start: NDArray[np.int64]  # [n + 1]
    key: NDArray[np.uint64]
    place: NDArray[np.uint8]  # from 0
    rung: NDArray[np.int8]  # [n] number in SERVED of the list that was named, -1 = none known


class Outcomes(NamedTuple):
    """Lists that are closed: what each showed, and a mask of the types each item was taken by."""

    start: NDArray[np.int64]  # [n + 1]
    served: NDArray[np.uint8]  # [n] number in SERVED
    key: NDArray[np.uint64]
    place: NDArray[np.uint8]
    propensity: NDArray[np.float32]
    score: NDArray[np.float32]  # the ranker's, as shown; NaN: not told
    taken: NDArray[np.uint16]


class Impressions(NamedTuple):
    """View over the tables of one arena."""

    shown: NDArray[np.float64]  # [items] times shown
    expected: NDArray[np.float64]  # [items] times looked at, as far as places tell
    taken: NDArray[np.float64]  # [items]
    places: NDArray[np.float64]  # [PLACES, 2] shown, taken
    served: NDArray[np.float64]  # [len(SERVED), 3] lists, items shown, items taken
    explored: NDArray[np.float64]  # [2] shown, taken
    bias: NDArray[np.float64]  # [PLACES] log propensity, relative to the first place
    record: NDArray[np.float64]  # [2] weight of an item's record, its evidence
    fitted: NDArray[np.float64]  # [PLACES + 2] steepness, steps, slope, bend
    evidence: NDArray[np.float64]  # [PLACES + 2, PLACES + 2] information matrix
    gradient: NDArray[np.float64]  # [PLACES + 2] sum of the lessons since the last step
    lessons: NDArray[np.int64]  # [1]
    options: NDArray[np.int64]  # [learn, debias]


_TABLES: Final = (
    "shown", "expected", "taken", "places", "served", "explored", "bias", "record",
    "fitted", "evidence", "gradient", "lessons",
)  # fmt: skip


def no_lists(n: int) -> Lists:
    """Lists of `n` examples that were not taken from any."""
    return Lists(
        np.zeros(n + 1, np.int64), np.empty(0, np.uint64), np.empty(0, np.uint8),
        np.full(n, -1, np.int8),
    )  # fmt: skip


def part_of(lists: Lists, start: int, stop: int) -> Lists:
    """Rows `start` to `stop` as views; offsets go on pointing into the whole columns."""
    return lists._replace(start=lists.start[start : stop + 1], rung=lists.rung[start:stop])


def declare(arena: Arena) -> None:
    for name in _TABLES[:3]:
        arena.add(f"impressions.{name}", np.float64, "items")
    arena.add("impressions.places", np.float64, PLACES, 2)
    arena.add("impressions.served", np.float64, len(SERVED), 3)
    arena.add("impressions.explored", np.float64, 2)
    arena.add("impressions.bias", np.float64, PLACES)
    arena.add("impressions.record", np.float64, 2)
    arena.add("impressions.fitted", np.float64, _FITTED)
    arena.add("impressions.evidence", np.float64, _FITTED, _FITTED)
    arena.add("impressions.gradient", np.float64, _FITTED)
    arena.add("impressions.lessons", np.int64, 1)
    arena["impressions.fitted"][0] = _STEEPNESS
    for place in range(1, PLACES):
        arena["impressions.bias"][place] = -_STEEPNESS * math.log(place + 1.0)


def view(arena: Arena, settings: Settings) -> Impressions:
    options = np.array([settings.learn, settings.learn and settings.debias], np.int64)
    return Impressions._make([*(arena[f"impressions.{name}"] for name in _TABLES), options])


@njit(cache=True, nogil=True)
def propensity(im: Impressions, place: int) -> float:
    """How much a place is looked at, the first one 1."""
    return math.exp(im.bias[min(place, PLACES - 1)]) if im.options[1] else 1.0


@njit(cache=True, nogil=True)
def taking(types: Types) -> int:
    """Mask of the types that take an item from a list: what weighs and is not negative."""
    wanted = 0
    for kind in range(TYPES):
        if types.weight[kind] > 0.0 and not types.negative[kind]:
            wanted |= 1 << kind
    return wanted


@njit(cache=True, nogil=True)
def count(
    im: Impressions, slots: Slots, keys: NDArray[np.uint64], lists: Outcomes, types: Types,
    items: int,
) -> None:  # fmt: skip
    """Count closed lists; an item is taken by the types of `taking`."""
    wanted = taking(types)
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
        if im.options[1]:
            _place(im, lists, lists.start[at], lists.start[at + 1], wanted)


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
    """Share of all items shown that would be taken in the first place; 0 before there was any."""
    expected = taken = 0.0
    for place in range(PLACES):
        expected += im.places[place, 0] * propensity(im, place)
        taken += im.places[place, 1]
    return taken / expected if expected > 0.0 else 0.0


@njit(cache=True, nogil=True)
def merit(im: Impressions, row: int, rate: float) -> float:
    """Log of how much more often an item is taken than `rate` of its expected looks; -2 to 2."""
    return _merit(im.shown[row], im.expected[row], im.taken[row], rate)


@njit(cache=True, nogil=True)
def _merit(shown: float, expected: float, taken: float, rate: float) -> float:
    if rate <= 0.0 or shown == 0.0:
        return 0.0
    prior = _EVIDENCE * rate
    return min(max(math.log((taken + prior) / (expected * rate + prior)), -2.0), 2.0)


@njit(cache=True, nogil=True)
def add_bonuses(
    im: Impressions, rows: NDArray[np.int32], count: int, scores: NDArray[np.float64]
) -> None:
    """Add what the records of `count` items are worth to their scores (float64[count])."""
    strength = bonus(im, 1.0)
    if strength > 0.0:
        rate, shown, expected, taken = usual(im), im.shown, im.expected, im.taken
        for at in range(count):
            row = rows[at]
            scores[at] += strength * _merit(shown[row], expected[row], taken[row], rate)


@njit(cache=True, nogil=True)
def bonus(im: Impressions, record: float) -> float:
    """What an item's record adds to the ranker's score."""
    return im.record[0] * record if im.options[0] else 0.0


@inner
def learn(
    im: Impressions, scores: NDArray[np.float64], merits: NDArray[np.float64],
    places: NDArray[np.int64], shown: int, target: int, errors: NDArray[np.float64],
) -> None:  # fmt: skip
    """One list of `shown` items of which `target` was taken; scores hold the records' bonus.

    Writes what the score of each was off by, given its place (float64[shown], sum 0), and
    teaches the weight of the records.
    """
    most, total, debias = -math.inf, 0.0, im.options[1]
    for at in range(shown):
        errors[at] = scores[at] + (im.bias[places[at]] if debias else 0.0)
        most = max(most, errors[at])
    for at in range(shown):
        errors[at] = math.exp(errors[at] - most)
        total += errors[at]
    if not math.isfinite(total):
        errors[:shown] = 0.0
        return
    for at in range(shown):
        errors[at] /= total
    _weigh_records(im, merits, shown, target, errors)
    errors[target] -= 1.0


@inner
def _weigh_records(
    im: Impressions, merits: NDArray[np.float64], shown: int, target: int,
    share: NDArray[np.float64],
) -> None:  # fmt: skip
    """A Newton step on the one weight all records have."""
    mean = square = 0.0
    for at in range(shown):
        mean += share[at] * merits[at]
        square += share[at] * merits[at] * merits[at]
    im.record[1] = im.record[1] * (1.0 - 1.0 / 32_000.0) + square - mean * mean
    step = (merits[target] - mean) / (im.record[1] + _DOUBT)
    im.record[0] = min(max(im.record[0] + step, 0.0), 1.0)


@inner
def _place(im: Impressions, lists: Outcomes, first: int, last: int, wanted: int) -> None:
    """Add a list's clicks to the fit of the places, each against its neighbours."""
    for hit in range(first, last):
        if not lists.taken[hit] & wanted or not _is_ranked(lists, hit):
            continue
        for other in range(first, last):
            if not _is_ranked(lists, other):
                continue
            if lists.place[other] == lists.place[hit] + 1:
                _compare(im, lists.place[hit], lists.score[hit] - lists.score[other], 1.0)
            if lists.place[other] + 1 == lists.place[hit]:
                _compare(im, lists.place[other], lists.score[other] - lists.score[hit], 0.0)
        im.lessons[0] += 1
        if im.lessons[0] % _BATCH == 0:
            _step(im)


@inner
def _is_ranked(lists: Outcomes, entry: int) -> bool:
    """Whether an item's place follows from its score; one that was drawn stands anywhere."""
    return bool(lists.place[entry] < PLACES and lists.propensity[entry] >= _DRAWN)


@inner
def _compare(im: Impressions, place: int, gap: float, upper: float) -> None:
    """Add one click on `place` (`upper` 1) or on the next (0), by how near their scores are."""
    near = math.exp(-abs(gap) / _NEAR)
    if not near > 1e-3:  # also where a score was not told
        return
    at = np.array([0, 1 + place, _SLOPE, _BEND])
    x = np.array([math.log((place + 2.0) / (place + 1.0)), 1.0, gap, gap * math.log1p(place)])
    odds = 0.0
    for k in range(4):
        odds += im.fitted[at[k]] * x[k]
    share = 1.0 / (1.0 + math.exp(-odds))
    known = near * share * (1.0 - share)
    for k in range(4):
        im.gradient[at[k]] += near * (share - upper) * x[k]
        for other in range(k + 1):  # the lower triangle only
            im.evidence[at[k], at[other]] += known * x[k] * x[other]


@inner
def _solved(im: Impressions) -> NDArray[np.float64]:
    """Information and prior, times what is returned, is the gradient.

    By a Cholesky factor of our own: LAPACK's bits depend on the processor.
    """
    factor, step = np.zeros((_FITTED, _FITTED)), np.zeros(_FITTED)
    for k in range(_FITTED):
        step[k] = im.gradient[k]
        for other in range(k + 1):
            total = im.evidence[k, other]
            if k == other:
                total += _PRIOR_STEP if 1 <= k <= _STEPS else _PRIOR
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
    return step


@inner
def _step(im: Impressions) -> None:
    """A step of stochastic Newton: the new lessons' gradient by all the information so far.

    Bercu, Godichon & Portier (2020).
    """
    step = _solved(im)
    memory = min(_MEMORY, 1.0 - _FADE * _BATCH / im.lessons[0])
    for k in range(_FITTED):
        if math.isfinite(step[k]):
            im.fitted[k] -= min(max(step[k], -_LONGEST_STEP), _LONGEST_STEP)
        im.gradient[k] = 0.0
        for other in range(k + 1):
            im.evidence[k, other] *= memory
    for place in range(1, PLACES):
        law = math.log((place + 1.0) / place)
        bias = im.bias[place - 1] - im.fitted[0] * law - im.fitted[place]
        im.bias[place] = min(max(bias, -_STEEPEST), _STEEPEST)


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
