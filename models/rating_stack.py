"""The stack: recursive least squares over what the components say.

Haykin, Adaptive Filter Theory, "The RLS algorithm": `k = Px / (λ + x'Px)`, `w += k·e`,
`P = (P - k x'P) / λ`.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from models.compiled import inner
from models.rating_tables import (
    ATTRIBUTE,
    BIAS,
    FACTORS,
    FIRST_GUEST,
    REGRESSION,
    STACK,
    Tables,
    Work,
    components,
)
from models.settings import Ratings as Settings
from models.tables import Arena

# Half of what was learned is forgotten in 35,000 ratings; at 1 the stack stands still after a
# while, and far below it the weights run after single users.
_FORGETTING: Final = 0.99998
# Ridge of the first weights: one rating may not turn them over.
_FIRST: Final = 0.1
_OF_NEIGHBOURS: Final = 0.2
# A component that says nothing for long gains uncertainty with every step of forgetting; above
# this sum of variances nothing is forgotten, or the next word would turn everything over.
_MOST: Final = 20.0


@inner
def start(t: Tables) -> None:
    """Weights that are right before the first rating: half of each view, and all of the bias."""
    for row in range(t.weights.shape[0]):
        t.weights[row] = 0.0
        for column in range(t.weights.shape[0]):
            t.inverse[row, column] = 0.0
        t.inverse[row, row] = _FIRST
    t.weights[BIAS] = 1.0
    t.weights[FACTORS] = 0.5
    t.weights[REGRESSION] = 0.7
    t.weights[ATTRIBUTE] = 0.2
    for guest in range(FIRST_GUEST, STACK):
        t.weights[guest] = 0.1
    for neighbours in range(STACK, t.weights.shape[0]):
        t.weights[neighbours] = _OF_NEIGHBOURS


def turn(arena: Arena, before: Settings, now: Settings) -> None:
    """Make room for those who speak `now`: neighbours who did not before begin anew."""
    spoke = zip(before.speaking, now.speaking, strict=True)
    stay = [*range(STACK), *(STACK + at for at, both in enumerate(spoke) if all(both))]
    weights, inverse, length = arena["weights"], arena["inverse"], components(now)
    arena.reshape("weights", length)
    arena.reshape("inverse", length, length)
    arena["weights"][:] = _OF_NEIGHBOURS
    np.fill_diagonal(arena["inverse"], _FIRST)
    arena["weights"][stay] = weights[stay]
    arena["inverse"][np.ix_(stay, stay)] = inverse[np.ix_(stay, stay)]


@inner
def foretold(t: Tables, w: Work) -> float:
    total = 0.0
    for at in range(t.weights.shape[0]):
        total += t.weights[at] * w.stack[at]
    return total


@inner
def learn(t: Tables, w: Work, error: float) -> bool:
    """One step against `error`; False where the numbers went wrong and the start was restored."""
    spread, trace, length = 1.0, 0.0, t.weights.shape[0]
    for row in range(length):
        w.gain[row] = 0.0
        trace += t.inverse[row, row]
        for column in range(length):
            w.gain[row] += t.inverse[row, column] * w.stack[column]
        spread += w.stack[row] * w.gain[row]
    forgetting = _FORGETTING if trace < _MOST else 1.0
    spread += forgetting - 1.0
    sound = math.isfinite(spread) and spread > 0.5 * forgetting
    if sound:
        for row in range(length):
            t.weights[row] += w.gain[row] / spread * error
            for column in range(row + 1):
                taken = w.gain[row] * w.gain[column] / spread
                left = (t.inverse[row, column] - taken) / forgetting
                t.inverse[row, column] = left
                t.inverse[column, row] = left
            sound = sound and abs(t.weights[row]) < 1e3 and t.inverse[row, row] > 0.0
    if not sound:
        start(t)
    return sound
