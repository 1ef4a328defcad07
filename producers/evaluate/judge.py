"""Which events count, and how a list did: one rule for whoever is scored."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from models.learning import LIST

# A user or an item with fewer earlier events is new.
_NEW: Final = 5
SLICES: Final = ("new_users", "warm_users", "new_items", "known_items")
# Windows of the curves over time: more are noise on a screen, and shorter ones are noise.
_WINDOWS: Final = 50
_SHORTEST: Final = 100


@dataclass(frozen=True)
class Verdict:
    """Whether an event is scored, and the slices it belongs to."""

    scored: bool
    slices: tuple[str, str]


class Judge:
    """Sees the events in order and says of each whether its place counts."""

    def __init__(self, repeats: bool, positive_from: float | None) -> None:
        self._repeats = repeats
        self._positive_from = positive_from
        self._users: Counter[str] = Counter()
        self._items: Counter[str] = Counter()
        self._pairs: set[tuple[str, str]] = set()

    def take(self, user: str, item: str, value: float | None) -> Verdict:
        """The verdict on an event, by those before it; then it is one of them."""
        again = (user, item) in self._pairs
        scored = self._repeats or not again
        if self._positive_from is not None and value is not None:
            scored = scored and not value < self._positive_from  # NaN is no value
        by_user = "new_users" if self._users[user] < _NEW else "warm_users"
        by_item = "new_items" if self._items[item] < _NEW else "known_items"
        self._pairs.add((user, item))
        self._users[user] += 1
        self._items[item] += 1
        return Verdict(scored, (by_user, by_item))


@dataclass
class Tally:
    """Places and rating errors of one slice of the events."""

    places: list[int] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)

    def report(self) -> dict[str, Any]:
        """Metrics by their names; null where there was nothing to measure."""
        n, places, errors = len(self.places), np.array(self.places), np.array(self.errors)
        return {
            "scored": n,
            "hr@10": float((places < 10).mean()) if n else None,
            "hr@20": float((places < LIST).mean()) if n else None,
            "ndcg@10": sum(1 / math.log2(p + 2) for p in self.places if p < 10) / n if n else None,
            "mrr@20": sum(1 / (p + 1) for p in self.places if p < LIST) / n if n else None,
            "rmse": float(np.sqrt(np.mean(errors**2))) if len(errors) else None,
            "mae": float(np.mean(np.abs(errors))) if len(errors) else None,
        }


class Scoreboard:
    """All that one ranker's lists came to; also who was asked, for paired intervals."""

    def __init__(self) -> None:
        self.all = Tally()
        self.slices = {name: Tally() for name in SLICES}
        self.scored_users: list[str] = []
        self.rated_users: list[str] = []
        self._listed: set[int] = set()

    def place(self, verdict: Verdict, user: str, place: int, rows: Iterable[int]) -> None:
        """Note the 0-based place of an event's item in the list, LIST where it was not in it."""
        self.scored_users.append(user)
        self._listed.update(rows)
        self.all.places.append(place)
        for name in verdict.slices:
            self.slices[name].places.append(place)

    def error(self, verdict: Verdict, user: str, error: float) -> None:
        """Note by how much a foretold rating was too high."""
        self.rated_users.append(user)
        self.all.errors.append(error)
        for name in verdict.slices:
            self.slices[name].errors.append(error)

    def report(self, items: int) -> dict[str, Any]:
        """The metrics, with `coverage@20` the share of `items` that was in any list."""
        covered = len(self._listed) / items if items and self.all.places else None
        return {**self.all.report(), "coverage@20": covered}

    def slices_report(self) -> dict[str, Any]:
        return {name: tally.report() for name, tally in self.slices.items()}

    def over_time(self) -> dict[str, Any]:
        """Means of windows of `window` scored events each, the last one maybe shorter."""
        places = self.all.places
        window = max(_SHORTEST, -(-len(places) // _WINDOWS))
        cuts = [Tally(places[at : at + window]).report() for at in range(0, len(places), window)]
        curves = {name: [cut[name] for cut in cuts] for name in ("hr@10", "ndcg@10")}
        return {"window": window, **curves}


def place_in(rows: Sequence[int], row: int | None) -> int:
    """The 0-based place of a row in a list, LIST for one that is not in it or not known."""
    return rows.index(row) if row is not None and row in rows else LIST
