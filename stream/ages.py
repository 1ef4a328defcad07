"""How old events are when something is through with them: a histogram without a library."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

#: Upper bounds in seconds; the last bucket is open.
BOUNDS: Final = (
    0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
)  # fmt: skip


class AgeCounts:
    """Counts of ages by bucket; one writer, any readers.

    >>> ages = AgeCounts()
    >>> ages.observe(0.03), ages.observe(-1.0), ages.observe(1e6)
    (None, None, None)
    >>> [count for _, count in ages.cumulative()][:5], ages.cumulative()[-1]
    ([1, 1, 1, 2, 2], ('+Inf', 3))
    """

    def __init__(self) -> None:
        self.newest_s = 0.0
        self.sum_s = 0.0
        self._counts = [0] * (len(BOUNDS) + 1)

    def observe(self, seconds: float, times: int = 1) -> None:
        """Count an age; clocks that differ do not make it negative."""
        self.newest_s = max(seconds, 0.0)
        self.sum_s += self.newest_s * times
        self._counts[bisect_left(BOUNDS, self.newest_s)] += times

    def cumulative(self) -> list[tuple[str, int]]:
        """(upper bound, how many are at most as old), as Prometheus wants them."""
        names, total, found = [*map(str, BOUNDS), "+Inf"], 0, []
        for name, count in zip(names, self._counts, strict=True):
            total += count
            found.append((name, total))
        return found
