"""A scored event's turn with the guests: the list before it, and what they learn after it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from models.answers import Asked, Listed
from models.examples import CAPPED, SCORED, Examples, types_of
from models.impressions import Lists
from models.learning import LIST, Scores, no_scores
from models.river_guests import Given
from models.river_lists import BROUGHT
from models.river_party import example_at, lists_at
from models.state import CANDIDATES, State
from models.vectors import mix

if TYPE_CHECKING:
    from models.model import Model
    from models.reader import Reader

# Of the list's best, and drawn: without any a guest would learn that everything is wanted.
_NEGATIVES: Final = 2
# A candidate that is on no list counts as ranked here.
_UNLISTED: Final = 200


def learn_with_guests(
    model: Model, learn: Callable[..., Scores], examples: Examples, item_ids: Sequence[str],
    types: list[str], shown: Lists,
) -> Scores:  # fmt: skip
    """Learn a batch one by one: guests are asked in Python, between the kernel's calls."""
    out = no_scores(len(item_ids))
    for at in range(len(item_ids)):
        one = example_at(examples, at)
        turn = Turn(model, one, types)
        scores = learn(one, item_ids[at : at + 1], types, lists_at(shown, at))
        turn.learn(scores)
        pairs: Any = zip(out, scores, strict=True)
        for column, found in pairs:
            column[at] = found[0]
    return out


def blended(
    reader: Reader, asked: Asked, user: int, blocked: NDArray[np.uint8], *, learning: bool
) -> tuple[list[Listed], NDArray[np.float64]]:
    """All candidates as guests see them, best first; `river_lists.Opinions.order` has the rest."""
    s, lists = reader.state, reader.guests.lists
    places = reader.ranked(asked._replace(k=CANDIDATES, diversity=0.0), blocked)
    if lists.brings:
        places += brought(s, reader.masked, blocked, places)

    def describe(place: Listed, at: int) -> Given:
        return described(s, user, place, at, reader.document(place.row) or {})

    return lists.order(places, describe, learning=learning)


class Turn:
    """What is known of one example before it is learned."""

    def __init__(self, model: Model, one: Examples, types: list[str]) -> None:
        self._model, self._one, self._types = model, one, types
        self._list: tuple[list[Listed], NDArray[np.float64]] | None = None
        scored = one.flags[0] & SCORED and (one.prior[0] == 0 or model.effective.repeats)
        if scored:
            asked = Asked(one.past, types)
            blocked = model.reader.state.blocked[: model.items]
            user = int(one.user_key[0])
            self._list = blended(model.reader, asked, user, blocked, learning=True)

    def learn(self, scores: Scores) -> None:
        """Put the list's verdict in place of the kernel's, and let guests and weights learn."""
        one, model = self._one, self._model
        target = model.row_of(int(one.item_key[0]))
        if self._list is not None and scores.place[0] >= 0:
            self._judge(scores, target)
        if one.flags[0] & CAPPED or target < 0:
            return
        y = self._wanted()
        for guest in model.guests.lists.guests:
            guest.learn(self._given(target), y)
            for row in self._negatives(target):
                guest.learn(self._given(row), 0.0)

    def _judge(self, scores: Scores, target: int) -> None:
        places, said = self._list or ([], np.empty((0, 0)))
        rows = [place.row for place in places]
        scores.list[0, :] = -1
        scores.list[0, : len(rows[:LIST])] = rows[:LIST]
        scores.source[0, :] = -1
        scores.source[0, : len(rows[:LIST])] = [place.source for place in places[:LIST]]
        found = rows.index(target) if target in rows else LIST
        scores.place[0] = min(found, LIST)
        if target in rows:
            self._model.guests.lists.learn(places, said, found)

    def _wanted(self) -> float:
        types, kind = types_of(self._types, self._model.settings.events), int(self._one.type[0])
        low = self._one.value[0] <= types.negative_up_to[kind]  # never so for NaN
        return 0.0 if low or types.negative[kind] else 1.0

    def _negatives(self, target: int) -> list[int]:
        """Rows: the best of the list that were not taken, without a list drawn ones."""
        if self._list is not None:
            rows = [place.row for place in self._list[0][: _NEGATIVES + 1]]
        else:
            key, items = int(self._one.event_key[0]), self._model.items
            rows = [int(mix(np.uint64((key + at) % 2**64))) % items for at in range(_NEGATIVES)]
        return [row for row in rows if row != target][:_NEGATIVES]

    def _given(self, row: int) -> Given:
        places = self._list[0] if self._list is not None else []
        at = next((at for at, place in enumerate(places) if place.row == row), _UNLISTED)
        place = places[at] if at < len(places) else Listed(row, 0.0, "")
        reader, user = self._model.reader, int(self._one.user_key[0])
        return described(reader.state, user, place, at, reader.document(row) or {})


def described(s: State, user: int, place: Listed, at: int, document: Mapping[str, Any]) -> Given:
    """A candidate as guests see it: keys, and features for models that know no users."""
    x = {
        "score": place.score,
        "rank": 1.0 / (1.0 + at),
        "popularity": 0.1 * math.log1p(float(s.popularity.total[place.row])),
    }
    x.update({f"category:{name}": 1.0 for name in document.get("categories") or ()})
    return Given(user, int(s.key[place.row]), x)


def brought(
    s: State, masked: NDArray[np.uint8], blocked: NDArray[np.uint8], places: list[Listed]
) -> list[Listed]:
    """The most popular items that are not among the places, scored as the last of them."""
    items = min(int(s.used[0]), s.key.shape[0], blocked.shape[0])
    popular = np.argsort(-s.popularity.slow[:items], kind="stable")[:BROUGHT].tolist()
    there, lowest = {place.row for place in places}, min((p.score for p in places), default=0.0)
    return [
        Listed(row, lowest, "popular")
        for row in popular
        if row not in there and not masked[row] and not blocked[row]
    ]
