"""Presets: what to start from for long-lived users, for sessions, and until it is known which.

A setting that differs from its default overrides the preset; `auto` decides once, from the
log alone, and what it decided is part of the state.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from msgspec import structs
from numba import njit
from numpy.typing import NDArray

from models.settings import Cooccurrence, LearningSettings, default_cooccurrence
from models.tables import Arena

#: Presets by the number the state keeps; 0 is undecided.
NAMES: Final = ("auto", "films", "shop")
#: Feedback events after which `auto` decides.
AFTER: Final = 10_000
# A shop is where people come back to the same item, or leave after a few.
_REPEATS: Final = 0.05
_EVENTS_A_USER: Final = 10.0

EVENTS, REPEATED, FIRST, DECIDED = range(4)


def declare(arena: Arena) -> None:
    """`census`: events, repeats among them, users' first events, the preset."""
    arena.add("census", np.int64, 4)


@njit(cache=True, nogil=True)
def count(census: NDArray[np.int64], type: int, prior: int, history: int) -> None:
    """Count one event by the types given before to its item, and its user's history before it."""
    if census[EVENTS] < AFTER:
        census[EVENTS] += 1
        census[REPEATED] += (prior >> type) & 1
        census[FIRST] += history == 0


@njit(cache=True, nogil=True)
def due(census: NDArray[np.int64]) -> bool:
    """Whether it is time to decide."""
    return bool(census[DECIDED] == 0 and census[EVENTS] >= AFTER)


def decide(census: NDArray[np.int64]) -> None:
    """Note what the counts say."""
    shop = (
        census[REPEATED] >= _REPEATS * census[EVENTS]
        or census[EVENTS] < _EVENTS_A_USER * census[FIRST]
    )
    census[DECIDED] = NAMES.index("shop" if shop else "films")


def effective(settings: LearningSettings, decided: int = 0) -> LearningSettings:
    """The settings with those of the preset where they were left at their defaults.

    >>> effective(LearningSettings(preset="shop")).repeats
    True
    >>> effective(LearningSettings(preset="shop", repeats=False)).repeats
    False
    """
    preset = NAMES[decided] if settings.preset == "auto" else settings.preset
    repeats = preset == "shop" if settings.repeats is None else settings.repeats
    horizons = dict(settings.cooccurrence)
    defaults = default_cooccurrence()
    for name, horizon in _HORIZONS[preset].items():
        if horizons[name] == defaults[name]:
            horizons[name] = horizon
    return structs.replace(settings, repeats=repeats, cooccurrence=horizons)


_HORIZONS: Final[dict[str, dict[str, Cooccurrence]]] = {
    "auto": {},
    "films": {},
    "shop": {
        "fast": Cooccurrence(
            length=10, decay=0.7, score_length=20, score_decay=0.3,
            alpha=0.3, beta=0.0, back=0.7, half_life=1e9, tau=3600.0, score_tau=3600.0, floor=0.1,
        ),
        "slow": Cooccurrence(
            length=10, decay=0.7, score_length=10, score_decay=0.5,
            alpha=0.3, beta=0.25, back=1.0, half_life=50_000.0,
            tau=3600.0, score_tau=3600.0, floor=0.1,
        ),
    },
}  # fmt: skip
