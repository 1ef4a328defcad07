"""When people come: independent of what they are shown, so that every policy meets the same."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from producers.simulation.chance import chance
from producers.simulation.world import Size

# Visits a person makes a day, in the mean; some come daily, most now and then.
_A_DAY: Final = 1.2
_SPREAD: Final = 0.8
# Evenings see more visits than nights: one cosine a day, its top at this hour.
_TOP_HOUR: Final = 20.0
_RHYTHM: Final = 0.7


class Visit(NamedTuple):
    """One session: `number` counts all of them in order of time."""

    number: int
    user: int
    elapsed_s: float


def visits(size: Size, seed: int) -> list[Visit]:
    """All visits in order of time, ties by person."""
    drawn = chance(seed, "visits")
    keenness = np.exp(_SPREAD * drawn.normal(size=size.users))
    keenness *= _A_DAY / keenness.mean()
    expected = keenness * size.hours / 24.0
    found: list[tuple[float, int]] = []
    for user, count in enumerate(drawn.poisson(expected).tolist()):
        found += [(_moment(drawn, size.hours), user) for _ in range(count)]
    found.sort()
    return [Visit(number, user, at) for number, (at, user) in enumerate(found)]


def _moment(drawn: np.random.Generator, hours: float) -> float:
    """Seconds since the start, by rejection."""
    while True:
        hour = float(drawn.random()) * hours
        rhythm = 1.0 + _RHYTHM * math.cos((hour - _TOP_HOUR) / 24.0 * 2.0 * math.pi)
        if float(drawn.random()) * (1.0 + _RHYTHM) < rhythm:
            return hour * 3600.0
