"""Numbers for Prometheus, in a registry of their own for every app. No label holds an id."""

from __future__ import annotations

from collections import Counter as Counted
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from stream.service import Freshness

#: Upper bounds in seconds of what a user waits for.
BUCKETS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.3, 0.5, 0.8, 1, 1.5, 2.5, 5,
)  # fmt: skip
# Counts of the system since its log began; what else its status has are gauges.
_COUNTED: Final = {
    "applied", "duplicates", "capped", "dead_letters", "other", "replica_mismatches",
    "impressions_dropped", "items_left",
}  # fmt: skip
#: The label of event types that no setting names: labels come from settings, not from clients.
OTHER: Final = "other"

logger = structlog.get_logger(__name__)


class StatusCollector(Collector):
    """The system's own numbers, asked for when somebody looks."""

    def __init__(self, status: Callable[[], Mapping[str, float]]) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        try:
            numbers = self._status()
        except Exception:
            logger.warning("no status for metrics", exc_info=True)
            return
        for name, value in numbers.items():
            kind = CounterMetricFamily if name in _COUNTED else GaugeMetricFamily
            text = f"The system's {name.replace('_', ' ')}"
            yield kind(f"freshet_{name}", text, value=float(value))


class FreshnessCollector(Collector):
    """How late this process is, asked for when somebody looks."""

    def __init__(self, freshness: Callable[[], Freshness]) -> None:
        self._freshness = freshness

    def collect(self) -> Iterator[Metric]:
        told = self._freshness()
        lag = GaugeMetricFamily(
            "freshet_lag_seconds",
            "How long ago what was learned last was received, 0 at the end of the log",
            labels=["partition"],
        )
        for partition, seconds in told.lag_s.items():
            lag.add_metric([str(partition)], seconds)
        yield lag
        if told.visible:
            yield HistogramMetricFamily(
                "freshet_visible_seconds",
                "From an event's receipt to the moment others' lists of this process know of it",
                buckets=told.visible, sum_value=told.visible_sum_s,
            )  # fmt: skip
        if told.learned:
            learned = HistogramMetricFamily(
                "freshet_learned_seconds",
                "From an event's receipt to the end of a stage's work on it", labels=["group"],
            )  # fmt: skip
            learned.add_metric(["model"], list(told.learned), told.learned_sum_s)
            yield learned


class Metrics:
    """What the HTTP tier counts."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(
        self,
        status: Callable[[], Mapping[str, float]],
        freshness: Callable[[], Freshness] | None = None,
        types: Callable[[], Container[str]] = tuple,
    ) -> None:
        self.registry = CollectorRegistry()
        self._durations = Histogram(
            "freshet_request_duration_seconds", "From the first byte read to the answer sent",
            ["route", "status_class"], registry=self.registry, buckets=BUCKETS,
        )  # fmt: skip
        self._responses = Counter(
            "freshet_responses", "Lists answered, by the rung of the ladder they came from",
            ["served_by", "degraded"], registry=self.registry,
        )  # fmt: skip
        self._events = Counter(
            "freshet_events", "Events sent by clients, by what became of them",
            ["type", "result"], registry=self.registry,
        )  # fmt: skip
        self._children: dict[tuple[str, int], Histogram] = {}
        self._rungs: dict[tuple[str, bool], Counter] = {}
        self._results: dict[tuple[str, str], Counter] = {}
        self._types = types
        ProcessCollector(registry=self.registry)
        self.registry.register(StatusCollector(status))
        if freshness is not None:
            self.registry.register(FreshnessCollector(freshness))

    def observe(self, route: str, status: int, seconds: float) -> None:
        key = (route, status // 100)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._durations.labels(route, f"{status // 100}xx")
        child.observe(seconds)

    def served(self, served_by: str, degraded: bool) -> None:
        key = (served_by, degraded)
        child = self._rungs.get(key)
        if child is None:
            child = self._rungs[key] = self._responses.labels(served_by, str(degraded).lower())
        child.inc()

    def events(self, result: str, types: Iterable[str]) -> None:
        """Count events by type; one that no setting names is counted as `other`."""
        for name, count in Counted(types).items():
            known = name if name in self._types() else OTHER
            child = self._results.get((known, result))
            if child is None:
                child = self._results[known, result] = self._events.labels(known, result)
            child.inc(count)

    def text(self) -> bytes:
        return generate_latest(self.registry)
