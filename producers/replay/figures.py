"""What a replay measures, as counts that a cursor file can keep and a later run go on with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from msgspec import Struct, field

from producers.replay.bestsellers import MISS
from producers.replay.latencies import Latencies


class Places(Struct):
    """How often the coming item stood at each place; `misses` where it was not in the list."""

    k: int
    counts: dict[int, int] = field(default_factory=dict)
    misses: int = 0

    def add(self, place: int) -> None:
        if place == MISS or place >= self.k:
            self.misses += 1
        else:
            self.counts[place] = self.counts.get(place, 0) + 1

    def report(self) -> dict[str, Any]:
        """The metrics of `freshet evaluate`; null where nothing was scored, or the list is short.

        >>> places = Places(20, {0: 1, 12: 1}, 2)
        >>> report = places.report()
        >>> report["hr@10"], report["hr@20"], report["ndcg@10"]
        (0.25, 0.5, 0.25)
        """
        return {
            "hr@10": self._sum(10, lambda place: 1.0),
            "hr@20": self._sum(20, lambda place: 1.0),
            "ndcg@10": self._sum(10, lambda place: 1 / math.log2(place + 2)),
            "mrr@20": self._sum(20, lambda place: 1 / (place + 1)),
        }

    @property
    def scored(self) -> int:
        return sum(self.counts.values()) + self.misses

    def _sum(self, length: int, worth: Any) -> float | None:
        if not self.scored or self.k < length:
            return None
        total = sum(n * worth(at) for at, n in sorted(self.counts.items()) if at < length)
        return float(total / self.scored)


@dataclass(frozen=True)
class Asked:
    """One list that was asked for, and where the coming item stood in it.

    `seconds` count from when the request was to be sent, `service_s` from when it was sent.
    `served_by` is None where no list came.
    """

    place: int
    popular_place: int
    scored: bool
    served_by: str | None
    degraded: bool
    seconds: float
    service_s: float
    error: str | None = None


class Window(Struct):
    """A stretch of the replay."""

    first: int
    scored: int = 0
    hits: int = 0
    popular_hits: int = 0
    latencies: Latencies = field(default_factory=Latencies)


class Figures(Struct):
    """All counts of a replay, over all its runs."""

    k: int
    window: int
    ours: Places
    popular: Places
    events: int = 0
    asked: int = 0
    duplicates: int = 0
    ignored: int = 0
    refused: int = 0
    first_refusal: str | None = None
    errors: int = 0
    first_error: str | None = None
    retries: int = 0
    degraded: int = 0
    seconds: float = 0.0
    behind_s: float = 0.0
    served_by: dict[str, int] = field(default_factory=dict)
    latency: Latencies = field(default_factory=Latencies)
    service: Latencies = field(default_factory=Latencies)
    freshness: Latencies = field(default_factory=Latencies)
    not_fresh: int = 0
    windows: dict[int, Window] = field(default_factory=dict)

    @classmethod
    def of(cls, k: int, window: int) -> Figures:
        return cls(k, window, Places(k), Places(k))

    def note(self, number: int, asked: Asked) -> None:
        """Count one asked list; `number` is its event's place in the replay."""
        first = number // self.window * self.window
        window = self.windows.setdefault(first, Window(first))
        self.asked += 1
        self.degraded += asked.degraded
        if asked.served_by is None:
            self.errors += 1
            self.first_error = self.first_error or asked.error
        else:
            self.served_by[asked.served_by] = self.served_by.get(asked.served_by, 0) + 1
        for latencies in (self.latency, window.latencies):
            latencies.add(asked.seconds)
        self.service.add(asked.service_s)
        if asked.scored:
            self.ours.add(asked.place)
            self.popular.add(asked.popular_place)
            window.scored += 1
            window.hits += 0 <= asked.place < min(10, self.k)
            window.popular_hits += 0 <= asked.popular_place < min(10, self.k)

    @property
    def hits(self) -> int:
        """Coming items among the first ten."""
        return sum(count for place, count in self.ours.counts.items() if place < 10)

    def report(self) -> dict[str, Any]:
        """The figures by their names, for `--json`."""
        answered = self.asked - self.errors
        return {
            "events": self.events,
            "asked": self.asked,
            "scored": self.ours.scored,
            **self.ours.report(),
            "popularity": self.popular.report(),
            "latency_ms": self.latency.report_ms(),
            "service_ms": self.service.report_ms(),
            "freshness_ms": {**self.freshness.report_ms(), "not_in_time": self.not_fresh},
            "behind_s": round(self.behind_s, 3),
            "errors": self.errors,
            "first_error": self.first_error,
            "retries": self.retries,
            "degraded_share": self.degraded / answered if answered else None,
            "served_by": {name: count / answered for name, count in sorted(self.served_by.items())},
            "duplicates": self.duplicates,
            "ignored": self.ignored,
            "refused": self.refused,
            "first_refusal": self.first_refusal,
            "seconds": round(self.seconds, 3),
            "events_per_s": round(self.events / self.seconds, 1) if self.seconds > 0 else None,
            "windows": [self._window(at) for _, at in sorted(self.windows.items())],
        }

    def _window(self, window: Window) -> dict[str, Any]:
        n = window.scored
        p99 = window.latencies.percentile_s(0.99)
        return {
            "first_event": window.first,
            "scored": n,
            "hr@10": window.hits / n if n else None,
            "popularity_hr@10": window.popular_hits / n if n else None,
            "latency_p99_ms": None if p99 is None else round(p99 * 1e3, 3),
        }
