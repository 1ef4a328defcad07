"""The ladder: personal, session, trending, static. A rung that breaks is replaced by the next.

Whatever happens, there is a list; the answer says where it came from.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple, Protocol

import structlog
from msgspec import Raw

from api.composing import compose
from api.load import Load
from api.standby import NOTHING, Standby
from api.wanted import Wanted
from models.answers import Asked, Listed
from models.examples import Past, empty_past
from models.facets import Filters
from models.model import Model
from models.pasts import joined
from models.reader import Reader
from stream.profiles import UserRow
from stream.service import Reading

Rung = tuple[str, Callable[[Reader], Sequence[Listed] | None]]

#: Items kept for the moment when nothing else works: the longest list that can be asked for.
KEPT: Final = 100
# Younger than this the kept list is not drawn again; at zero every request would pay for it.
_KEPT_FOR_S: Final = 10.0
# A broken rung is met by every request; one warning in this time is enough to act on.
_WARN_EVERY_S: Final = 1.0

logger = structlog.get_logger(__name__)


class Answer(NamedTuple):
    """A list ready to be sent. `degraded`: a healthy system would have answered from above.

    `places` are what the items, of these ids and keys, were made of, with their propensities;
    empty for a list that was kept.
    """

    items: Raw
    served_by: str
    degraded: bool
    item_ids: Sequence[str] = ()
    places: Sequence[Listed] = ()
    keys: Sequence[int] = ()


def _asked(row: UserRow | None, wanted: Wanted) -> Asked:
    past, types = (row.past, row.types) if row is not None else (empty_past(), ())
    return _asked_for(past, types, wanted)


def _asked_for(past: Past, types: Sequence[str], wanted: Wanted) -> Asked:
    return Asked(past, types, wanted.k, wanted.filters, wanted.diversity, wanted.explain)


def _has_acted(row: UserRow | None) -> bool:
    return row is not None and bool(row.counts)


def _recommended(reader: Reader, row: UserRow | None, wanted: Wanted) -> Sequence[Listed]:
    return reader.recommend(_asked(row, wanted), wanted.draw, wanted.user_id)


def _knows(reader: Reader, row: UserRow) -> bool:
    return any(reader.row_of(int(key)) >= 0 for key in row.past.history_key)


def _trend(wanted: Wanted) -> Rung:
    return "trending", partial(_trending, wanted=wanted)


def _trending(reader: Reader, wanted: Wanted, row: UserRow | None = None) -> Sequence[Listed]:
    """Filled up with the rest of the catalogue where little has happened yet."""
    asked = _asked(row, wanted)
    listed = reader.trending(wanted.k, asked)
    if len(listed) < wanted.k:
        there = {place.row for place in listed}
        listed += [
            Listed(place.row, 0.0, place.reason, place.because)
            for place in reader.recommend(asked)
            if place.row not in there
        ]
    return listed[: wanted.k]


class HasModel(Protocol):
    """Who is asked for the model anew with every list: a service may change over to another."""

    @property
    def model(self) -> Model: ...


class Ladder:
    """Answers from the highest rung that holds."""

    def __init__(self, service: HasModel, load: Load | None = None) -> None:
        self._service = service
        self._load = load
        self._kept = Standby()
        self._kept_at = float("-inf")
        self._warned: dict[str, float] = {}

    def personal(self, reading: Reading | None, wanted: Wanted) -> Answer:
        """For a user; one without any event gets the ranker's view of what is trending.

        `reading` is None where the row could not be had: the answer is then degraded.
        """
        row = reading.row if reading else None
        # Of somebody who has not acted yet, attributes may be known.
        name = "personal" if _has_acted(row) else "trending"
        rungs: tuple[Rung, ...] = (
            (name, partial(_recommended, row=row, wanted=wanted)),
            ("trending", partial(_trending, wanted=wanted, row=row)),
        )
        return self._first(rungs, wanted, degraded=reading is None)

    def session(self, past: Callable[[], UserRow | None], wanted: Wanted) -> Answer:
        """For events that came with the request; trending where no item of theirs is known."""

        def from_past(reader: Reader) -> Sequence[Listed] | None:
            row = past()
            return _recommended(reader, row, wanted) if row and _knows(reader, row) else None

        return self._first((("session", from_past), _trend(wanted)), wanted)

    def many(
        self, user_ids: Sequence[str], readings: Sequence[Reading | None], wanted: Wanted
    ) -> list[Answer]:
        """A list for each of many users, as `personal` has it, ranked in one go where that holds.

        Users of one partition share the names of their types; so do all without a row.
        """
        groups: dict[tuple[str, ...], list[int]] = {}
        for at, reading in enumerate(readings):
            if reading is not None:
                names = tuple(reading.row.types) if reading.row is not None else ()
                groups.setdefault(names, []).append(at)
        answers: dict[int, Answer] = {}
        try:
            reader = self._service.model.reader
            for names, group in groups.items():
                rows = [reading.row for at in group if (reading := readings[at])]
                past = joined([row.past if row is not None else empty_past() for row in rows])
                lists = reader.recommend_all(
                    _asked_for(past, names, wanted), [user_ids[at] for at in group]
                )
                for at, row, listed in zip(group, rows, lists, strict=True):
                    shown = compose(reader, listed, wanted)
                    rung = "personal" if _has_acted(row) else "trending"
                    answers[at] = Answer(shown.items, rung, False, *shown[1:])
        except Exception:  # noqa: BLE001 - whatever broke, each gets what can be had
            self._warn("personal")
        if len(answers) < len(readings):
            away = self.personal(None, wanted)
            answers = dict.fromkeys(range(len(readings)), away) | answers
        return [answers[at] for at in range(len(readings))]

    def similar(self, item_id: str, k: int) -> Answer:
        """Items like this one; trending ones for an item nobody knows."""
        others = Wanted(k, Filters(exclude=(item_id,)))

        def alike(reader: Reader) -> Sequence[Listed] | None:
            return reader.similar(item_id, k) or None

        return self._first((("session", alike), _trend(others)), others)

    def trending(self, k: int) -> Answer:
        wanted = Wanted(k)
        return self._first((_trend(wanted),), wanted)

    def hurried(self) -> bool:
        """Whether lists come from what is kept, because requests pile up."""
        return self._load is not None and self._load.heavy() and len(self._kept) > 0

    def _in_a_hurry(self, wanted: Wanted) -> Answer | None:
        """A list that costs next to nothing; None where what is kept has nothing for it."""
        assert self._load is not None
        self._keep()
        items = self._kept.pick(self._service.model, wanted)
        if items == NOTHING:
            return None
        self._load.shed("rung")
        return Answer(items, "trending", True)

    def _first(self, rungs: Sequence[Rung], wanted: Wanted, degraded: bool = False) -> Answer:
        """The first rung that answers; None means that it does not apply, which is no fault.

        `degraded`: a rung above these had been there, but for a fault.
        """
        if self.hurried() and (hurried := self._in_a_hurry(wanted)):
            return hurried
        for name, rung in rungs:
            try:
                reader = self._service.model.reader
                listed = rung(reader)
                shown = None if listed is None else compose(reader, listed, wanted)
            except Exception:  # noqa: BLE001 - whatever broke, the next rung answers
                self._warn(name)
                degraded = True
                continue
            if shown is not None:
                if not degraded:
                    self._keep()
                return Answer(shown.items, name, degraded, *shown[1:])
        return Answer(self._kept.pick(self._service.model, wanted), "static", True)

    def _keep(self) -> None:
        """Remember a list for the last rung, while things work."""
        now = time.monotonic()
        if now - self._kept_at < _KEPT_FOR_S:
            return
        self._kept_at = now
        try:
            kept, reader = Wanted(KEPT), self._service.model.reader
            standby = Standby(compose(reader, _trending(reader, kept), kept).items, reader.key_of)
            self._kept = standby if len(standby) else self._kept
        except Exception:  # noqa: BLE001 - the list kept before stays
            self._warn("static")

    def _warn(self, rung: str) -> None:
        now = time.monotonic()
        if now - self._warned.get(rung, float("-inf")) >= _WARN_EVERY_S:
            self._warned[rung] = now
            logger.warning("a rung of the ladder broke", rung=rung, exc_info=True)
