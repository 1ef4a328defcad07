"""The rating model: a stack of recursive least squares over components that learn online.

Biases that drift, factors, each user's regression on what items are, attributes, and recent
residuals; the tables are its own, and bounded: who was least recently active leaves.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models import rating_kernels, rating_neighbours, rating_stack, rating_tables
from models.attributes import number_in
from models.index import find, fingerprint
from models.rating_neighbours import Near
from models.rating_tables import CATEGORIES, GUESTS, NUMBERS, RATED, RATERS, Tables, Work
from models.settings import Ratings as Settings
from models.tables import Arena, Array, digest_of

# What stays when the tables are full: at 1 every new user would cost a pass over all.
_STAY: Final = 0.75


# What the names of its tables begin with in a dump.
_NAMED: Final = "ratings/"
# The squares of larger numbers would add up to infinity.
_LARGEST: Final = 1e15


class Ratings:
    """Predicts a user's rating of an item, 1 to 5, learning with every rating.

    Users and items are 64-bit keys. One writer, any number of readers.

    >>> ratings = Ratings(Settings())
    >>> ratings.predict_one(1, 2)
    3.5
    >>> ratings.learn_one(1, 2, 5.0)
    >>> ratings.predict_one(1, 2) > 3.5
    True
    """

    def __init__(self, settings: Settings, seed: int = 0) -> None:
        self._seed = seed.to_bytes(8, "little", signed=True)
        self._threads = threading.local()
        self.arena = Arena(RATERS, RATED, "fixed")
        self.settings = settings
        rating_tables.declare(self.arena, settings)
        rating_neighbours.declare(self.arena, settings)
        self._categories = self.arena.add_blobs("categories")
        self._numbers = self.arena.add_blobs("number names")
        self.rejected = 0
        self.apply(settings)
        rating_kernels.start(self._tables[0])

    def apply(self, settings: Settings) -> None:
        """Go on under other bounds, or with other neighbours; the number of factors stays."""
        before, self.settings = self.settings, settings
        if before.speaking != settings.speaking:
            rating_neighbours.turn(self.arena, before, settings)
            rating_stack.turn(self.arena, before, settings)
        self._most = settings.max_users, settings.max_items
        self._reserve(1)
        self._refresh()

    @property
    def updates_rejected(self) -> int:
        """Ratings left out, and rows put back because an update would have broken them."""
        return self.rejected + int(self.arena["counts"][1])

    # Written by one thread.

    def learn_one(
        self, user: int, item: int, rating: float, time: float = 0.0, attributes: Sequence[int] = ()
    ) -> None:
        """Learn one rating; one that is not finite is counted in `rejected` and left out.

        `time` is seconds, `attributes` keys of what is known of the user. A rating outside the
        scale counts as its end.
        """
        told = np.array(attributes, np.uint64)
        self.learn_many(
            np.array([user], np.uint64), np.array([item], np.uint64), np.array([float(rating)]),
            np.array([float(time)]), np.array([0, len(told)]), told,
        )  # fmt: skip

    def learn_many(
        self, users: NDArray[np.uint64], items: NDArray[np.uint64],
        ratings: NDArray[np.float64], times: NDArray[np.float64],
        starts: NDArray[np.int64], attributes: NDArray[np.uint64],
        guests: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:  # fmt: skip
        """Foretell, then learn n ratings in order; return what was foretold (float64[n]).

        `starts` (int64[n + 1]) and `attributes` are compressed rows of attribute keys;
        `guests` (float64[n, GUESTS]) is what other models foretold, NaN: nothing. What was
        foretold of a rating that is not finite is NaN.
        """
        told, sound = np.full(len(users), np.nan), np.isfinite(ratings) & np.isfinite(times)
        if guests is None:
            guests = np.full((len(users), GUESTS), np.nan)
        if not sound.all():
            self.rejected += int((~sound).sum())
            for at in np.flatnonzero(sound).tolist():  # a broken one is rare
                told[at] = self.learn_many(
                    users[at : at + 1], items[at : at + 1], ratings[at : at + 1],
                    times[at : at + 1], starts[at : at + 2], attributes, guests[at : at + 1],
                )[0]  # fmt: skip
            return told
        done = 0
        while done < len(users):
            self._reserve(len(users) - done)
            done = rating_kernels.learn(
                *self._tables, self._work(), users, items, ratings, times, starts, attributes,
                guests, done, told,
            )  # fmt: skip
            if done < len(users):
                self._make_room()
        return told

    def describe(self, item: int, document: Mapping[str, Any]) -> None:
        """Take in what the catalogue says of an item: its categories, and numbers like a year."""
        self._reserve(1)
        if self.arena.count(RATED) >= self._most[1]:
            self._make_room()
        t, _ = self._tables
        row = self._row(item)
        if row < 0:
            row = int(rating_kernels.new_item(t, np.uint64(item)))
        mask = 0
        for category in document.get("categories") or ():
            mask |= 1 << self._place(self._categories, category, CATEGORIES)
        t.item_categories[row] = mask
        for name, value in _numbers_of(document):
            place = self._place(self._numbers, name, NUMBERS + 1)
            if place < NUMBERS:
                _count(t.numbers[place], value)
                t.item_numbers[row, place] = value
                t.item_numbered[row] |= 1 << place

    # Read by anybody.

    def predict_one(
        self, user: int, item: int, time: float | None = None, attributes: Sequence[int] = (),
        guests: Sequence[float] = (),
    ) -> float:  # fmt: skip
        """Predict without a trace: asking never changes what is asked.

        `time` None: at the moment of the user's last rating.
        """
        w = self._work()
        w.attributes[:] = 0
        w.attributes[: len(attributes)] = list(attributes)[: len(w.attributes)]
        w.guests[:] = math.nan
        w.guests[: len(guests)] = guests
        now = float("-inf") if time is None else time
        return float(
            rating_kernels.foretell(*self._tables, w, np.uint64(user), np.uint64(item), now)
        )

    # The state as a whole.

    def digest(self) -> bytes:
        """16 bytes over all that can change a prediction."""
        return _digest(self.arena.digest(), self.rejected)

    def frozen_digest(self) -> Callable[[], bytes]:
        """What `digest` would answer now, to be called later, on any thread."""
        tables, rejected = self.arena.dump(), self.rejected
        return lambda: _digest(digest_of(tables.items()), rejected)

    def dump(self, *, lent: bool = False) -> dict[str, Array]:
        """Copies of all tables, under names that no other part of the model has."""
        tables = {**self.arena.dump(lent=lent), "rejected": np.array([self.rejected])}
        return {f"{_NAMED}{name}": table for name, table in tables.items()}

    def load(self, tables: Mapping[str, Array]) -> None:
        """Become what was dumped. Raises StateMismatch when the tables do not fit."""
        mine = {n.removeprefix(_NAMED): t for n, t in tables.items() if n.startswith(_NAMED)}
        self.arena.load(mine)
        self.rejected = int(mine["rejected"][0])
        self._reserve(1)
        self._refresh()

    def _row(self, item: int) -> int:
        t, _ = self._tables
        return int(find(t.item_slots, t.item_key, np.uint64(item)))

    def _place(self, names: list[bytes], name: str, most: int) -> int:
        """The number of a name; the last one is shared by all that come too late."""
        key = fingerprint(name, self._seed).to_bytes(8, "little")
        if key not in names and len(names) < most - 1:
            names.append(key)
        return names.index(key) if key in names else most - 1

    def _make_room(self) -> None:
        """Let the least recently active leave, of users and of items, where there are most."""
        a = self.arena
        for extent, name, most in ((RATERS, "user", self._most[0]), (RATED, "item", self._most[1])):
            if a.count(extent) < most:
                continue
            newest = np.argsort(-a[f"{name}.last"][: a.count(extent)], kind="stable")
            rows = np.sort(newest[: int(most * _STAY)])
            a.keep(extent, rows)
            moved = np.full(a.capacity(extent) + 1, -1, np.int32)
            moved[rows] = np.arange(len(rows), dtype=np.int32)
            if extent == RATED:
                rings = a["user.ring"]  # -1, gone, stays so: it is the last of `moved`
                rings[...] = moved[rings]
            rating_neighbours.renumber(a, self.settings, extent, moved)
        self._refresh()

    def _reserve(self, more: int) -> None:
        a = self.arena
        grown = a.reserve(RATERS, min(a.count(RATERS) + more, max(self._most[0], 1)))
        grown |= a.reserve(RATED, min(a.count(RATED) + more, max(self._most[1], 1)))
        if grown:
            self._refresh()

    def _refresh(self) -> None:
        """Swap the view readers hold; they keep the old arrays until their call is over."""
        self._tables: tuple[Tables, Near] = (
            rating_tables.view(self.arena, self.settings),
            rating_neighbours.view(self.arena, self.settings),
        )

    def _work(self) -> Work:
        mine: Work | None = getattr(self._threads, "work", None)
        if mine is None:
            mine = rating_tables.work(self.arena["user.factors"].shape[1])
            self._threads.work = mine
        return mine


def _digest(arena: bytes, rejected: int) -> bytes:
    digest = hashlib.blake2b(arena, digest_size=16)
    digest.update(str(rejected).encode())
    return digest.digest()


def _numbers_of(document: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Numbers of an item by name: attributes, then the price."""
    attributes = document.get("attributes") or {}
    found = [(name, number_in(attributes[name])) for name in sorted(attributes)]
    found.append(("price", number_in(document.get("price"))))
    return [(name, value) for name, value in found if value is not None and abs(value) <= _LARGEST]


def _count(stats: NDArray[np.float64], value: float) -> None:
    """Welford's running count, mean and sum of squares."""
    stats[0] += 1.0
    before = value - stats[1]
    stats[1] += before / stats[0]
    stats[2] += before * (value - stats[1])
