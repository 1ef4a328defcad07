"""Guests in lists: as rankers they judge the candidates there are, as sources they bring more.

A list's score is the ranker's plus a weight times what the guest says of the candidates, less
its mean and in units of its deviation; the weight learns online, by the listwise softmax.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.answers import Listed
from models.river_guests import Given, Guest

#: Items a source may bring beside the candidates there are: the most popular ones.
BROUGHT: Final = 200
# A guest begins with some say, or it would never be seen; it can be learned away to none.
_FIRST: Final = 0.2
_RATE: Final = 0.01
_MOST: Final = 3.0

Describe = Callable[[Listed, int], Given]


class Opinions:
    """Guests with a say in lists, and the weight of each."""

    def __init__(self, guests: Sequence[Guest]) -> None:
        self.guests = [guest for guest in guests if guest.role != "rating"]
        self.weights = np.full(len(self.guests), _FIRST)

    @property
    def brings(self) -> bool:
        """Whether any of them is a source."""
        return any(guest.role == "source" for guest in self.guests)

    def order(
        self, places: Sequence[Listed], describe: Describe, *, learning: bool
    ) -> tuple[list[Listed], NDArray[np.float64]]:
        """Return the places by the blended score, best first, and what each guest says of them.

        The second is float64[guests, places] in the returned order, zeros for a guest that said
        anything that is no number: it is out of this list. Ties keep their order.
        """
        said = np.zeros((len(self.guests), len(places)))
        givens = [describe(place, at) for at, place in enumerate(places)]
        for at, guest in enumerate(self.guests):
            tell = guest.predict if learning else guest.ask
            said[at] = _scaled([tell(given) for given in givens])
        score = np.array([place.score for place in places])
        for at in range(len(self.guests)):
            score = score + self.weights[at] * said[at]
        best = np.argsort(-score, kind="stable")
        listed = [places[at]._replace(score=float(score[at])) for at in best.tolist()]
        return listed, said[:, best]

    def learn(self, places: Sequence[Listed], said: NDArray[np.float64], target: int) -> None:
        """One softmax step of the weights; `target` is the place of what was taken."""
        top = places[0].score
        shares = [math.exp(max(place.score - top, -50.0)) for place in places]
        total = math.fsum(shares)
        for at in range(len(self.guests)):
            expected = math.fsum(s * g for s, g in zip(shares, said[at].tolist(), strict=True))
            moved = self.weights[at] + _RATE * (said[at, target] - expected / total)
            self.weights[at] = min(max(moved, 0.0), _MOST)


def _scaled(said: list[float]) -> list[float]:
    """Mean 0 and deviation 1, all 0 where they are equal or one of them is no number."""
    if not said or any(math.isnan(s) or abs(s) > 1e100 for s in said):
        return [0.0] * len(said)
    mean = math.fsum(said) / len(said)
    deviation = math.sqrt(math.fsum((s - mean) ** 2 for s in said) / len(said))
    return [(s - mean) / deviation if deviation > 1e-12 else 0.0 for s in said]
