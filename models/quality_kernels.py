"""The kernel that watches learning: what was scored becomes counts, samples and windows.

It runs over a batch after the batch was learned, in log order, and reads its own counts only:
nothing here can tell how the log was cut into batches.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models import drift_windows
from models.compiled import inner
from models.drift_windows import BINS, Windows
from models.examples import ATTRIBUTED, CAPPED, SCORED, Examples
from models.impressions import Outcomes
from models.index import find
from models.learning import LIST, Scores

#: Scored samples kept, the longest window: 12 bytes each.
KEPT: Final = 10_000
#: With fewer earlier items (a user) or events (an item), it is new.
NEW: Final = 5
#: Examples between two marks of the counts of actions, and how many marks are kept.
MARK_EVERY: Final = 1_000
MARKS: Final = 11

ALL, NEW_USERS, WARM_USERS, NEW_ITEMS, KNOWN_ITEMS = range(5)
#: Rungs of the ladder a list may have come from, behind the slices of users and items.
FIRST_RUNG: Final = 5
RUNGS: Final = ("personal", "session", "trending", "static")
#: Sources, behind those; the last one stands for an item that no source had listed.
FIRST_SOURCE: Final = FIRST_RUNG + len(RUNGS)
SOURCES: Final = 32
SLICES: Final = FIRST_SOURCE + SOURCES

#: Columns of `sums`.
LISTS, NOVELTY, ERRORS, SQUARES, ABSOLUTES = range(5)
#: Elements of `counts`: examples, scored samples, uncapped events, items they were on, and
#: samples that detectors of drift were shown.
EXAMPLES, SAMPLES, EVENTS, ITEMS, APART = range(5)
#: What one person does in a row is one person's taste, however many events it is: of nobody among
#: the last PEOPLE it was shown does a detector see another sample before `_LATER` samples have
#: passed. Statistics of drift hold for samples that do not hang together; ratings come in bursts.
#: With more people a shop with few of them would starve the detectors.
PEOPLE: Final = 2
_LATER: Final = 64
#: Examples after which popularity and scores are watched. Before, both change because the counts
#: and the ranker behind them are young, and not because people do.
GROWN: Final = 10_000
#: Bits of `flags`.
NEW_USER: Final = 1
NEW_ITEM: Final = 2
LISTED: Final = 4
RATED: Final = 8

# Kinds of windows, by their place among those of `models.drift.WINDOWED`.
RATINGS, TYPES_OF, CATEGORIES, POPULARITY, SCORES_OF = range(5)


class Quality(NamedTuple):
    """View over the tables; columns of KEPT are rings, sample n stands at n % KEPT."""

    counts: NDArray[np.int64]  # [5]
    person: NDArray[np.uint64]  # [PEOPLE] of the newest samples that detectors were shown
    met: NDArray[np.int64]  # [PEOPLE] the number of that sample among all
    place: NDArray[np.int8]  # [KEPT] 0-based, LIST = a miss, -1 = not ranked
    flags: NDArray[np.uint8]  # [KEPT]
    source: NDArray[np.int8]  # [KEPT] that had ranked the item best, -1 = none
    rung: NDArray[np.int8]  # [KEPT] -1 = unknown
    novelty: NDArray[np.float32]  # [KEPT] bits, where LISTED
    error: NDArray[np.float32]  # [KEPT] foretold less given rating, where RATED
    places: NDArray[np.int64]  # [SLICES, LIST + 1] since the start
    sums: NDArray[np.float64]  # [SLICES, 5] since the start
    events: NDArray[np.int64]  # [items] uncapped events
    listed: NDArray[np.int64]  # [items] number of the newest sample whose list had it, from 1
    category: NDArray[np.uint8]  # [items]
    actions: NDArray[np.int64]  # [kinds, 2] examples by type, and those attributed to a list
    shown: NDArray[np.int64]  # [rungs + 1, 3] lists, items shown and items taken, by impressions
    marked_actions: NDArray[np.int64]  # [MARKS, kinds, 2] as they were a while ago
    marked_shown: NDArray[np.int64]  # [MARKS, rungs + 1, 3]


class Facts(NamedTuple):
    """What the batch's examples do not say themselves."""

    error: NDArray[np.float64]  # [n], NaN: no rating foretold
    kind: NDArray[np.int64]  # [TYPES] number of the type here
    rating: NDArray[np.uint8]  # [TYPES] 1: values are ratings
    rung: NDArray[np.int8]  # [n] of the list it names, number in `impressions.SERVED`; -1: none


@njit(cache=True, nogil=True)
def observe(
    q: Quality, windows: Windows, slots: NDArray[np.int32], keys: NDArray[np.uint64],
    examples: Examples, scores: Scores, facts: Facts, apart: NDArray[np.bool_],
    found: NDArray[np.int64], sizes: NDArray[np.float64],
) -> int:  # fmt: skip
    """Watch a batch; return how many drifts it shows.

    `found` (int64[m, 3]) gets example, window and SLIGHT or LARGE of each, `sizes` (float64[m])
    their distances; `m` must be room enough: `drift_windows.most(n)`. `apart` (bool[n]) gets
    which samples are for detectors.
    """
    drifts = 0
    for at in range(examples.item_key.shape[0]):
        q.counts[EXAMPLES] += 1
        row = find(slots, keys, examples.item_key[at])
        before = q.events[row] if row >= 0 else 0
        if examples.flags[at] & SCORED:
            _sample(q, examples, scores, facts, at, before)
            apart[at] = _is_apart(q, examples.user_key[at])
            if apart[at]:
                drifts = _push(q, windows, examples, scores, facts, at, row, found, sizes, drifts)
        kind = facts.kind[examples.type[at]]
        q.actions[kind, 0] += 1
        if examples.flags[at] & ATTRIBUTED:
            q.actions[kind, 1] += 1
        if row >= 0 and not examples.flags[at] & CAPPED:
            q.events[row] += 1
            q.counts[EVENTS] += 1
            if before == 0:
                q.counts[ITEMS] += 1
        if q.counts[EXAMPLES] % MARK_EVERY == 0:
            slot = (q.counts[EXAMPLES] // MARK_EVERY) % MARKS
            q.marked_actions[slot] = q.actions
            q.marked_shown[slot] = q.shown
    return drifts


@njit(cache=True, nogil=True)
def count_shown(shown: NDArray[np.int64], lists: Outcomes, wanted: int) -> None:
    """Count closed lists (see `Quality.shown`), their items, and those taken as `wanted` says."""
    for at in range(lists.served.shape[0]):
        rung = min(int(lists.served[at]), len(RUNGS))
        shown[rung, 0] += 1
        for entry in range(lists.start[at], lists.start[at + 1]):
            shown[rung, 1] += 1
            shown[rung, 2] += 1 if lists.taken[entry] & wanted else 0


@inner
def _sample(
    q: Quality, examples: Examples, scores: Scores, facts: Facts, at: int, before: int
) -> None:
    slot = q.counts[SAMPLES] % KEPT
    q.counts[SAMPLES] += 1
    past = examples.past
    new_user = past.history_start[at + 1] - past.history_start[at] < NEW
    new_item = before < NEW
    listed, rated = scores.place[at] >= 0, math.isfinite(facts.error[at])
    q.flags[slot] = NEW_USER * new_user + NEW_ITEM * new_item + LISTED * listed + RATED * rated
    q.place[slot], q.source[slot] = scores.place[at], scores.target[at]
    q.rung[slot] = facts.rung[at]
    q.error[slot] = facts.error[at] if rated else 0.0
    q.novelty[slot] = _novelty(q, scores.list[at]) if listed else 0.0
    _add(q, slot, ALL)
    _add(q, slot, NEW_USERS if new_user else WARM_USERS)
    _add(q, slot, NEW_ITEMS if new_item else KNOWN_ITEMS)
    if 0 <= q.rung[slot] < len(RUNGS):
        _add(q, slot, FIRST_RUNG + q.rung[slot])
    if listed:
        source = q.source[slot]
        _add(q, slot, FIRST_SOURCE + (source if 0 <= source < SOURCES - 1 else SOURCES - 1))


@inner
def _is_apart(q: Quality, person: np.uint64) -> bool:
    """Whether the newest sample does not hang together with one that detectors have seen."""
    shown = q.counts[APART]
    for at in range(min(shown, PEOPLE)):
        if q.person[at] == person and q.counts[SAMPLES] - q.met[at] < _LATER:
            return False
    q.person[shown % PEOPLE], q.met[shown % PEOPLE] = person, q.counts[SAMPLES]
    q.counts[APART] += 1
    return True


@inner
def _novelty(q: Quality, rows: NDArray[np.int32]) -> float:
    """Mean over the list of -log2((n + 1) / (N + M + 1)): n events of the item, N of all M.

    Marks the items as listed, for coverage.
    """
    total, length = 0.0, 0
    for place in range(rows.shape[0]):
        row = rows[place]
        if row < 0:
            break
        total += _surprise(q, q.events[row])
        q.listed[row] = q.counts[SAMPLES]
        length += 1
    return total / length if length else 0.0


@inner
def _surprise(q: Quality, events: int) -> float:
    return math.log((q.counts[EVENTS] + q.counts[ITEMS] + 1.0) / (events + 1.0)) / math.log(2.0)


@inner
def _add(q: Quality, slot: int, part: int) -> None:
    if q.flags[slot] & LISTED:
        q.places[part, q.place[slot]] += 1
        q.sums[part, LISTS] += 1.0
        q.sums[part, NOVELTY] += q.novelty[slot]
    if q.flags[slot] & RATED:
        error = float(q.error[slot])
        q.sums[part, ERRORS] += 1.0
        q.sums[part, SQUARES] += error * error
        q.sums[part, ABSOLUTES] += abs(error)


@inner
def _push(
    q: Quality, w: Windows, examples: Examples, scores: Scores, facts: Facts,
    at: int, row: int, found: NDArray[np.int64], sizes: NDArray[np.float64], drifts: int,
) -> int:  # fmt: skip
    """Put the example into the windows; a number that is not finite goes into none."""
    grown = q.counts[EXAMPLES] > GROWN
    for window in range(w.signal.shape[0]):
        signal, value = w.signal[window], 0.0
        if signal in (POPULARITY, SCORES_OF) and not grown:
            continue
        if signal == RATINGS:
            if not facts.rating[examples.type[at]]:
                continue
            value = (examples.value[at] - 1.0) / 4.0 * BINS
        elif signal == TYPES_OF:
            value = facts.kind[examples.type[at]]
        elif signal == CATEGORIES:
            value = q.category[row] if row >= 0 else 0
        elif signal == POPULARITY:
            # Twice the log2 of its share of the events over the mean item's, 0 in the middle.
            events = q.events[row] if row >= 0 else 0
            mean = math.log(q.counts[ITEMS] + 1.0) / math.log(2.0)
            value = BINS / 2 - 2.0 * (_surprise(q, events) - mean)
        elif signal == SCORES_OF:
            if scores.place[at] < 0:
                continue
            # Eighths of the bits that the first of an even list lacks to be certain. The lists of
            # all who are new are one: with finer bins, its way through them would be a drift.
            value = -math.log(scores.certainty[at]) / math.log(float(LIST)) * 8.0
        size = drift_windows.push(w, window, value)
        if size != drift_windows.NOTHING:
            found[drifts, 0], found[drifts, 1], found[drifts, 2] = at, window, size
            sizes[drifts] = w.distance[window, 0]
            drifts += 1
    return drifts
