"""Answers for readers: ranked lists for a past, why an item is there, and embeddings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models import embeddings
from models.causes import CAUSES, find_causes
from models.compiled import inner
from models.diversity import diversify
from models.examples import HISTORY, Past, Types, empty_past, types_of
from models.explanation import Explanation, explain
from models.facets import ANY, Filters
from models.index import find
from models.kit import Kit
from models.ranking import mask, rank, read_ages, read_past
from models.settings import LearningSettings
from models.state import Scratch, State


class Asked(NamedTuple):
    """One request: a past, the names of its types, how many of what may be listed, and how.

    `diversity` is from 0, by score alone, to 1. With `explain` every place tells why. The past
    has one row; where lists are made for many at once, a row each.
    """

    past: Past
    types: Sequence[str] = ()
    k: int = 10
    filters: Filters = ANY
    diversity: float = 0.0
    explain: bool = False


class Listed(NamedTuple):
    """One place of a list: the item's row, its score, and history rows it is there because of.

    `propensity` is the chance the item had to be in this place of this list.
    """

    row: int
    score: float
    reason: str
    because: tuple[int, ...] = ()
    source: int = -1  # number of the source that ranks it best, -1 = none lists it
    propensity: float = 1.0
    explanation: Explanation | None = None  # where it was asked for, and the ranker's is the score


def nobody(k: int = 10, filters: Filters = ANY) -> Asked:
    """A request of somebody without a past."""
    return Asked(empty_past(), (), k, filters)


def listed(
    kit: Kit, asked: Asked, blocked: NDArray[np.uint8], settings: LearningSettings
) -> list[Listed]:
    """The list of the past's only row."""
    out = kit.lists.get(asked.k)
    if out is None:
        out = kit.lists[asked.k] = _room(1, asked.k)
    past, types = asked.past, _types(kit, asked, settings)
    count, _ = _list_one(kit, tuple(past), tuple(types), tuple(out), blocked, asked.diversity)
    return _places(kit.state, out, 0, count)


def _types(kit: Kit, asked: Asked, settings: LearningSettings) -> Types:
    # Kept as long as the kit, which does not outlive the settings.
    names = tuple(asked.types)
    types = kit.types.get(names)
    if types is None:
        types = kit.types[names] = types_of(list(names), settings.events)
    return types


def explained(
    kit: Kit, asked: Asked, blocked: NDArray[np.uint8], settings: LearningSettings,
    places: list[Listed], guests: bool,
) -> list[Listed]:  # fmt: skip
    """`places` of this request's list with what their scores are made of.

    It is ranked once more for that. What a learner has changed meanwhile is in the base; with
    `guests`, what sets the score apart from the ranker's is theirs.
    """
    s, w, types = kit.state, kit.scratch, _types(kit, asked, settings)
    room = tuple(_room(1, 1))
    _, count = _list_one(kit, tuple(asked.past), tuple(types), room, blocked, 0.0)
    length = min(int(asked.past.history_start[1]), HISTORY)
    return [
        place._replace(explanation=explain(s, w, place.row, place.score, count, length, guests))
        for place in places
    ]


def listed_for_all(
    kit: Kit, asked: Asked, blocked: NDArray[np.uint8], settings: LearningSettings
) -> list[list[Listed]]:
    """A list for every row of the past, in one call of the kernel; nothing is explained."""
    types = _types(kit, asked, settings)
    rows = len(asked.past.history_start) - 1
    out, counts = _room(rows, asked.k), np.zeros(rows, np.int64)
    _list_all(kit, asked.past, types, blocked, asked.diversity, out, counts)
    return [_places(kit.state, out, row, int(counts[row])) for row in range(rows)]


class _Lists(NamedTuple):
    """Lists as kernels write them: rows of `k` places."""

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]
    causes: NDArray[np.int64]  # [lists, k, CAUSES], -1 = none
    sources: NDArray[np.int8]
    moved: NDArray[np.uint8]  # by diversity


def _room(lists: int, k: int) -> _Lists:
    return _Lists(
        np.empty((lists, k), np.int64), np.empty((lists, k)),
        np.empty((lists, k, CAUSES), np.int64), np.empty((lists, k), np.int8),
        np.empty((lists, k), np.uint8),
    )  # fmt: skip


def _places(s: State, out: _Lists, row: int, count: int) -> list[Listed]:
    columns = [column[row].tolist() for column in out]
    return [
        Listed(
            item, score, "history" if causes[0] >= 0 and not moved else _reason(s, item, moved),
            tuple(causes[: causes.index(-1)] if causes[-1] < 0 else causes), source,
        )
        for _, item, score, causes, source, moved in zip(range(count), *columns, strict=False)
    ]  # fmt: skip


def _reason(s: State, row: int, moved: int) -> str:
    """Of an item no history speaks for, or that diversity has moved."""
    if moved:
        return "diversity"
    return "popular" if s.popularity.total[row] > 0 else "new"


@njit(cache=True, nogil=True)
def readable(s: State, blocked: NDArray[np.uint8]) -> int:
    """Items a reader may touch: never more than the arrays of its own view hold."""
    items = min(s.used[0], s.key.shape[0], blocked.shape[0])
    if s.fast.partner.shape[0] == 0:
        items = min(items, s.fast.dense.shape[0])
    return int(items)


@njit(cache=True, nogil=True)
def asked_at(s: State, past: Past, row: int, length: int) -> float:
    """Seconds: the model clock, or the user's last event where that is later."""
    last = past.history_time[past.history_start[row]] if length > 0 else s.clock[0]
    return max(s.clock[0], last)


@njit(cache=True, nogil=True)
def _list_one(
    kit: Kit, past: Any, types: Any, out: Any, blocked: NDArray[np.uint8], diversity: float
) -> tuple[int, int]:
    # Named tuples take a caller twice as long as plain ones.
    return _list(kit, Past(*past), 0, Types(*types), blocked, diversity, _Lists(*out), 0)


@inner
def _list(
    kit: Kit, past: Past, row: int, types: Types, blocked: NDArray[np.uint8],
    diversity: float, out: _Lists, to: int,
) -> tuple[int, int]:  # fmt: skip
    """Write the list of one row; return its length, and how many candidates there were."""
    s, w = kit.state, kit.scratch
    items = readable(s, blocked)
    length = read_past(s, w, past, row, types, items)
    now = asked_at(s, past, row, length)
    read_ages(w, past, row, length, now)
    mask(s, w, past, row, types, blocked, items)
    candidates = rank(s, w, length, now, items)
    count = min(candidates, out.rows.shape[1])
    out.moved[to, :count], out.causes[to, :count] = 0, -1
    if diversity > 0.0 and count > 0:
        diversify(s, w, candidates, count, diversity, out.moved[to])
    for place in range(count):
        at = w.order[place]
        out.rows[to, place] = w.candidates[at]
        out.scores[to, place], out.sources[to, place] = w.final[at], w.best[at]
    find_causes(s, w, out.rows[to], count, length, out.causes[to])
    return count, candidates


@njit(cache=True, nogil=True)
def _list_all(
    kit: Kit, past: Past, types: Types, blocked: NDArray[np.uint8],
    diversity: float, out: _Lists, counts: NDArray[np.int64],
) -> None:  # fmt: skip
    for row in range(counts.shape[0]):
        counts[row] = _list(kit, past, row, types, blocked, diversity, out, row)[0]


@njit(cache=True, nogil=True)
def embeddings_of(
    s: State, w: Scratch, starts: NDArray[np.int64], keys: NDArray[np.uint64],
    out: NDArray[np.float32],
) -> None:  # fmt: skip
    """Write embeddings (float32[n, dims], norm 1 or zeros) of n histories.

    History r is `keys[starts[r] : starts[r + 1]]` (item keys, newest first, at most HISTORY).
    """
    items = readable(s, s.blocked)
    for row in range(out.shape[0]):
        length = min(starts[row + 1] - starts[row], HISTORY)
        for lag in range(length):
            found = find(s.slots, s.key, keys[starts[row] + lag])
            w.history[lag] = found if found < items else -1
        embeddings.user(s.embeddings, w.history, length, w.x)
        total = np.float32(0.0)
        for d in range(out.shape[1]):
            out[row, d] = w.x[d]
            total += w.x[d]
        if not math.isfinite(total):
            out[row] = 0.0
