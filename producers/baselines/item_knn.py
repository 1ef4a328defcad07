"""Item-to-item cosine, kept up with every event."""

from __future__ import annotations

from typing import Final

import numpy as np

from producers.baselines.baseline import Baseline, Scores
from producers.baselines.ledger import Ledger, grown
from producers.baselines.pairs import Pairs

#: A user's newest items that vote: with all of them a sixth of ML-100K's hits is lost.
VOTERS: Final = 10
#: Newest items that a new one is paired with.
PAIRED: Final = 100


class ItemKnn(Baseline):
    """Sum over the user's newest items of cos(i, j) = users of both / sqrt(users i · users j).

    Sarwar et al., 2001, Item-based collaborative filtering recommendation algorithms, for
    positive-only feedback; no neighbour is cut off.
    """

    name = "item-knn"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._pairs = Pairs()
        self._takers = np.zeros(1, np.float32)

    def score(self, user: int) -> Scores | None:
        voters = self.ledger.taken(user)[-VOTERS:]
        if not voters:
            return None
        n = self.ledger.items
        self._takers = grown(self._takers, n)
        takers = self._takers[:n]
        weights = 1 / np.sqrt(takers[voters])
        total: Scores = self._pairs.weighted(voters, weights.astype(np.float32), n)
        total /= np.sqrt(np.maximum(takers, 1))
        # An item is wholly like itself: where items may come again, that is their vote.
        total[voters] += 1
        return total

    def learn(self, user: int, item: int, value: float | None) -> None:
        self._takers = grown(self._takers, item + 1)
        if not self.ledger.has(user, item):
            self._takers[item] += 1
            others = self.ledger.taken(user)[-PAIRED:]
            if others:
                self._pairs.add(item, others)
