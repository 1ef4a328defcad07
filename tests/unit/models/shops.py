"""Logs in memory for the models' tests: events in, examples with pasts out, no stream needed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.answers import Asked
from models.examples import CAPPED, HISTORY, SCORED, Examples, Past
from models.model import Model
from models.settings import LearningSettings

TYPES = ["view", "click", "purchase", "rating", "dislike", "comment"]
START = 1_700_000_000.0


@dataclass(frozen=True)
class Event:
    user: str
    item: str
    type: str = "view"
    value: float = math.nan
    time: float = START
    scored: bool = True
    capped: bool = False


class Shop:
    """A model, and the pasts of its users as stage one would keep them."""

    def __init__(self, settings: LearningSettings | None = None, seed: int = 1) -> None:
        self.model = Model(settings or LearningSettings(), seed=seed)
        self._log: list[Event] = []

    def tell(self, events: Iterable[Event], cuts: Sequence[int] = ()) -> list[int]:
        """Learn the events, in batches that end at `cuts`; return the places that were scored."""
        examples, ids = self.examples(events)
        places: list[int] = []
        for begin, end in zip([0, *cuts], [*cuts, len(ids)], strict=True):
            learned = self.model.learn(part_of(examples, begin, end), ids[begin:end], TYPES)
            places.extend(learned.scores.place.tolist())
        return places

    def put(self, *items: Mapping[str, object]) -> None:
        for item in items:
            self.model.put_item(item)

    def examples(self, events: Iterable[Event]) -> tuple[Examples, list[str]]:
        """Examples of events that follow the log so far, whose pasts they are given."""
        rows, pasts, first = [], [], len(self._log)
        for event in events:
            rows.append(event)
            pasts.append(self._past_of(event.user))
            self._log.append(event)
        key = self.model.key_of
        return Examples(
            np.array([key(e.item) for e in rows], np.uint64),
            np.array([key(f"event {first + n}") for n in range(len(rows))], np.uint64),
            np.array([key(e.user) for e in rows], np.uint64),
            np.array([TYPES.index(e.type) for e in rows], np.uint8),
            np.array([e.value for e in rows], np.float64),
            np.array([e.time for e in rows], np.float64),
            np.array([SCORED * e.scored | CAPPED * e.capped for e in rows], np.uint8),
            np.array([_mask(e.item, past) for e, past in zip(rows, pasts, strict=True)], np.uint16),
            self._columns(pasts),
        ), [e.item for e in rows]

    def asked(self, user: str, k: int = 10, **more: object) -> Asked:
        plain = Asked(self._columns([self._past_of(user)]), TYPES, k)
        return plain._replace(**more)  # type: ignore[arg-type]

    def listed(self, user: str, k: int = 10, **more: object) -> list[str]:
        return self.names(self.model.recommend(self.asked(user, k, **more)))

    def names(self, listed: Iterable[object]) -> list[str]:
        return [self.model.id_of(place.row) for place in listed]  # type: ignore[attr-defined]

    def _past_of(self, user: str) -> list[Event]:
        return [e for e in reversed(self._log) if e.user == user]

    def _columns(self, pasts: list[list[Event]]) -> Past:
        key = self.model.key_of
        histories = [past[:HISTORY] for past in pasts]
        flat = [e for history in histories for e in history]
        seen = [{e.item: _mask(e.item, past) for e in past} for past in pasts]
        return Past(
            _starts(histories), np.array([key(e.item) for e in flat], np.uint64),
            np.array([e.time for e in flat], np.float64),
            np.array([TYPES.index(e.type) for e in flat], np.uint8),
            np.array([e.value for e in flat], np.float64),
            _starts(seen), np.array([key(item) for s in seen for item in s], np.uint64),
            np.array([mask for s in seen for mask in s.values()], np.uint16),
            np.zeros(len(pasts) + 1, np.int64), np.empty(0, np.uint64),
        )  # fmt: skip


def _mask(item: str, past: list[Event]) -> int:
    mask = 0
    for event in past:
        if event.item == item:
            mask |= 1 << TYPES.index(event.type)
    return mask


def _starts(rows: Sequence[Sequence[object] | dict[str, int]]) -> np.ndarray:
    return np.cumsum([0, *[len(row) for row in rows]]).astype(np.int64)


def part_of(examples: Examples, begin: int, end: int) -> Examples:
    """Rows `begin` to `end`, as a batch of its own."""
    p = examples.past
    h, s = p.history_start[begin : end + 1], p.seen_start[begin : end + 1]
    history, seen = slice(h[0], h[-1]), slice(s[0], s[-1])
    a = p.attribute_start[begin : end + 1]
    past = Past(
        h - h[0], p.history_key[history], p.history_time[history], p.history_type[history],
        p.history_value[history], s - s[0], p.seen_key[seen], p.seen_mask[seen],
        a - a[0], p.attribute_key[a[0] : a[-1]],
    )  # fmt: skip
    columns = [column[begin:end] for column in examples[:-1]]
    return Examples._make([*columns, past])


def crowd(events: int, users: int = 12, items: int = 40, seed: int = 3) -> Iterator[Event]:
    """Users with a taste for one of four kinds of items, repeatable."""
    random = np.random.default_rng(seed)
    for at in range(events):
        user = int(random.integers(users))
        liked = random.random() < 0.8
        kind = user % 4 if liked else int(random.integers(4))
        item = int(random.integers(items // 4)) * 4 + kind
        type_ = str(random.choice(TYPES, p=[0.6, 0.1, 0.05, 0.15, 0.05, 0.05]))
        value = float(random.integers(1, 6)) if type_ == "rating" else math.nan
        late = 3600.0 * (random.random() < 0.05)
        yield Event(f"u{user}", f"i{item}", type_, value, START + 60.0 * at - late)


def catalogue(items: int = 40) -> Iterator[dict[str, object]]:
    for item in range(items):
        yield {
            "item_id": f"i{item}", "title": f"Thing number {item}",
            "categories": [f"kind {item % 4}"], "tags": [f"tag {item % 7}"],
        }  # fmt: skip
