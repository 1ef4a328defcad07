"""The learning kernel: for every example, score it first where it is marked, then learn."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models import embeddings, impressions, popularity, presets, ranker
from models.compiled import inner
from models.cooccurrence import DENSE_ITEMS
from models.examples import CAPPED, SCORED, TYPES, Examples, Types
from models.impressions import PLACES, Lists
from models.index import find, insert
from models.kit import Kit
from models.ranking import mask, rank, read_ages, read_past
from models.sources import learn_sources
from models.state import ACTS, Scratch, State

#: Length of the list an example is scored against.
LIST: Final = 20


class Scores(NamedTuple):
    """What scoring found, an element an example."""

    place: NDArray[
        np.int32
    ]  # 0-based place of the item in the list, LIST = a miss, -1 = not scored
    list: NDArray[np.int32]  # [n, LIST] rows that were listed, -1 = shorter
    source: NDArray[np.int8]  # [n, LIST] the source that ranked each best, -1 = none did
    target: NDArray[np.int8]  # the source that ranked the example's own item best, -1 = none did
    # Share that the first has of the whole list by softmax of the scores, NaN = no list. The
    # scores themselves grow with the ranker, whatever people do.
    certainty: NDArray[np.float64]


def no_scores(n: int) -> Scores:
    return Scores(
        np.full(n, -1, np.int32), np.full((n, LIST), -1, np.int32), np.full((n, LIST), -1, np.int8),
        np.full(n, -1, np.int8), np.full(n, np.nan),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def add_item(s: State, key: np.uint64) -> int:
    """Meet an item: give it the next row. The tables must have room."""
    row = s.used[0]
    s.key[row] = key
    s.born[row] = s.clock[0]
    embeddings.start(s.embeddings, row, key)
    insert(s.slots, key, row)
    s.used[0] = row + 1
    if s.forward.partner.shape[0] == 0:
        s.used[1] = row + 1
    return int(row)


@njit(cache=True, nogil=True)
def learn(kit: Kit, examples: Examples, lists: Lists, types: Types, start: int, out: Scores) -> int:
    """Learn examples from `start` on, in order; return where it stopped.

    It stops before an item for which the dense matrices have no place, and where the preset
    is to be decided: the caller does so and calls again, at one place of the log.
    """
    s, w = kit.state, kit.scratch
    for at in range(start, examples.item_key.shape[0]):
        known = find(s.slots, s.key, examples.item_key[at])
        full = s.forward.partner.shape[0] == 0 and s.used[0] >= DENSE_ITEMS
        if known < 0 and full and not examples.flags[at] & CAPPED:
            return at
        if presets.due(s.census):
            return at
        if examples.flags[at] & SCORED and (examples.prior[at] == 0 or s.options[0]):
            _score(s, w, examples, lists, types, at, known, out)
        _learn_one(s, w, examples, types, at, known)
    return examples.item_key.shape[0]


@inner
def _score(
    s: State, w: Scratch, examples: Examples, lists: Lists, types: Types, at: int, target: int,
    out: Scores,
) -> None:  # fmt: skip
    items, past = s.used[0], examples.past
    length = read_past(s, w, past, at, types, items)
    now = s.clock[0]
    if length > 0:
        now = max(now, past.history_time[past.history_start[at]])
    read_ages(w, past, at, length, now)
    mask(s, w, past, at, types, s.blocked, items)
    count = rank(s, w, length, now, items)
    out.place[at] = LIST
    found = -1
    for place in range(count):
        row = w.candidates[w.order[place]]
        if place < LIST:
            out.list[at, place] = row
            out.source[at, place] = w.best[w.order[place]]
        if row == target:
            found = w.order[place]
            if place < LIST:
                out.place[at] = place
    if count > 0:
        total = 0.0
        for place in range(min(count, LIST)):
            total += math.exp(w.final[w.order[place]] - w.final[w.order[0]])
        out.certainty[at] = 1.0 / total
    if found >= 0:
        out.target[at] = w.best[found]
        # A click on a list says nothing of what was not shown: held against all candidates, it
        # would teach the ranker to agree with itself.
        weight = 0.0 if _learn_list(s, w, lists, at, count, found) else 1.0
        ranker.learn(
            s.ranker, w.features, w.context, w.units, w.plain, count, found, weight, w.errors
        )  # fmt: skip


@inner
def _learn_list(s: State, w: Scratch, lists: Lists, at: int, count: int, found: int) -> bool:
    """Write into `w.errors` what the list that candidate `found` was taken from teaches.

    What the user passed over in it are soft negatives, told apart from how much their places are
    looked at. Features are those of before the click. False: there was nothing to choose from.
    """
    for candidate in range(count):
        w.errors[candidate] = 0.0
    im, first, last = s.impressions, lists.start[at], lists.start[at + 1]
    if first == last or not im.options[0]:
        return False
    picked, places = np.empty(PLACES, np.int64), np.empty(PLACES, np.int64)
    scores, merits, errors = np.empty(PLACES), np.empty(PLACES), np.empty(PLACES)
    shown, target, rate = 0, -1, impressions.usual(im)
    for entry in range(first, min(last, first + PLACES)):
        row = find(s.slots, s.key, lists.key[entry])
        for candidate in range(count):
            if w.candidates[candidate] == row:
                if candidate == found:
                    target = shown
                picked[shown], places[shown] = candidate, lists.place[entry]
                merits[shown] = impressions.merit(im, row, rate)
                scores[shown] = w.final[candidate]
                shown += 1
    if target < 0 or shown < 2:
        return False
    impressions.learn(im, scores, merits, places, shown, target, errors)
    for entry in range(shown):
        w.errors[picked[entry]] = errors[entry]
    return True


@inner
def _learn_one(s: State, w: Scratch, examples: Examples, types: Types, at: int, known: int) -> None:
    time = examples.time[at]
    s.clock[0] = max(s.clock[0], time)
    if examples.flags[at] & CAPPED:
        return
    past = examples.past
    presets.count(
        s.census, examples.type[at], examples.prior[at],
        past.history_start[at + 1] - past.history_start[at],
    )  # fmt: skip
    item = known if known >= 0 else add_item(s, examples.item_key[at])
    s.counts[ACTS] += 1
    s.active[item] = s.counts[ACTS]
    items = s.used[0]
    weight = types.weight[examples.type[at]]
    if weight <= 0.0:
        return
    popularity.learn(s.popularity, item, weight, time, items)
    # A pair weighs once a history entry: a stronger later type adds the difference only.
    before = 0.0
    for kind in range(TYPES):
        if (examples.prior[at] >> kind) & 1:
            before = max(before, types.weight[kind])
    if weight <= before:
        return
    length = read_past(s, w, examples.past, at, types, items)
    read_ages(w, examples.past, at, length, time)
    learn_sources(s, w, examples, at, item, length, weight - before)
