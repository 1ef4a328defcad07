"""The ladder: personal, session, trending, static. A rung that breaks is replaced by the next.

Whatever happens, there is a list; the answer says where it came from.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from api.load import Load
from models.answers import Asked, Listed, nobody
from stream.profiles import UserRow
from stream.service import Reading, Service

Items = list[dict[str, Any]]
Rung = tuple[str, Callable[[], Sequence[Listed] | None]]

#: Items kept for the moment when nothing else works: the longest list that can be asked for.
KEPT: Final = 100
# Younger than this the kept list is not drawn again; at zero every request would pay for it.
_KEPT_FOR_S: Final = 10.0
# A broken rung is met by every request; one warning in this time is enough to act on.
_WARN_EVERY_S: Final = 1.0

logger = structlog.get_logger(__name__)


class RowsAway(Exception):
    """The rows of users could not be read for this request."""


@dataclass(frozen=True)
class Wanted:
    """How many, and what must not be among them; with `draw`, a new item may be drawn into it."""

    k: int = 10
    category: str | None = None
    exclude: Sequence[str] = ()
    draw: str | None = None
    user_id: str = ""


@dataclass(frozen=True)
class Answer:
    """A list ready to be sent. `degraded`: a healthy system would have answered from above.

    `listed` is what the items were made of, with their propensities; empty for a static list.
    """

    items: Items
    served_by: str
    degraded: bool
    listed: Sequence[Listed] = ()


def _asked(row: UserRow | None, wanted: Wanted) -> Asked:
    if row is None:
        return nobody(wanted.k, wanted.category, wanted.exclude)
    return Asked(row.past, row.types, wanted.k, wanted.category, wanted.exclude)


class Ladder:
    """Answers from the highest rung that holds."""

    def __init__(self, service: Service, load: Load | None = None) -> None:
        self._service = service
        self._load = load
        self._kept: Items = []
        self._kept_at = float("-inf")
        self._warned: dict[str, float] = {}

    def personal(self, reading: Reading | None, wanted: Wanted) -> Answer:
        """For a user; one without any event gets the ranker's view of what is trending.

        `reading` is None where the row could not be had: the answer is then degraded.
        """
        row = reading.row if reading else None
        acted = row is not None and bool(row.counts)

        def from_past() -> Sequence[Listed] | None:
            if reading is None:
                raise RowsAway
            return self._from_row(row, wanted) if acted else None

        def for_strangers() -> Sequence[Listed] | None:
            if acted:
                return None
            # Of somebody who has not acted yet, attributes may be known.
            return self._recommended(row, wanted)

        def from_trend() -> Sequence[Listed]:
            return self._trending(wanted, row)

        rungs: list[Rung] = [("personal", from_past)]
        rungs += [("trending", for_strangers), ("trending", from_trend)]
        return self._first(rungs, wanted)

    def session(self, past: Callable[[], UserRow | None], wanted: Wanted) -> Answer:
        """For events that came with the request; trending where no item of theirs is known."""

        def from_past() -> Sequence[Listed] | None:
            row = past()
            return self._from_row(row, wanted) if row and self._knows(row) else None

        return self._first(
            [("session", from_past), ("trending", lambda: self._trending(wanted))], wanted
        )

    def similar(self, item_id: str, k: int) -> Answer:
        """Items like this one; trending ones for an item nobody knows."""
        others = Wanted(k, exclude=(item_id,))

        def alike() -> Sequence[Listed] | None:
            return self._service.model.similar(item_id, k) or None

        return self._first(
            [("session", alike), ("trending", lambda: self._trending(others))], others
        )

    def trending(self, k: int) -> Answer:
        wanted = Wanted(k)
        return self._first([("trending", lambda: self._trending(wanted))], wanted)

    def hurried(self) -> bool:
        """Whether lists come from what is kept, because requests pile up."""
        return self._load is not None and bool(self._kept) and self._load.heavy()

    def _in_a_hurry(self, wanted: Wanted) -> Answer | None:
        """A list that costs next to nothing; None where what is kept has nothing for it."""
        assert self._load is not None
        self._keep()
        items = self._static(wanted)
        if not items:
            return None
        self._load.shed("rung")
        return Answer(items, "trending", True)

    def _first(self, rungs: list[Rung], wanted: Wanted) -> Answer:
        """The first rung that answers; None means that it does not apply, which is no fault."""
        if self.hurried() and (hurried := self._in_a_hurry(wanted)):
            return hurried
        degraded = False
        for name, rung in rungs:
            try:
                listed = rung()
                items = None if listed is None else self._items(listed)
            except RowsAway:  # told where it happened
                degraded = True
                continue
            except Exception:  # noqa: BLE001 - whatever broke, the next rung answers
                self._warn(name)
                degraded = True
                continue
            if items is not None:
                if not degraded:
                    self._keep()
                return Answer(items, name, degraded, listed or ())
        return Answer(self._static(wanted), "static", True)

    def _from_row(self, row: UserRow | None, wanted: Wanted) -> Sequence[Listed] | None:
        if row is None:
            return None
        return self._recommended(row, wanted)

    def _recommended(self, row: UserRow | None, wanted: Wanted) -> Sequence[Listed]:
        asked = _asked(row, wanted)
        return self._service.model.recommend(asked, wanted.draw, wanted.user_id)

    def _knows(self, row: UserRow) -> bool:
        model = self._service.model
        return any(model.row_of(int(key)) >= 0 for key in row.past.history_key)

    def _trending(self, wanted: Wanted, row: UserRow | None = None) -> Sequence[Listed]:
        """Filled up with the rest of the catalogue where little has happened yet."""
        model = self._service.model
        asked = _asked(row, wanted)
        listed = model.trending(wanted.k, asked)
        if len(listed) < wanted.k:
            there = {place.row for place in listed}
            listed += [
                Listed(place.row, 0.0, place.reason, place.because)
                for place in model.recommend(asked)
                if place.row not in there
            ]
        return listed[: wanted.k]

    def _items(self, listed: Sequence[Listed]) -> Items:
        model = self._service.model
        items: Items = []
        for place in listed:
            head = {
                "item_id": model.id_of(place.row),
                "score": place.score,
                "reason": place.reason,
                "because": [model.id_of(row) for row in place.because],
            }
            items.append({**head, **(model.document(place.row) or {}), **head})
        return items

    def _keep(self) -> None:
        """Remember a list for the last rung, while things work."""
        now = time.monotonic()
        if now - self._kept_at < _KEPT_FOR_S:
            return
        self._kept_at = now
        try:
            self._kept = self._items(self._trending(Wanted(KEPT))) or self._kept
        except Exception:  # noqa: BLE001 - the list kept before stays
            self._warn("static")

    def _static(self, wanted: Wanted) -> Items:
        left = [
            item
            for item in self._kept
            if item["item_id"] not in wanted.exclude
            and self._still_listed(item["item_id"])
            and (wanted.category is None or wanted.category in item.get("categories", ()))
        ]
        return left[: wanted.k]

    def _still_listed(self, item_id: str) -> bool:
        """What was taken out of the catalogue leaves this list at once, as any other."""
        try:
            return self._service.model.is_listed(item_id)
        except Exception:  # noqa: BLE001 - this rung holds when nothing else does
            return True

    def _warn(self, rung: str) -> None:
        now = time.monotonic()
        if now - self._warned.get(rung, float("-inf")) >= _WARN_EVERY_S:
            self._warned[rung] = now
            logger.warning("a rung of the ladder broke", rung=rung, exc_info=True)
