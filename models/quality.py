"""Live quality: how well the lists foretell what happens, measured before it is learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.examples import SCORED, TYPES, Examples
from models.examples import Types as Meaning
from models.impressions import Outcomes, taking
from models.learning import LIST
from models.quality_kernels import (
    EVENTS,
    ITEMS,
    KEPT,
    MARKS,
    PEOPLE,
    RUNGS,
    SLICES,
    Facts,
    count_shown,
)
from models.quality_kernels import Quality as Tables
from models.rating_kernels import HIGHEST, LOWEST
from models.tables import Arena

# Kinds of events counted apart; the last is shared by all that come too late.
_KINDS: Final = 33
# Categories told apart: 0 is none, the last is shared by all that come too late.
_CATEGORIES: Final = 32


class Quality:
    """The tables of quality, and the names behind their numbers."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        arena.add("quality.counts", np.int64, 5)
        arena.add("quality.person", np.uint64, PEOPLE)
        arena.add("quality.met", np.int64, PEOPLE)
        arena.add("quality.place", np.int8, KEPT)
        arena.add("quality.flags", np.uint8, KEPT)
        arena.add("quality.source", np.int8, KEPT)
        arena.add("quality.rung", np.int8, KEPT)
        arena.add("quality.novelty", np.float32, KEPT)
        arena.add("quality.error", np.float32, KEPT)
        arena.add("quality.places", np.int64, SLICES, LIST + 1)
        arena.add("quality.sums", np.float64, SLICES, 5)
        arena.add("quality.events", np.int64, "items")
        arena.add("quality.listed", np.int64, "items")
        arena.add("quality.category", np.uint8, "items")
        arena.add("quality.actions", np.int64, _KINDS, 2)
        arena.add("quality.shown", np.int64, len(RUNGS) + 1, 3)
        arena.add("quality.marked_actions", np.int64, MARKS, _KINDS, 2)
        arena.add("quality.marked_shown", np.int64, MARKS, len(RUNGS) + 1, 3)
        self._kinds = arena.add_blobs("quality.kinds")
        self._categories = arena.add_blobs("quality.categories")

    def tables(self) -> Tables:
        """The tables as kernels see them; stale once the arena has grown."""
        return Tables._make(self._arena[f"quality.{name}"] for name in Tables._fields)

    def kinds(self) -> list[str]:
        """Names of the event types met, in log order."""
        return [raw.decode() for raw in self._kinds]

    # Written by the learner alone.

    def facts(
        self,
        examples: Examples,
        types: Sequence[str],
        ratings: Sequence[tuple[int, float, float]],
        rung: NDArray[np.int8],
    ) -> Facts:
        """What the kernel needs beside the examples; meets new types in log order."""
        kind, rating = np.zeros(TYPES, np.int64), np.zeros(TYPES, np.uint8)
        for number in dict.fromkeys(examples.type.tolist()):
            kind[number] = self._number(self._kinds, types[number], _KINDS)
            rating[number] = types[number] == "rating"
        error = np.full(examples.type.shape[0], np.nan)
        scored = (examples.flags & SCORED).tolist()
        for at, given, foretold in ratings:
            if scored[at]:
                error[at] = foretold - min(max(given, LOWEST), HIGHEST)
        return Facts(error, kind, rating, rung)

    def describe(self, row: int, categories: Sequence[str]) -> None:
        """Note the first category of an item, for drift."""
        number = 0
        if categories:
            number = 1 + self._number(self._categories, categories[0], _CATEGORIES - 1)
        self._arena["quality.category"][row] = number

    def forget(self, gone: NDArray[np.int64]) -> None:
        """Items of these rows leave: novelty is against the events of those that are known."""
        counts, events = self._arena["quality.counts"], self._arena["quality.events"][gone]
        counts[EVENTS] -= int(events.sum())
        counts[ITEMS] -= int(np.count_nonzero(events))

    def note_shown(self, outcomes: Outcomes, types: Meaning) -> None:
        """Count lists that were shown, their items, and those taken by a type that is meant so."""
        count_shown(self._arena["quality.shown"], outcomes, taking(types))

    @staticmethod
    def _number(names: list[bytes], name: str, room: int) -> int:
        raw = name.encode()
        if raw not in names:
            if len(names) >= room - 1:
                return room - 1
            names.append(raw)
        return names.index(raw)
