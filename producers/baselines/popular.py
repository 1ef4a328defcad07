"""What is popular: of all time, and lately."""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

from producers.baselines.baseline import Baseline, Scores
from producers.baselines.ledger import Ledger, grown

#: Events that `last-popular` counts. A tenth of it is noise, ten times it is all-time popularity.
RECENT: Final = 1_000


class Popularity(Baseline):
    """The items with the most events so far."""

    name = "popularity"

    def score(self, user: int) -> Scores | None:
        return None

    def learn(self, user: int, item: int, value: float | None) -> None:
        """The ledger counts already."""


class LastPopular(Baseline):
    """The items with the most events among the last 1,000."""

    name = "last-popular"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._last: deque[int] = deque()
        self._counts = np.zeros(1, np.float32)

    def score(self, user: int) -> Scores | None:
        self._counts = grown(self._counts, self.ledger.items)
        return self._counts[: self.ledger.items]

    def learn(self, user: int, item: int, value: float | None) -> None:
        self._counts = grown(self._counts, item + 1)
        self._last.append(item)
        self._counts[item] += 1
        if len(self._last) > RECENT:
            self._counts[self._last.popleft()] -= 1
