"""Lists that need no ranker: items like one, and what is trending."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models import content, cooccurrence
from models.answers import Asked, Listed, readable
from models.compiled import inner
from models.examples import types_of
from models.features import CONTENT, FAST, SLOW
from models.index import find
from models.kit import Kit
from models.listing import insert_in_order
from models.settings import LearningSettings
from models.state import Scratch, State


def similar_to(kit: Kit, row: int, k: int, blocked: NDArray[np.uint8]) -> list[Listed]:
    """Blend of co-occurrence, content and, to fill up, popularity within the same content."""
    rows, scores = np.empty(k, np.int64), np.empty(k)
    count = _similar(kit, row, blocked, rows, scores)
    found = zip(rows[:count].tolist(), scores[:count].tolist(), strict=True)
    return [Listed(item, score, "similar") for item, score in found]


def trending_of(
    kit: Kit, asked: Asked | None, blocked: NDArray[np.uint8], k: int, settings: LearningSettings
) -> list[Listed]:
    """The items with the most recent attention; scores are shares of the first one's."""
    if asked is not None and not settings.repeats:
        blocked = _less_seen(kit.state, asked, blocked, settings)
    rows, scores = np.empty(k, np.int64), np.empty(k)
    count = _trending(kit, blocked, rows, scores)
    found = zip(rows[:count].tolist(), (scores[:count] / scores[:1]).tolist(), strict=True)
    return [Listed(item, score, "trending") for item, score in found]


def _less_seen(
    s: State, asked: Asked, blocked: NDArray[np.uint8], settings: LearningSettings
) -> NDArray[np.uint8]:
    """`blocked` with what the past has seen; the same array where that is nothing."""
    hides = types_of(list(asked.types), settings.events).hides[0]
    seen = asked.past.seen_key[(asked.past.seen_mask & hides) > 0]
    if len(seen):
        blocked = blocked.copy()
    for key in seen:
        row = find(s.slots, s.key, key)
        if 0 <= row < blocked.shape[0]:
            blocked[row] = 1
    return blocked


@inner
def _best(
    scores: NDArray[np.float64], blocked: NDArray[np.uint8], items: int,
    rows: NDArray[np.int64], found: NDArray[np.float64],
) -> int:  # fmt: skip
    """Write the best of the scores above 0 and their rows, ties by row; return how many."""
    count = 0
    for row in range(items):
        if scores[row] > 0.0 and not blocked[row]:
            count = insert_in_order(found, rows, count, rows.shape[0], scores[row], row)
    return count


@njit(cache=True, nogil=True)
def _trending(
    kit: Kit, blocked: NDArray[np.uint8], rows: NDArray[np.int64], found: NDArray[np.float64]
) -> int:
    s = kit.state
    return _best(s.popularity.trending, blocked, readable(s, blocked), rows, found)


@njit(cache=True, nogil=True)
def _similar(
    kit: Kit, row: int, blocked: NDArray[np.uint8],
    rows: NDArray[np.int64], found: NDArray[np.float64],
) -> int:  # fmt: skip
    s = kit.state
    items = readable(s, blocked)
    if row >= items:  # met by the learner, and not yet in these tables
        return 0
    scores = _similarity(s, kit.scratch, row, items)
    scores[row] = -1.0
    return _best(scores, blocked, items, rows, found)


@inner
def _similarity(s: State, w: Scratch, row: int, items: int) -> NDArray[np.float64]:
    w.history[0], w.ages[0] = row, 0.0
    total = np.zeros(items)
    for horizon, out in ((s.fast, w.scores[FAST]), (s.slow, w.scores[SLOW])):
        touched, found = w.touched[0], w.found[0]
        count, _ = cooccurrence.score(horizon, w.history, w.ages, 1, out, touched, found, items)
        for at in range(count):
            total[touched[at]] += found[at]
        if count < 0:
            for other in range(items):
                total[other] += out[other]
        cooccurrence.clear(out, touched, count, items)
    popularity = 0.0
    for other in range(items):
        popularity = max(popularity, s.popularity.slow[other])
    described = content.user(s.content, w.history, 1, w.x)
    if described:
        content.score(s.content, w.x, w.scores[CONTENT], items)
    for other in range(items):
        if described:
            total[other] += max(w.scores[CONTENT, other], np.float32(0.0))
        if popularity > 0.0:
            total[other] += 0.01 * s.popularity.slow[other] / popularity
    return total
