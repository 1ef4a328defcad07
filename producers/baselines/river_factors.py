"""River's factorisations as rankers: learned by River, read as arrays.

`predict_one` makes rows for whoever it is asked about, and 1,682 calls of it take 2 ms; so the
factors are copied out after every step, and a list is one product of a matrix and a vector.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from river import optim
from river.reco import BiasedMF, FunkMF

from producers.baselines.baseline import Baseline, Scores
from producers.baselines.ledger import Ledger, grown

_FACTORS: Final = 10
# Beyond this a model is lost: River's steps have no bound, and the next ones would overflow.
_DIVERGED: Final = 1e6
_LOWEST, _HIGHEST = 1.0, 5.0
# A feedback without a value is a one, and so many items nobody took are zeros beside it.
_ZEROS: Final = 4


class _Guarded:
    """One River model; when it diverges it starts again, so that nothing not finite comes out."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._begin()

    def _begin(self) -> None:
        self._model = self._make()
        self._biased = hasattr(self._model, "i_biases")
        self.factors = np.zeros((1, _FACTORS), np.float32)
        self.biases = np.zeros(1, np.float32)

    def factors_of(self, user: int) -> NDArray[np.float32] | None:
        mine = self._model.u_latents.get(user)
        return None if mine is None else mine.astype(np.float32)

    def learn(self, user: int, item: int, y: float) -> None:
        model = self._model
        with np.errstate(over="ignore", invalid="ignore"):
            model.learn_one(user=user, item=item, y=y)
        its, mine = model.i_latents[item], model.u_latents[user]
        largest = max(np.abs(its).max(), np.abs(mine).max())
        if not largest < _DIVERGED:  # also for NaN
            self._begin()
            return
        self.make_room(item + 1)
        self.factors[item] = its
        if self._biased:
            self.biases[item] = model.i_biases[item]

    def foretell(self, user: int, item: int | None) -> float:
        """The prediction without a trace: what is unknown adds nothing."""
        model, told = self._model, 0.0
        if self._biased:
            told += float(model.global_mean.get())
            told += float(model.u_biases.get(user, 0.0)) + float(model.i_biases.get(item, 0.0))
        if user in model.u_latents and item in model.i_latents:
            told += float(model.u_latents[user] @ model.i_latents[item])
        return told

    def make_room(self, items: int) -> None:
        self.factors = grown(self.factors, items)
        self.biases = grown(self.biases, items)


class RiverFactors(Baseline):
    """Two models of one kind: one learns ratings and foretells them, the other ranks.

    The one that ranks learns a one for what was taken and zeros for four items that were not.
    Ranked by foretold ratings instead, BiasedMF hits .049 of ML-100K's first 20,000 at ten and
    not .070: a rating says how an item was liked, not whether it was taken.
    """

    def __init__(self, ledger: Ledger, taken: Callable[[], Any], rated: Callable[[], Any]) -> None:
        super().__init__(ledger)
        self._taken = _Guarded(taken)
        self._rated = _Guarded(rated)
        self._random = np.random.default_rng(1)

    def score(self, user: int) -> Scores | None:
        mine, n = self._taken.factors_of(user), self.ledger.items
        if mine is None or n == 0:
            return None
        self._taken.make_room(n)
        # Only the order matters: the mean and the user's bias are the same for all items.
        total: Scores = self._taken.factors[:n] @ mine + self._taken.biases[:n]
        return total - total.min() + np.float32(1e-6)

    def rate(self, user: int, item: int | None) -> float | None:
        return min(max(self._rated.foretell(user, item), _LOWEST), _HIGHEST)

    def learn(self, user: int, item: int, value: float | None) -> None:
        if value is not None and math.isfinite(value):
            self._rated.learn(user, item, value)
        self._taken.learn(user, item, 1.0)
        for other in self._random.integers(0, max(self.ledger.items, 1), _ZEROS).tolist():
            if other != item and not self.ledger.has(user, other):
                self._taken.learn(user, other, 0.0)


class RiverBiasedMF(RiverFactors):
    """`river.reco.BiasedMF`, steps as in Freshet's own use of it."""

    name = "river-biasedmf"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger, _biased_mf, _biased_mf)


class RiverFunkMF(RiverFactors):
    """`river.reco.FunkMF`; the default steps of 0.1 diverge on ratings, which get 0.05."""

    name = "river-funkmf"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger, partial(_funk_mf, 0.1), partial(_funk_mf, 0.05))


def _biased_mf() -> Any:
    return BiasedMF(
        _FACTORS,
        bias_optimizer=optim.SGD(0.025),
        latent_optimizer=optim.SGD(0.05),
        latent_initializer=_start(),
    )


def _funk_mf(step: float) -> Any:
    return FunkMF(_FACTORS, optimizer=optim.SGD(step), initializer=_start())


def _start() -> Any:
    return optim.initializers.Normal(mu=0.0, sigma=0.1, seed=1)
