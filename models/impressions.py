"""What was shown and what of it was taken: click-through counts, and what lists teach.

How much each place is looked at (`attention`) enters the ranker's lesson as an offset beside the
score (the additive click model of PAL, Guo et al., RecSys 2019) and not as an inverse weight, so
that no click outweighs many. `merit` is an item's own record, clicks over expected clicks (Zhang &
Jones, WWW 2007): what is shown and not taken sinks.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models import attention
from models.attention import Attention
from models.compiled import inner
from models.examples import TYPES, Types
from models.index import Slots, find
from models.settings import Impressions as Settings
from models.tables import Arena

#: Places of a list that are learned from.
PLACES: Final = attention.PLACES
#: Rungs a list may come from, in the order of their numbers; the last is any other.
SERVED: Final = ("personal", "session", "trending", "static", "other")
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
    record: NDArray[np.float64]  # [2] weight of an item's record, its evidence
    attention: Attention
    options: NDArray[np.int64]  # [learn, debias]


_TABLES: Final = (
    "shown", "expected", "taken", "places", "served", "explored", "record",
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
    arena.add("impressions.record", np.float64, 2)
    attention.declare(arena)


def view(arena: Arena, settings: Settings) -> Impressions:
    options = np.array([settings.learn, settings.learn and settings.debias], np.int64)
    tables = [arena[f"impressions.{name}"] for name in _TABLES]
    return Impressions._make([*tables, attention.view(arena), options])


@njit(cache=True, nogil=True)
def propensity(im: Impressions, place: int) -> float:
    """How much a place is looked at, the first one 1."""
    return math.exp(im.attention.bias[min(place, PLACES - 1)]) if im.options[1] else 1.0


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
    wanted, looked_at = taking(types), np.empty(PLACES)
    for place in range(PLACES):
        looked_at[place] = propensity(im, place)
    for at in range(lists.served.shape[0]):
        rung, first, last = int(lists.served[at]), lists.start[at], lists.start[at + 1]
        rung, hits = min(rung, len(SERVED) - 1), 0.0
        for entry in range(first, last):
            hit = 1.0 if lists.taken[entry] & wanted else 0.0
            hits += hit
            place = min(int(lists.place[entry]), PLACES - 1)
            im.places[place, 0] += 1.0
            im.places[place, 1] += hit
            if lists.propensity[entry] < _DRAWN:
                im.explored[0] += 1.0
                im.explored[1] += hit
            row = find(slots, keys, lists.key[entry])
            if 0 <= row < items:
                _count_item(im, row, looked_at[place], hit)
        im.served[rung, 0] += 1.0
        im.served[rung, 1] += last - first
        im.served[rung, 2] += hits
        if im.options[1] and hits > 0.0:  # places are learned from clicks
            _learn_places(im, lists, first, last, wanted)
            for place in range(PLACES):
                looked_at[place] = propensity(im, place)


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
        errors[at] = scores[at] + (im.attention.bias[places[at]] if debias else 0.0)
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
def _learn_places(im: Impressions, lists: Outcomes, first: int, last: int, wanted: int) -> None:
    """Teach the places by a closed list, less what was drawn into it."""
    n = 0
    place, score = np.empty(last - first, np.uint8), np.empty(last - first, np.float32)
    hit = np.empty(last - first, np.uint8)
    for entry in range(first, last):
        # The place of what was ranked follows from its score.
        if lists.place[entry] < PLACES and lists.propensity[entry] >= _DRAWN:
            place[n], score[n] = lists.place[entry], lists.score[entry]
            hit[n] = 1 if lists.taken[entry] & wanted else 0
            n += 1
    if n > 1:
        attention.learn(im.attention, place[:n], score[:n], hit[:n])


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
