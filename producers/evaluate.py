"""Prequential evaluation: every event is first foretold by the serving code, then learned.

It goes through the same two stages as a live log, so what it ranks is what HTTP answers.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import structs

from models.learning import LIST
from models.model import Learned, Model
from models.settings import LearningSettings
from producers.readers import Dataset
from stream.examples import ExampleBatch
from stream.manifest import Manifest
from stream.model_stage import ModelStage
from stream.profiles import Profiles
from stream.records import LogRecord

_BATCH: Final = 256
# A user or an item with fewer earlier events is new.
_NEW: Final = 5
SLICES: Final = ("new_users", "warm_users", "new_items", "known_items")


@dataclass
class Tally:
    """Sums of the ranking and rating metrics over one slice of the events."""

    places: list[int] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)

    def report(self) -> dict[str, Any]:
        """Metrics by their names; null where there was nothing to measure."""
        n, places = len(self.places), np.array(self.places)
        errors = np.array(self.errors)
        return {
            "scored": n,
            "hr@10": float((places < 10).mean()) if n else None,
            "hr@20": float((places < LIST).mean()) if n else None,
            "ndcg@10": sum(1 / math.log2(p + 2) for p in self.places if p < 10) / n if n else None,
            "mrr@20": sum(1 / (p + 1) for p in self.places if p < LIST) / n if n else None,
            "rmse": float(np.sqrt(np.mean(errors**2))) if len(errors) else None,
            "mae": float(np.mean(np.abs(errors))) if len(errors) else None,
        }


@dataclass(frozen=True)
class Foretold:
    """One scored event: its number in the evaluated order, who, what, and the list before it."""

    number: int
    user_id: str
    item_id: str
    place: int
    rows: list[int]


class Evaluation:
    """One pass over a data set."""

    def __init__(
        self,
        settings: LearningSettings,
        manifest: Manifest,
        *,
        repeats: bool = False,
        positive_from: float | None = None,
        watch: Callable[[Foretold], None] | None = None,
    ) -> None:
        self._repeats = repeats
        self._positive_from = positive_from
        self._watch = watch
        self._settings = structs.replace(settings, repeats=repeats or settings.repeats)
        self._profiles = Profiles(structs.replace(manifest, scoring="all"))
        self.model = Model(self._settings, manifest.seed)
        self._stage = ModelStage(self.model)
        self._all = Tally()
        self._slices = {name: Tally() for name in SLICES}
        self._users: Counter[str] = Counter()
        self._items: Counter[str] = Counter()
        self._pairs: set[tuple[str, str]] = set()
        self._listed: set[int] = set()
        self._events = self._offset = 0

    def run(
        self,
        dataset: Dataset,
        limit: int | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> dict[str, Any]:
        """Evaluate; events in order of time, ties in file order, the first `limit` of them."""
        items, users = list(dataset.items), list(dataset.users)
        events = sorted(dataset.events, key=lambda event: float(event.get("timestamp") or 0.0))
        start = time.perf_counter()
        self._feed({"type": "item", **item} for item in items)
        self._feed({"type": "user", **user} for user in users)
        for batch in _batches(events[:limit]):
            self._feed(batch)
            if progress is not None:
                progress(len(batch))
        seconds = time.perf_counter() - start
        known = max(self.model.items, 1)
        return {
            "dataset": dataset.name,
            "events": self._events,
            **self._all.report(),
            "coverage@20": len(self._listed) / known,
            "events_per_s": round(self._events / seconds, 1) if self._events else 0.0,
            "slices": {name: tally.report() for name, tally in self._slices.items()},
        }

    def _feed(self, bodies: Iterable[dict[str, Any]]) -> None:
        records = []
        for body in bodies:
            received = float(body.get("timestamp") or 0.0)
            records.append(LogRecord(self._offset, received, True, msgspec.json.encode(body)))
            self._offset += 1
        for piece in self._profiles.step(records).pieces:
            self._stage.apply(0, piece, self._note)

    def _note(self, batch: ExampleBatch, learned: Learned) -> None:
        errors = {at: told - given for at, given, told in learned.ratings}
        for at, (user, item) in enumerate(zip(batch.user_ids, batch.item_ids, strict=True)):
            slices = self._slices_of(user, item)
            if at in errors:
                for tally in slices:
                    tally.errors.append(errors[at])
            place = int(learned.scores.place[at])
            if place >= 0 and self._counts(user, item, float(batch.examples.value[at])):
                for tally in slices:
                    tally.places.append(place)
                self._note_list(batch, learned, at, place)
            self._pairs.add((user, item))
            self._users[user] += 1
            self._items[item] += 1
            self._events += 1

    def _note_list(self, batch: ExampleBatch, learned: Learned, at: int, place: int) -> None:
        rows = [row for row in learned.scores.list[at].tolist() if row >= 0]
        self._listed.update(rows)
        if self._watch is not None:
            number = self._events
            self._watch(Foretold(number, batch.user_ids[at], batch.item_ids[at], place, rows))

    def _counts(self, user: str, item: str, value: float) -> bool:
        if not self._repeats and (user, item) in self._pairs:
            return False
        return self._positive_from is None or not value < self._positive_from

    def _slices_of(self, user: str, item: str) -> list[Tally]:
        by_user = "new_users" if self._users[user] < _NEW else "warm_users"
        by_item = "new_items" if self._items[item] < _NEW else "known_items"
        return [self._all, self._slices[by_user], self._slices[by_item]]


def _batches(events: list[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    remaining = iter(events)
    while batch := list(islice(remaining, _BATCH)):
        yield batch
