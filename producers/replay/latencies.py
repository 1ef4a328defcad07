"""Durations as counts in buckets of 2 % width: bounded memory, and easily kept in a file."""

from __future__ import annotations

import math
from typing import Any, Final

from msgspec import Struct, field

# Every percentile is off by at most 1 %; a day is bucket 1,272.
_WIDTH: Final = math.log(1.02)
# What is shorter counts as this long, in seconds: no network answers in a microsecond.
_SHORTEST_S: Final = 1e-6
PERCENTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}


class Latencies(Struct):
    """A histogram of seconds."""

    buckets: dict[int, int] = field(default_factory=dict)
    count: int = 0
    longest_s: float = 0.0

    def add(self, seconds: float) -> None:
        bucket = int(math.log(max(seconds, _SHORTEST_S) / _SHORTEST_S) / _WIDTH)
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1
        self.count += 1
        self.longest_s = max(self.longest_s, seconds)

    def percentile_s(self, share: float) -> float | None:
        """The middle of the bucket below which `share` of the durations lie; None without any."""
        wanted = math.ceil(share * self.count)
        for bucket in sorted(self.buckets):
            wanted -= self.buckets[bucket]
            if wanted <= 0:
                return min(_SHORTEST_S * math.exp((bucket + 0.5) * _WIDTH), self.longest_s)
        return None

    def report_ms(self) -> dict[str, Any]:
        """Percentiles and the longest in milliseconds, null where nothing was measured.

        >>> latencies = Latencies()
        >>> for _ in range(99): latencies.add(0.010)
        >>> latencies.add(1.0)
        >>> report = latencies.report_ms()
        >>> round(report["p50"]), round(report["max"]), report["count"]
        (10, 1000, 100)
        """
        found: dict[str, Any] = {"count": self.count}
        for name, share in PERCENTILES.items():
            value = self.percentile_s(share)
            found[name] = None if value is None else round(value * 1e3, 3)
        found["max"] = round(self.longest_s * 1e3, 3) if self.count else None
        return found
