"""Figures from the tables of live quality: asked for by readers, so nothing here is state."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.learning import LIST
from models.quality_kernels import (
    ABSOLUTES,
    ALL,
    ERRORS,
    EXAMPLES,
    FIRST_RUNG,
    FIRST_SOURCE,
    KEPT,
    KNOWN_ITEMS,
    LISTED,
    LISTS,
    MARK_EVERY,
    MARKS,
    NEW_ITEM,
    NEW_ITEMS,
    NEW_USER,
    NEW_USERS,
    NOVELTY,
    RATED,
    RUNGS,
    SAMPLES,
    SLICES,
    SOURCES,
    SQUARES,
    WARM_USERS,
    Quality,
)  # fmt: skip

#: Scored samples of the rolling windows; `all` is since the log's start.
WINDOWS: Final = (1_000, KEPT)
CUTS: Final = (10, LIST)
#: Points of the trend, of up to KEPT / POINTS samples each.
POINTS: Final = 40
# With fewer samples a point of the trend would be noise.
_FEWEST: Final = 25

_SLICES: Final = {
    "new_users": NEW_USERS, "warm_users": WARM_USERS,
    "new_items": NEW_ITEMS, "known_items": KNOWN_ITEMS,
}  # fmt: skip

Figures = dict[str, float | int | None]


@dataclass(frozen=True)
class Part:
    """Counts of some samples: places of the item (LIST = a miss), and sums."""

    places: NDArray[np.int64]  # [LIST + 1]
    sums: NDArray[np.float64]  # [5]

    def figures(self) -> Figures:
        """Metrics by name; None where there was nothing to measure.

        A sample has one relevant item, so recall@k is hr@k, and precision@k that over k;
        `ndcg@k` is 1/log2(place + 2), `mrr@k` 1/(place + 1), both 0 beyond k.
        """
        n = int(self.places.sum())
        told: Figures = {"scored": n}
        for k in CUTS:
            shares = [int(count) / n for count in self.places[:k]] if n else None
            # Divided once: a sum of shares may come out above 1.
            hits = int(self.places[:k].sum()) / n if n else None
            told[f"hr@{k}"] = hits
            told[f"ndcg@{k}"] = _weighted(shares, lambda place: 1.0 / math.log2(place + 2))
            told[f"mrr@{k}"] = _weighted(shares, lambda place: 1.0 / (place + 1))
            told[f"precision@{k}"] = hits / k if hits is not None else None
            told[f"recall@{k}"] = hits
        lists, novelty, errors, squares, absolutes = self.sums.tolist()
        told["novelty"] = novelty / lists if lists else None
        told["ratings"] = int(errors)
        told["rmse"] = math.sqrt(squares / errors) if errors else None
        told["mae"] = absolutes / errors if errors else None
        return told


def _weighted(shares: Sequence[float] | None, weight: Any) -> float | None:
    if shares is None:
        return None
    return math.fsum(share * weight(place) for place, share in enumerate(shares))


@dataclass(frozen=True)
class Samples:
    """A copy of the newest samples, oldest first."""

    place: NDArray[np.int8]
    flags: NDArray[np.uint8]
    source: NDArray[np.int8]
    rung: NDArray[np.int8]
    novelty: NDArray[np.float32]
    error: NDArray[np.float32]

    @classmethod
    def newest(cls, q: Quality, count: int) -> Samples:
        total = int(q.counts[SAMPLES])
        at = np.arange(max(total - count, 0), total) % KEPT
        return cls(q.place[at], q.flags[at], q.source[at], q.rung[at], q.novelty[at], q.error[at])

    def tables(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """`places` and `sums` of the samples, as the model keeps them since its start."""
        places = np.zeros((SLICES, LIST + 1), np.int64)
        sums = np.zeros((SLICES, 5))
        listed, rated = self.flags & LISTED > 0, self.flags & RATED > 0
        rung = np.where(self.rung >= 0, FIRST_RUNG + self.rung.astype(np.int64), -1)
        source = np.where(self.source >= 0, self.source, SOURCES - 1).astype(np.int64)
        for slices in (
            np.full(len(self.place), ALL),
            np.where(self.flags & NEW_USER, NEW_USERS, WARM_USERS),
            np.where(self.flags & NEW_ITEM, NEW_ITEMS, KNOWN_ITEMS),
            rung,
            np.where(listed, FIRST_SOURCE + source, -1),
        ):
            self._add(slices, listed & (slices >= 0), rated & (slices >= 0), places, sums)
        return places, sums

    def _add(
        self, slices: NDArray[np.int64], listed: NDArray[np.bool_], rated: NDArray[np.bool_],
        places: NDArray[np.int64], sums: NDArray[np.float64],
    ) -> None:  # fmt: skip
        of = slices[listed]
        cells = np.bincount(of * (LIST + 1) + self.place[listed], minlength=places.size)
        places += cells.reshape(places.shape)
        sums[:, LISTS] += np.bincount(of, minlength=SLICES)
        sums[:, NOVELTY] += np.bincount(of, self.novelty[listed], SLICES)
        of, error = slices[rated], np.abs(self.error[rated].astype(np.float64))
        sums[:, ERRORS] += np.bincount(of, minlength=SLICES)
        sums[:, SQUARES] += np.bincount(of, error * error, SLICES)
        sums[:, ABSOLUTES] += np.bincount(of, error, SLICES)


def window(q: Quality, length: int | None, sources: Sequence[str], items: int) -> dict[str, Any]:
    """The figures of the newest `length` samples, None: of all since the start.

    `coverage@20` is the share of the `items` known that some list of the window had.
    """
    total = int(q.counts[SAMPLES])
    if length is None:
        places, sums, since = q.places.copy(), q.sums.copy(), 0
    else:
        places, sums = Samples.newest(q, length).tables()
        since = max(total - length, 0)
    parts = [Part(*part) for part in zip(places, sums, strict=True)]
    listed = int(np.count_nonzero(q.listed[:items] > since))
    by_source = {name: parts[FIRST_SOURCE + at].figures() for at, name in enumerate(sources)}
    return {
        "samples": total - since,
        **parts[ALL].figures(),
        "coverage@20": listed / items if items and total else None,
        "slices": {name: parts[number].figures() for name, number in _SLICES.items()},
        "sources": {**by_source, "none": parts[FIRST_SOURCE + SOURCES - 1].figures()},
        "served_by": {name: parts[FIRST_RUNG + at].figures() for at, name in enumerate(RUNGS)},
    }


def trend(q: Quality) -> list[float]:
    """hr@20 of the newest KEPT samples in equal pieces, oldest first; empty without enough."""
    place = Samples.newest(q, KEPT).place
    place = place[place >= 0]
    pieces = min(len(place) // _FEWEST, POINTS)
    if pieces < 2:
        return []
    return [float((piece < LIST).mean()) for piece in np.array_split(place, pieces)]


def actions(q: Quality, kinds: Sequence[str]) -> dict[str, dict[str, Figures]]:
    """Per window and event type: how often, how often attributed to a list, CTR, conversion.

    `ctr` is attributed events over items shown, `conversion` over lists shown; None until
    impressions are in the log. Windows are of examples, rounded up to the next thousand.
    """
    now, lists_now = q.actions.copy(), q.shown.copy()
    told = {}
    for name, then, lists_then in _marks(q):
        counts, lists = now - then, (lists_now - lists_then).sum(axis=0)
        told[name] = {kind: _rates(counts[at], lists) for at, kind in enumerate(kinds)}
    return told


def shown(q: Quality) -> dict[str, dict[str, Figures]]:
    """Per window and rung: lists and items shown, how many of those were taken, and their share.

    From impressions alone, counted when a list is closed. Windows are those of `actions`.
    """
    now, told = q.shown.copy(), {}
    for name, _, then in _marks(q):
        told[name] = {rung: _taken((now - then)[at]) for at, rung in enumerate(RUNGS)}
    return told


def _taken(counts: NDArray[np.int64]) -> Figures:
    lists, items, taken = counts.tolist()
    return {"lists": lists, "shown": items, "taken": taken, "ctr": taken / items if items else None}


def _marks(q: Quality) -> Iterator[tuple[str, Any, Any]]:
    marks = int(q.counts[EXAMPLES]) // MARK_EVERY
    for length in WINDOWS:
        back = length // MARK_EVERY
        slot = (marks - back) % MARKS
        known = marks > back
        yield str(length), q.marked_actions[slot] * known, q.marked_shown[slot] * known
    yield "all", 0, 0


def _rates(counts: NDArray[np.int64], shown: NDArray[np.int64]) -> Figures:
    events, attributed = counts.tolist()
    lists, items, _ = shown.tolist()
    return {
        "events": events,
        "attributed": attributed,
        "ctr": attributed / items if items else None,
        "conversion": attributed / lists if lists else None,
    }
