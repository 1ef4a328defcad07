"""What is read of a model: lists, and the names behind their rows, from one set of tables.

The learner swaps the reader as a whole when tables grow or items leave, and never touches the
rows of one that was swapped. So whoever stays with one reader never gets another item's name.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import answers, unranked
from models.answers import Asked, Listed
from models.catalogue import Catalogue
from models.exploration import Budget, draw_of, explored
from models.facets import ANY, Filters
from models.index import find, fingerprint
from models.kit import Kit
from models.pasts import row_of
from models.river_party import Party
from models.river_turns import blended
from models.served import Served
from models.settings import LearningSettings
from models.state import Scratch, State, scratch


@dataclass(frozen=True)
class Shared:
    """What the readers of one process share, whichever tables they see; none of it is state."""

    seed: int
    served: Served = field(default_factory=Served)
    budget: Budget = field(default_factory=Budget)
    threads: threading.local = field(default_factory=threading.local)


class Reader:
    """A model for any number of threads; rows mean something to the reader they came from alone.

    `settings` are the effective ones (see `presets`).
    """

    def __init__(
        self, state: State, catalogue: Catalogue, settings: LearningSettings, guests: Party,
        shared: Shared,
    ) -> None:  # fmt: skip
        self.state = state
        self.settings = settings
        self.guests = guests
        self._catalogue = catalogue
        self._keys = state.key.data  # gives plain numbers, one at a time, sooner than the array
        self._shared = shared
        # Not among what is shared: an idle thread would keep tables that were swapped.
        self._kits = threading.local()

    # Items by id, key and row.

    @property
    def items(self) -> int:
        """How many there are that have their id."""
        return self._catalogue.named

    def key_of(self, text: str) -> int:
        return fingerprint(text, self._shared.seed.to_bytes(8, "little"))

    def id_of(self, row: int) -> str:
        return self.ids_of((row,))[0]

    def ids_of(self, rows: Iterable[int]) -> list[str]:
        return self._catalogue.ids_of(rows)

    def keys_of(self, rows: Iterable[int]) -> list[int]:
        """Keys of the items in these rows."""
        keys = self._keys
        return [keys[row] for row in rows]

    def row_of(self, key: int) -> int:
        """Row of an item's key, -1 if it was never met, or has left."""
        s = self.state
        row = int(find(s.slots, s.key, np.uint64(key)))
        return row if row < self._catalogue.named else -1

    def document(self, row: int) -> dict[str, Any] | None:
        """The catalogue's fields of an item, None where it was never put or was deleted."""
        return self._catalogue.document(row)

    def document_of(self, item_id: str) -> dict[str, Any] | None:
        """The same by id; None for an unknown one too."""
        row = self.row_of(self.key_of(item_id))
        return self.document(row) if row >= 0 else None

    def described(self, rows: Iterable[int]) -> list[bytes]:
        """The catalogue's fields of every item as JSON: at least its `item_id`."""
        return self._catalogue.described(rows)

    def is_listed(self, key: int) -> bool:
        """Whether an item may be in lists: it is known, and was not taken out of the catalogue."""
        row = self.row_of(key)
        return row >= 0 and not self.state.blocked[row]

    # Lists.

    def recommend(self, asked: Asked, draw: str | None = None, user_id: str = "") -> list[Listed]:
        """Rank for a past; the list is what `evaluate` ranks after the same log.

        With `draw`, the id of a list that will be shown, a new item may be drawn into it.
        Guests are told who asks; without any, `user_id` does not matter.
        """
        blocked, settings = self._allowed(asked.filters), self.settings
        if self.guests.lists.guests:
            user = self.key_of(user_id)
            places = blended(self, asked, user, blocked, learning=False)[0][: asked.k]
        else:
            places = self.ranked(asked, blocked)
        if asked.explain:
            guests = bool(self.guests.lists.guests)
            places = answers.explained(self.kit(), asked, blocked, settings, places, guests)
        if draw is not None and settings.exploration.share > 0.0:
            shared = self._shared
            number = partial(draw_of, draw, shared.seed)
            places = explored(self.state, asked, places, blocked, settings, shared.budget, number)
        self._shared.served.count([places])
        return places

    def recommend_all(self, asked: Asked, user_ids: Sequence[str]) -> list[list[Listed]]:
        """The lists of `recommend`, without draws, for every row of the past."""
        if self.guests.lists.guests:
            rows = (asked._replace(past=row_of(asked.past, at)) for at in range(len(user_ids)))
            pairs = zip(rows, user_ids, strict=True)
            return [self.recommend(row, user_id=user_id) for row, user_id in pairs]
        blocked = self._allowed(asked.filters)
        lists = answers.listed_for_all(self.kit(), asked, blocked, self.settings)
        self._shared.served.count(lists)
        return lists

    def ranked(self, asked: Asked, blocked: NDArray[np.uint8]) -> list[Listed]:
        """The kernel's own list."""
        return answers.listed(self.kit(), asked, blocked, self.settings)

    @property
    def masked(self) -> NDArray[np.uint8]:
        """uint8[items]: what this thread's newest list had to leave out."""
        return self.scratch().masked

    def similar(self, item_id: str, k: int) -> list[Listed]:
        """Items like this one, by behaviour and content; for an unknown id an empty list."""
        row = self.row_of(self.key_of(item_id))
        if row < 0:
            return []
        blocked = self.state.blocked[: self._catalogue.named]
        return unranked.similar_to(self.kit(), row, k, blocked)

    def trending(self, k: int, asked: Asked | None = None) -> list[Listed]:
        """The k items with the most recent attention, less what `asked` leaves out."""
        blocked = self._allowed(asked.filters if asked else ANY)
        return unranked.trending_of(self.kit(), asked, blocked, k, self.settings)

    def kit(self) -> Kit:
        """These tables and this thread's memory; whoever calls a kernel with it holds it."""
        mine: Kit | None = getattr(self._kits, "kit", None)
        if mine is None:
            mine = self._kits.kit = Kit(self.state, self.scratch())
        return mine

    def scratch(self) -> Scratch:
        """The memory this thread ranks in, large enough for these tables."""
        capacity = self.state.key.shape[0]
        mine: Scratch | None = getattr(self._shared.threads, "scratch", None)
        if mine is None or mine.masked.shape[0] < capacity:
            mine = scratch(capacity, 128)
            self._shared.threads.scratch = mine
        return mine

    def _allowed(self, filters: Filters) -> NDArray[np.uint8]:
        """Blocked items for one request (uint8[items]): the catalogue's, and the filters'."""
        blocked = self.state.blocked[: self._catalogue.named]
        return self._catalogue.facets.block(blocked, filters, self._row)

    def _row(self, item: str | int) -> int:
        return self.row_of(item if isinstance(item, int) else self.key_of(item))
