"""What a run is measured by: clicks, what could have been, how alike lists are, what they leave."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from producers.simulation.session import Seen

# The most popular part of the catalogue, and how many lists pass between two looks at it.
_POPULAR: Final = 0.1
_LOOK_AGAIN: Final = 50


@dataclass
class Sums:
    """Counts over one stretch of a run."""

    items: int
    lists: int = 0
    shown: int = 0
    clicks: int = 0
    purchases: int = 0
    value: float = 0.0
    best: float = 0.0
    diversity: float = 0.0
    popular: int = 0
    exposures: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.exposures = np.zeros(self.items, np.int64)

    def report(self) -> dict[str, Any]:
        """Shares and means; null where nothing was shown.

        `value` is the clicks a list was worth in expectation, `regret` what the oracle's list for
        the same person at the same moment was worth more.
        """
        lists, shown = self.lists, self.shown
        return {
            "lists": lists,
            "shown": shown,
            "clicks": self.clicks,
            "purchases": self.purchases,
            "ctr": self.clicks / shown if shown else None,
            "conversion": self.purchases / self.clicks if self.clicks else None,
            "value": self.value / lists if lists else None,
            "regret": (self.best - self.value) / lists if lists else None,
            "diversity": self.diversity / lists if lists else None,
            "coverage": float((self.exposures > 0).mean()),
            "gini": gini(self.exposures),
            "popular_share": self.popular / shown if shown else None,
        }


class Measures:
    """Measures of one run, as a whole and by window of time."""

    def __init__(
        self, vectors: NDArray[np.float64], looks: NDArray[np.float64], hours: float, windows: int
    ) -> None:
        self._vectors = vectors
        self._looks = looks
        self._seconds = hours * 3600.0 / windows
        self._taken = np.zeros(len(vectors), np.int64)
        self._popular = np.zeros(len(vectors), bool)
        self.total = Sums(len(vectors))
        self.windows = [Sums(len(vectors)) for _ in range(windows)]

    def note(self, seen: Seen) -> None:
        if self.total.lists % _LOOK_AGAIN == 0:
            self._find_popular()
        items = np.array(seen.page.items, np.int64)
        value = float((self._looks[: len(items)] * seen.truth[items]).sum())
        top = -np.partition(-seen.truth, len(self._looks) - 1)[: len(self._looks)]
        best = float((self._looks * np.sort(top)[::-1]).sum())
        spread = _diversity(self._vectors[items])
        window = self.windows[min(int(seen.time / self._seconds), len(self.windows) - 1)]
        for sums in (self.total, window):
            sums.lists += 1
            sums.shown += len(items)
            sums.clicks += len(seen.clicked)
            sums.purchases += len(seen.bought)
            sums.value += value
            sums.best += best
            sums.diversity += spread
            sums.popular += int(self._popular[items].sum())
            sums.exposures[items] += 1
        for item in seen.clicked:
            self._taken[item] += 1

    def _find_popular(self) -> None:
        """The tenth of the items with most clicks so far, ties by number."""
        count = max(int(len(self._taken) * _POPULAR), 1)
        self._popular[:] = False
        self._popular[np.argsort(-self._taken, kind="stable")[:count]] = True

    def report(self) -> dict[str, Any]:
        """The whole run, its windows, and its first against its last quarter."""
        windows = [
            {"hour": round(at * self._seconds / 3600.0, 3), **sums.report()}
            for at, sums in enumerate(self.windows)
        ]
        quarter = max(len(windows) // 4, 1)
        names = ("ctr", "regret", "diversity", "coverage", "gini", "popular_share")
        return {
            **self.total.report(),
            "first_quarter": {name: _mean(windows[:quarter], name) for name in names},
            "last_quarter": {name: _mean(windows[-quarter:], name) for name in names},
            "windows": windows,
        }


def gini(counts: NDArray[np.int64]) -> float:
    """How unequally exposure is spread: 0 all items alike, near 1 one item alone (Gini, 1912).

    >>> gini(np.array([5, 5, 5, 5])), gini(np.array([0, 0, 0, 8]))
    (0.0, 0.75)
    """
    total, n = int(counts.sum()), len(counts)
    if total == 0:
        return 0.0
    ranks = np.arange(1, n + 1)
    return float((2 * (ranks * np.sort(counts)).sum() / total - (n + 1)) / n)


def _diversity(vectors: NDArray[np.float64]) -> float:
    """Mean of 1 - cosine over the pairs of a list (Ziegler et al., WWW 2005); 0 for one item."""
    n = len(vectors)
    if n < 2:
        return 0.0
    total = vectors.sum(axis=0)
    return 1.0 - float(((total**2).sum() - n) / (n * (n - 1)))


def _mean(windows: list[dict[str, Any]], name: str) -> float | None:
    values = [window[name] for window in windows if window[name] is not None]
    return sum(values) / len(values) if values else None
