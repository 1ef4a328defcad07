"""New items drawn into lists at serving: Thompson sampling over their click-through.

An item nobody has acted on has no score to be ranked by; a bounded share of the lists shows one
such item, so that it can earn one. Learning never draws: what is drawn here is no state.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from models.examples import types_of
from models.impressions import usual
from models.index import fingerprint
from models.settings import LearningSettings
from models.state import State

if TYPE_CHECKING:
    from models.answers import Asked, Listed

#: Reason of an item that was drawn.
EXPLORED: Final = "explored"
# Items one draw chooses among: with one, the newest would push out all that came shortly before
# it; with many, each would wait long for its turn.
_POOL: Final = 8
# Rows looked through for new items, newest first.
_LOOK_BACK: Final = 2_000
# An item shown so often, or with so much feedback, is no longer new.
_KNOWN_SHOWN: Final = 100.0
_KNOWN_FEEDBACK: Final = 20.0
# Click-through assumed before anything was shown.
_USUAL: Final = 0.05
# A list that may explore does so by a draw at this multiple of the share, so that chance and not
# its turn decides; the credit keeps the share.
_EAGER: Final = 4.0
# A draw is one of so many numbers.
_DRAWS: Final = 2.0**64
# Lists' worth of credit that quiet times may save up.
_SAVED: Final = 3.0
# Draws from which the chance of the chosen item is estimated.
_TRIALS: Final = 32
# Chances are told as if no larger share explored: learning takes what had less than a half for
# drawn, and at a share of 1 what was ranked would have none, which no record may say.
_MOST_TOLD: Final = 0.49


class Budget:
    """Credit of one process: every list earns the share, one that explores spends a whole."""

    def __init__(self) -> None:
        self._credit = 0.0
        self._lock = threading.Lock()

    def earn(self, share: float) -> bool:
        """Whether a list may explore, after this one's share."""
        with self._lock:
            self._credit = min(self._credit + share, _SAVED)
            return self._credit >= 1.0

    def spend(self) -> bool:
        with self._lock:
            if self._credit < 1.0:
                return False
            self._credit -= 1.0
            return True


def explored(
    s: State, asked: Asked, found: list[Listed], blocked: NDArray[np.uint8],
    settings: LearningSettings, budget: Budget, draw: Callable[[], int],
) -> list[Listed]:  # fmt: skip
    """The list, with a new item in it where its turn has come.

    The number `draw` returns, asked for only where it matters, alone decides which item and
    where, of those there are. Never more than the share of a process's lists holds one, whatever
    is drawn.
    """
    share = settings.exploration.share
    if not budget.earn(share) or asked.k < 2 or not found:
        return found
    drawn = draw()
    if drawn / _DRAWS >= _EAGER * share or not budget.spend():
        return found
    # A turn in which there is nothing new is over all the same: looking costs more than a list.
    pool = _new_items(s, asked, found, blocked, settings)
    if not len(pool):
        return found
    chance = random.Random(drawn)
    chosen, likely = _choose(s, pool, chance)
    last, odds = min(asked.k - 1, len(found)), min(share, _MOST_TOLD)
    place = chance.randint(1, last)
    new = found[min(place, len(found) - 1)]._replace(
        row=chosen, reason=EXPLORED, because=(), source=-1,
        propensity=odds * likely / last, explanation=None,
    )  # fmt: skip
    kept = [listed._replace(propensity=1.0 - odds) for listed in found]
    return [*kept[:place], new, *kept[place:]][: asked.k]


def _new_items(
    s: State, asked: Asked, found: Sequence[Listed], blocked: NDArray[np.uint8],
    settings: LearningSettings,
) -> NDArray[np.int64]:  # fmt: skip
    """Rows of the least shown new items this user may get, the newest first among equals."""
    items = min(int(s.used[0]), blocked.shape[0], s.key.shape[0])
    first = max(items - _LOOK_BACK, 0)
    part = slice(first, items)
    shown = s.impressions.shown[part]
    new = (blocked[part] == 0) & (shown < _KNOWN_SHOWN)
    new &= s.popularity.total[part] < _KNOWN_FEEDBACK
    new &= s.clock[0] - s.born[part] < settings.exploration.new_for_s
    new[[listed.row - first for listed in found if first <= listed.row < items]] = False
    if not settings.repeats:
        hides = types_of(list(asked.types), settings.events).hides[0]
        seen = asked.past.seen_key[(asked.past.seen_mask & hides) > 0]
        new &= ~np.isin(s.key[part], seen)
    rows = np.flatnonzero(new)
    order = np.lexsort((-rows, shown[rows]))[:_POOL]
    return rows[order] + first


def _choose(s: State, pool: NDArray[np.int64], chance: random.Random) -> tuple[int, float]:
    """The item whose drawn click-through is best, and how likely it was to be that."""
    rate = usual(s.impressions) or _USUAL
    taken = s.impressions.taken[pool]
    missed = np.maximum(s.impressions.expected[pool] - taken, 0.0)
    beliefs = list(zip((1.0 + taken).tolist(), (1.0 / rate + missed).tolist(), strict=True))
    best = _best(beliefs, chance)
    again = sum(_best(beliefs, chance) == best for _ in range(_TRIALS))
    return int(pool[best]), (again + 1) / (_TRIALS + 1)


def _best(beliefs: Sequence[tuple[float, float]], chance: random.Random) -> int:
    draws = [chance.betavariate(a, b) for a, b in beliefs]
    return draws.index(max(draws))


def draw_of(recommendation_id: str, seed: int) -> int:
    """The number that decides what a list draws."""
    return fingerprint(recommendation_id, seed.to_bytes(8, "little"))
