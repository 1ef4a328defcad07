"""From a user's past to a ranked list: mask, sources, candidates, features, order.

Serving, evaluation and the ranker's own lessons all go through `rank`; there is no other.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models import demographics, features, impressions, ranker
from models.compiled import inner
from models.examples import HISTORY, Past, Types
from models.features import SOURCES
from models.index import find
from models.listing import KEYS, in_order, key_of
from models.sources import list_sources, say_of_candidates
from models.state import CANDIDATES, LISTED, Scratch, State
from models.vectors import dot

_SOURCES: Final = len(SOURCES)
# Items nobody has touched yet that every list considers, newest first, and how far back
# they are looked for; without them a new item of a new category would never be met.
_UNTOUCHED: Final = 10
_LOOK_BACK: Final = 100
# Below this many candidates, whatever else is in the catalogue fills up: k may be 100.
_ENOUGH: Final = 120
# A low rating pushes this share as hard as an outright dislike: it is also attention, and
# at 1 it would cost ML-100K 0.9 % of its hits.
_LOW: Final = np.float32(0.4)
#: A dislike keeps this share of its weight with every event that follows,
FORGIVEN: Final = 0.9
# and with less than this it is forgotten: it could move nothing.
_FORGOTTEN: Final = 0.05


@njit(cache=True, nogil=True)
def read_past(s: State, w: Scratch, past: Past, row: int, types: Types, items: int) -> int:
    """Resolve the history of `row` into scratch; return its length.

    A low rating is still attention and stays in the taste that sources score for (without
    it they lose 4 % of their hits on ML-100K); what was disliked outright does not.
    """
    start = past.history_start[row]
    length = min(past.history_start[row + 1] - start, HISTORY)
    for lag in range(length):
        at = start + lag
        found = find(s.slots, s.key, past.history_key[at])
        w.history[lag] = found if found < items else -1
        kind = past.history_type[at]
        low = past.history_value[at] <= types.negative_up_to[kind]  # never so for NaN
        outright = bool(types.negative[kind])
        w.disliked[lag] = np.float32(1.0) if outright else _LOW if low else np.float32(0.0)
        w.taste[lag] = -1 if types.negative[kind] else w.history[lag]
    demographics.find_groups(s.demographics, past, row, w.groups)
    return length


@njit(cache=True, nogil=True)
def read_ages(w: Scratch, past: Past, row: int, length: int, now: float) -> None:
    start = past.history_start[row]
    for lag in range(length):
        w.ages[lag] = now - past.history_time[start + lag]


@inner
def mask(
    s: State, w: Scratch, past: Past, row: int, types: Types,
    blocked: NDArray[np.uint8], items: int,
) -> None:  # fmt: skip
    """Mark what must not be listed: blocked items, and what the user has seen."""
    for at in range(items):
        w.masked[at] = 1 if blocked[at] else 0
    if s.options[0]:
        return
    hides = types.hides[0]
    for at in range(past.seen_start[row], past.seen_start[row + 1]):
        if past.seen_mask[at] & hides:
            found = find(s.slots, s.key, past.seen_key[at])
            if 0 <= found < items:
                w.masked[found] = 1


@inner
def rank(s: State, w: Scratch, length: int, now: float, items: int) -> int:
    """Rank for the past in scratch; `w.order` gets the candidates, best first. Return how many."""
    list_sources(s, w, length, items)
    count = _gather(s, w, items)
    say_of_candidates(s, w, count, length, items)
    _describe(s, w, count, now)
    features.of_user(length, w.ages[0], w.context)
    ranker.score(s.ranker, w.features, w.context, count, w.units, w.plain)
    _add_records(s, w, count)
    for at in range(count):
        w.final[at] = w.plain[at]
    _penalise(s, w, count, length)
    _sort(w.final, count, w.order)
    for at in range(count):
        w.place[w.candidates[at]] = 0
    return count


@inner
def _take(place: NDArray[np.int32], candidates: NDArray[np.int32], row: int, count: int) -> int:
    # Arrays one by one, not the scratch: numba counts references of all that is passed.
    if place[row] == 0 and count < CANDIDATES:
        candidates[count] = row
        count += 1
        place[row] = count
    return count


@inner
def _gather(s: State, w: Scratch, items: int) -> int:
    """Round-robin over the sources' lists, then untouched items, then whatever fills up."""
    count = untouched = 0
    taken, candidates, total, masked = w.place, w.candidates, s.popularity.total, w.masked
    for row in range(items - 1, max(items - 1 - _LOOK_BACK, -1), -1):
        if untouched < _UNTOUCHED and total[row] == 0.0 and not masked[row]:
            count = _take(taken, candidates, row, count)
            untouched += 1
    count = _take_listed(taken, candidates, w.listed, w.listed_count, w.ranks, count)
    for row in range(items):
        if count >= _ENOUGH:
            break
        if not masked[row]:
            count = _take(taken, candidates, row, count)
    return count


@inner
def _take_listed(
    place: NDArray[np.int32], candidates: NDArray[np.int32], listed: NDArray[np.int32],
    listed_count: NDArray[np.int64], ranks: NDArray[np.int32], count: int,
) -> int:  # fmt: skip
    """Take from each list in turn, and note the rank of what is taken (-1: not listed)."""
    ranks[:] = -1
    longest = 0
    for source in range(_SOURCES):
        longest = max(longest, listed_count[source])
    for at in range(longest):
        for source in range(_SOURCES):
            if at < listed_count[source]:
                row = listed[source, at]
                count = _take(place, candidates, row, count)
                if place[row] > 0:
                    ranks[source, place[row] - 1] = at
    return count


@inner
def _describe(s: State, w: Scratch, count: int, now: float) -> None:
    p, out = s.popularity, w.features
    for source in range(_SOURCES):
        if w.listed_count[source] >= 0:
            features.of_source(w.ranks[source], count, out, source)
        else:
            out[3 * source : 3 * source + 3, :count] = 0.0
    features.of_items(p.total, s.born, p.last, w.candidates, count, now, out)
    _find_first(w.ranks, w.best, count)


@inner
def _find_first(ranks: NDArray[np.int32], best: NDArray[np.int8], count: int) -> None:
    """Which source ranks each candidate first; of several the first of them."""
    first = np.full(count, LISTED * _SOURCES, np.int32)
    for source in range(_SOURCES):
        rank = ranks[source]
        for at in range(count):
            # Without a branch: it vectorises. Of -1, listed nowhere, the unsigned is the largest.
            place = np.int32(min(np.uint32(rank[at]), np.uint32(LISTED)))
            first[at] = min(first[at], np.int32(place * _SOURCES + source))
    for at in range(count):
        best[at] = first[at] % _SOURCES if first[at] < LISTED * _SOURCES else -1


@inner
def _add_records(s: State, w: Scratch, count: int) -> None:
    """Raise what is taken more often than its places tell, lower what is shown in vain."""
    impressions.add_bonuses(s.impressions, w.candidates, count, w.plain)


@inner
def _penalise(s: State, w: Scratch, count: int, length: int) -> None:
    """Push down what is near an item the user disliked, by content and by embedding.

    The nearest one counts, so that many dislikes do not add up; cosines are squared, so
    that what is merely of the same kind stays. For the same hits on ML-100K, what is just
    like a disliked item falls 3.5 times as far as by a plain sum.
    """
    c, e = s.content.vectors, s.embeddings.inward
    strength, known = 0.5 * s.ranker.parameters[1], False
    least = _FORGOTTEN * strength
    for lag in range(length):
        disliked = w.history[lag]
        if disliked >= 0 and w.disliked[lag] > 0.0 and strength > least:
            if not known:
                for at in range(count):
                    row = w.candidates[at]
                    w.norms[at] = dot(e[row], e[row], e.shape[1])
                known = True
            norm = float(dot(e[disliked], e[disliked], e.shape[1]))
            for at in range(count):
                row = w.candidates[at]
                near = max(float(dot(c[disliked], c[row], c.shape[1])), 0.0)
                like = near * near
                near = max(float(dot(e[disliked], e[row], e.shape[1])), 0.0)
                if norm * w.norms[at] > 0.0:
                    like += near * near / (norm * w.norms[at])
                w.final[at] = min(w.final[at], w.plain[at] - strength * w.disliked[lag] * like)
        strength *= FORGIVEN


@inner
def _sort(final: NDArray[np.float64], count: int, order: NDArray[np.int32]) -> None:
    """Write the numbers of `count` scores, best first; ties keep their order."""
    near, keys = np.empty(count, np.float32), np.empty(KEYS, np.int64)
    for at in range(count):
        near[at] = final[at] if final[at] == final[at] else -np.inf  # what is no number
    bits = near.view(np.int32)
    for at in range(count):
        # Of a negative float the larger bits are the lower number.
        down = np.int32(bits[at] >> np.int32(31)) & np.int32(0x7FFFFFFF)
        keys[at] = key_of(np.int32(bits[at] ^ down), at)
    in_order(keys, count, order, count)
    # Rounded they are in order; what rounding made equal lies side by side.
    for last in range(1, count):
        to, row = last, order[last]
        while to > 0 and _comes_before(final, row, order[to - 1]):
            order[to] = order[to - 1]
            to -= 1
        order[to] = row


@inner
def _comes_before(final: NDArray[np.float64], row: int, other: int) -> bool:
    return final[row] > final[other] or (final[row] == final[other] and row < other)
