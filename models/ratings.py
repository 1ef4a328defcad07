"""The rating model: River's `BiasedMF`, guarded.

River's `predict_one` creates rows for whoever it is asked about and draws random numbers
for them, so asking would change the model: here an unknown user or item is answered from
what is known. Values that are not finite never reach it.
"""

from __future__ import annotations

import hashlib
import math

from river import optim
from river.reco import BiasedMF

from models.river_guests import dump_guest, load_guest
from models.settings import Ratings as Settings

LOWEST, HIGHEST = 1.0, 5.0
#: What is predicted before the first rating: the middle of the scale.
_MIDDLE = 3.0
# Users and items whose predictions stand for the guest in the state hash.
_PROBES = 16


class Ratings:
    """Predicts a user's rating of an item, 1 to 5, learning with every rating.

    >>> ratings = Ratings(Settings(), seed=7)
    >>> ratings.predict_one(1, 2)
    3.0
    >>> ratings.learn_one(1, 2, 5.0)
    >>> ratings.predict_one(1, 2) > 3.0
    True
    """

    def __init__(self, settings: Settings, seed: int) -> None:
        self._model = BiasedMF(
            n_factors=settings.n_factors,
            bias_optimizer=optim.SGD(settings.bias_learning_rate),
            latent_optimizer=optim.SGD(settings.latent_learning_rate),
            weight_initializer=optim.initializers.Zeros(),
            latent_initializer=optim.initializers.Normal(mu=0.0, sigma=0.1, seed=seed),
            l2_bias=settings.l2,
            l2_latent=settings.l2,
        )
        self.rejected = 0
        self._users: list[int] = []
        self._items: list[int] = []

    def learn_one(self, user: int, item: int, rating: float) -> None:
        """Learn one rating; one that is not finite is counted in `rejected` and left out.

        One outside the scale counts as its end: River's steps overflow on large errors.
        """
        if not math.isfinite(rating):
            self.rejected += 1
            return
        if len(self._users) < _PROBES and user not in self._users:
            self._users.append(user)
        if len(self._items) < _PROBES and item not in self._items:
            self._items.append(item)
        self._model.learn_one(user=user, item=item, y=min(max(rating, LOWEST), HIGHEST))

    def predict_one(self, user: int, item: int) -> float:
        """Predict without a trace: asking never changes what is asked."""
        model = self._model
        mean = model.global_mean.get()
        if mean == 0.0:
            return _MIDDLE
        if user in model.u_latents and item in model.i_latents:  # made last: the rest is there
            value = float(model.predict_one(user=user, item=item))
        else:
            value = mean
            value += float(model.u_biases[user]) if user in model.u_biases else 0.0
            value += float(model.i_biases[item]) if item in model.i_biases else 0.0
        if not math.isfinite(value):
            return _MIDDLE
        return min(max(value, LOWEST), HIGHEST)

    def digest(self) -> bytes:
        """16 bytes over class, parameters, sizes and the predictions on fixed probes."""
        probes = [self.predict_one(u, i).hex() for u in self._users for i in self._items]
        facts = [
            type(self._model).__name__, repr(self._model._get_params()), str(self.rejected),
            str(len(self._model.u_biases)), str(len(self._model.i_biases)),
            self._model.global_mean.get().hex(), *probes,
        ]  # fmt: skip
        return hashlib.blake2b("|".join(facts).encode(), digest_size=16).digest()

    def dump(self) -> bytes:
        return dump_guest((self._model, self.rejected, self._users, self._items))

    def load(self, data: bytes) -> None:
        self._model, self.rejected, self._users, self._items = load_guest(data)
