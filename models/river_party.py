"""All guests of a model: where they are asked, when they learn, and how they are stored."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.examples import CAPPED, Examples, Past, rows_of
from models.impressions import Lists
from models.rating_tables import GUESTS
from models.ratings import Ratings
from models.river_guests import Given, Guest, dump_guest, invite, load_guest
from models.river_lists import Opinions
from models.settings import River

_OBJECT: Final = "river."
_WEIGHTS: Final = "river"


class Party:
    """The guests of one model, in the order of their names."""

    def __init__(self, named: Mapping[str, River], seed: int) -> None:
        self._seed = seed
        self._named = dict(named)
        self._seat(invite(named, seed))

    def _seat(self, guests: list[Guest]) -> None:
        self._guests = guests
        # More than the stack has places for are named in vain; the configuration refuses them.
        self._raters = [guest for guest in guests if guest.role == "rating"][:GUESTS]
        self.lists = Opinions(guests)

    def apply(self, named: Mapping[str, River]) -> None:
        """Go on with other guests; one that is named as before keeps what it learned."""
        if dict(named) == self._named:
            return
        old = {guest.name: guest for guest in self._guests if named.get(guest.name) is not None}
        same = {n: g for n, g in old.items() if named[n] == self._named[n]}
        self._named = dict(named)
        self._seat([same.get(guest.name, guest) for guest in invite(named, self._seed)])

    def foretell(
        self, users: NDArray[np.uint64], items: NDArray[np.uint64], values: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        """What each rating guest says before it learns, float64[n, GUESTS]; None without any."""
        if not self._raters:
            return None
        said = np.full((len(users), GUESTS), np.nan)
        for at in np.flatnonzero(np.isfinite(values)).tolist():
            given = rating_given(int(users[at]), int(items[at]))
            for place, guest in enumerate(self._raters):
                said[at, place] = guest.predict(given)
                guest.learn(given, min(max(float(values[at]), 1.0), 5.0))
        return said

    def ask(self, user: int, item: int) -> list[float]:
        """What each rating guest says of a pair; leaves no trace."""
        return [guest.ask(rating_given(user, item)) for guest in self._raters]

    def failures(self) -> dict[str, int]:
        """By name: how often a guest failed or said what is no number."""
        return {guest.name: guest.failures for guest in self._guests}

    def digest(self) -> bytes:
        """16 bytes over all guests; none without any."""
        if not self._guests:
            return b""
        digest = hashlib.blake2b(self.lists.weights.tobytes(), digest_size=16)
        for guest in self._guests:
            digest.update(guest.digest())
        return digest.digest()

    def dump(self) -> dict[str, bytes]:
        if not self._guests:
            return {}
        stored = {f"{_OBJECT}{guest.name}": guest.dump() for guest in self._guests}
        return {**stored, _WEIGHTS: dump_guest(self.lists.weights.tolist())}

    def load(self, objects: Mapping[str, bytes]) -> None:
        """Become what was dumped. Raises GuestRefused for bytes that may not come in."""
        for guest in self._guests:
            guest.load(objects[f"{_OBJECT}{guest.name}"])
        if self._guests:
            self.lists.weights[:] = load_guest(objects[_WEIGHTS])


def learn_rated(
    ratings: Ratings, party: Party, examples: Examples, types: list[str]
) -> list[tuple[int, float, float]]:
    """Learn the ratings among examples; return (example, given, foretold before) of each."""
    if "rating" not in types:
        return []
    rated = (examples.type == types.index("rating")) & ((examples.flags & CAPPED) == 0)
    at = np.flatnonzero(rated)
    if len(at) == 0:
        return []
    p = examples.past
    users, items, values = examples.user_key[at], examples.item_key[at], examples.value[at]
    told = ratings.learn_many(
        users, items, values, examples.time[at],
        *rows_of(p.attribute_start, p.attribute_key, at),
        guests=party.foretell(users, items, values),
    )  # fmt: skip
    return list(zip(at.tolist(), values.tolist(), told.tolist(), strict=True))


def lists_at(lists: Lists, at: int) -> Lists:
    """The list of example `at` alone."""
    begin, end = int(lists.start[at]), int(lists.start[at + 1])
    start = np.array([0, end - begin], np.int64)
    return Lists(
        start, lists.key[begin:end].copy(), lists.place[begin:end].copy(),
        lists.rung[at : at + 1].copy(),
    )  # fmt: skip


def rating_given(user: int, item: int) -> Given:
    """A pair as features too: models that know no users take each as an indicator."""
    return Given(user, item, {f"user:{user}": 1.0, f"item:{item}": 1.0})


def example_at(examples: Examples, at: int) -> Examples:
    """Example `at` as a batch of its own."""
    p, row = examples.past, np.array([at])
    history, keys = rows_of(p.history_start, p.history_key, row)
    seen, seen_keys = rows_of(p.seen_start, p.seen_key, row)
    told, told_keys = rows_of(p.attribute_start, p.attribute_key, row)
    begin, first = int(p.history_start[at]), int(p.seen_start[at])
    entries, masks = slice(begin, begin + len(keys)), slice(first, first + len(seen_keys))
    columns: list[Any] = [column[at : at + 1].copy() for column in examples[:-1]]
    past = Past(
        history, keys, p.history_time[entries].copy(), p.history_type[entries].copy(),
        p.history_value[entries].copy(), seen, seen_keys, p.seen_mask[masks].copy(),
        told, told_keys,
    )  # fmt: skip
    return Examples._make([*columns, past])
