"""Which sources the lists that were answered came from: a count for metrics, not state."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from models.answers import Listed
from models.features import SOURCES


class Served:
    """Places of all lists answered since the start, by source; any thread counts."""

    def __init__(self) -> None:
        self._places = [0] * (len(SOURCES) + 1)  # the last: no source
        self._counting = threading.Lock()

    def count(self, lists: Sequence[list[Listed]]) -> None:
        with self._counting:
            for places in lists:
                for place in places:
                    self._places[place.source] += 1

    def shares(self) -> dict[str, float]:
        """Share of the places by source; `none`: no source had listed it, as new items."""
        with self._counting:
            counts = list(self._places)
        total = max(sum(counts), 1)
        return {name: counts[at] / total for at, name in enumerate((*SOURCES, "none"))}
