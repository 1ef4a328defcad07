"""Models of the `implicit` package, refitted every so many events; the extra `baselines`.

Between two fits the lists still follow the user: their items of now go through the model of then.
"""

from __future__ import annotations

import time
import warnings
from abc import abstractmethod
from typing import Any, Final

import numpy as np
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import CosineRecommender
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from producers.baselines.baseline import Baseline, Scores
from producers.baselines.ledger import Ledger

_FACTORS: Final = 64
_NEIGHBOURS: Final = 100


class Refitted(Baseline):
    """Fits on everything so far when `every` more events are in, on one thread."""

    def __init__(self, ledger: Ledger, every: int) -> None:
        super().__init__(ledger)
        self._every = every
        self.refit_s = 0.0
        self.refits = 0
        self._fitted_items = 0

    def score(self, user: int) -> Scores | None:
        mine = [item for item in self.ledger.taken(user) if item < self._fitted_items]
        if not mine:
            return None
        scores = np.zeros(self.ledger.items, np.float32)
        scores[: self._fitted_items] = self._score(np.array(mine))
        return scores

    def learn(self, user: int, item: int, value: float | None) -> None:
        if self.ledger.events and self.ledger.events % self._every == 0:
            self._refit()

    def _refit(self) -> None:
        start = time.perf_counter()
        users = [self.ledger.taken(user) for user in range(self.ledger.users)]
        ends = np.cumsum([0, *(len(items) for items in users)])
        items = np.array([item for mine in users for item in mine], np.int32)
        shape = (len(users), self.ledger.items)
        taken = csr_matrix((np.ones(len(items), np.float32), items, ends), shape)
        taken.sort_indices()
        # implicit's own threads and BLAS's get into each other's way, and it warns of them.
        with threadpool_limits(1, "blas"), warnings.catch_warnings():
            # CosineRecommender warns of a conversion it does itself.
            warnings.simplefilter("ignore")
            self._fit(taken)
        self._fitted_items = self.ledger.items
        assert self.refit_s is not None and self.refits is not None
        self.refit_s += time.perf_counter() - start
        self.refits += 1

    @abstractmethod
    def _fit(self, taken: csr_matrix) -> None:
        """Fit on users × items of ones."""

    @abstractmethod
    def _score(self, mine: NDArray[np.int64]) -> Scores:
        """Scores of the fitted items for somebody with these items."""


class ImplicitAls(Refitted):
    """Alternating least squares: 64 factors, 15 iterations, the package's other defaults.

    The user's factors are solved for at every request (`recalculate_user`).
    """

    name = "implicit-als"

    def _fit(self, taken: csr_matrix) -> None:
        self._model: Any = AlternatingLeastSquares(_FACTORS, num_threads=1, random_state=1)
        self._model.fit(taken, show_progress=False)

    def _score(self, mine: NDArray[np.int64]) -> Scores:
        ones = np.ones(len(mine), np.float32)
        row = csr_matrix((ones, np.sort(mine), [0, len(mine)]), (1, self._fitted_items))
        factors = self._model.recalculate_user(0, row)
        scores: Scores = self._model.item_factors @ factors
        return scores - scores.min() + np.float32(1e-6)


class ImplicitCosine(Refitted):
    """Item-to-item cosine with the 100 nearest neighbours."""

    name = "implicit-cosine"

    def _fit(self, taken: csr_matrix) -> None:
        model = CosineRecommender(K=_NEIGHBOURS, num_threads=1)
        model.fit(taken, show_progress=False)
        self._similarity: Any = model.similarity

    def _score(self, mine: NDArray[np.int64]) -> Scores:
        s = self._similarity
        spans = [slice(s.indptr[item], s.indptr[item + 1]) for item in mine]
        near = np.concatenate([s.indices[span] for span in spans])
        like = np.concatenate([s.data[span] for span in spans])
        return np.bincount(near, like, self._fitted_items).astype(np.float32)
