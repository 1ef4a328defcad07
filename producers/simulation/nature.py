"""What kind of place is simulated: how pages are looked at, what people share, how items come."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from producers.errors import OptionError

# Steeper, and the second place is looked at by one in thirty.
_STEEPEST: Final = 5.0


@dataclass(frozen=True)
class Nature:
    """The defaults are those of a shop; a news site has other ones."""

    #: The n-th place is looked at with the chance n to the minus this, whatever stands there …
    looks: float = 0.6
    #: … or with the n-th of these chances; below the last, as the last.
    places: tuple[float, ...] = ()
    #: How much people differ: at 1 most of what they like is their own, at 0 all are alike.
    taste: float = 1.0
    #: Hours an item stays, of a catalogue that comes and goes; None: all are there all the time.
    life_hours: float | None = None
    #: How often people look for something without the lists; at 0 never, at 1 at most visits.
    #: Without it a system hears of nothing but what it shows.
    searches: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.looks <= _STEEPEST:
            raise OptionError(f"--looks: the steepness must be from 0 to {_STEEPEST:g}")
        if not all(0.0 < chance <= 1.0 for chance in self.places):
            raise OptionError("--looks: the chances of the places must be above 0, and at most 1")

    def examination(self, k: int) -> NDArray[np.float64]:
        """The chance that each of k places is looked at.

        >>> Nature().examination(3).round(3).tolist()
        [1.0, 0.66, 0.517]
        >>> Nature(places=(1.0, 0.9, 0.2)).examination(4).tolist()
        [1.0, 0.9, 0.2, 0.2]
        """
        if self.places:
            last = len(self.places) - 1
            return np.array([self.places[min(place, last)] for place in range(k)])
        return np.arange(1, k + 1, dtype=np.float64) ** -self.looks


def looks_of(text: str) -> tuple[float, tuple[float, ...]]:
    """What `--looks` means: a steepness, or the chances of the places by comma.

    >>> looks_of("1"), looks_of("1,0.9,0.2")
    ((1.0, ()), (0.6, (1.0, 0.9, 0.2)))
    """
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or not all(math.isfinite(number) for number in numbers):
        raise OptionError("--looks: must be a steepness as 0.6, or the chances of places as 1,0.9")
    if len(numbers) == 1:
        return numbers[0], ()
    return Nature.looks, tuple(numbers)
