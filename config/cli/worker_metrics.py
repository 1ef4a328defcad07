"""What a worker tells Prometheus: where each stage is, how late it is, and what it refused."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, Protocol, cast

from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

from stream.cluster.freshness import Ages, Lags

if TYPE_CHECKING:
    from config.cluster import Member

# What handlers count, by partition; the rest of their numbers are gauges.
_COUNTED: Final = {
    "applied": "Events of a partition learned since its log began",
    "duplicates": "Repeats found in a partition since its log began",
    "dead_letters": "Events of a partition that could not be learned since its log began",
    "gaps": "Examples refused because one before them is missing",
    "dropped": "Records of examples that cannot be read",
    "updates_rejected": "Updates that were not finite, left out or taken back",
    "items_left": "Items that left because `learning.max_items` were known, since the log began",
    "replica_mismatches": "Times a standby's model was not the owner's, and was loaded again",
}
_GAUGES: Final = {
    "rows_waiting": "Users whose row the store has not got yet",
    "embeddings_waiting": "Users whose embedding is not written yet",
    "snapshot_age_seconds": "Age of the newest snapshot, 0 where it holds everything",
}


class Stage(Protocol):
    """What a handler tells of itself; asked on another thread."""

    @property
    def ages(self) -> Ages: ...

    def status(self) -> dict[str, dict[str, float]]:
        """Numbers by name and partition."""
        ...


class WorkerMetrics(Collector):
    """Reads the members of this process when asked."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = members
        self._lags = [Lags() for _ in members]

    def collect(self) -> Iterator[Metric]:
        yield from self._places()
        yield from self._numbers()
        learned = HistogramMetricFamily(
            "freshet_learned_seconds",
            "From the broker's receipt of an event to the end of a stage's work on it",
            labels=["group"],
        )
        refused = CounterMetricFamily(
            "freshet_worker_refused", "Records refused and fetched again", labels=["group"]
        )
        for member in self._members:
            ages = _stage(member).ages
            learned.add_metric([member.group], ages.cumulative(), ages.sum_s)
            refused.add_metric([member.group], member.source.counts.refused)
        yield learned
        yield refused

    def _places(self) -> Iterator[Metric]:
        labels = ["topic", "partition"]
        position = GaugeMetricFamily(
            "freshet_worker_position", "Next offset of an owned partition", labels=labels
        )
        behind = GaugeMetricFamily(
            "freshet_worker_lag_records", "Records between it and the end", labels=labels
        )
        late = GaugeMetricFamily(
            "freshet_lag_seconds",
            "How long ago the record handled last was received, 0 at the end",
            labels=labels,
        )
        for member, lags in zip(self._members, self._lags, strict=True):
            ends = member.source.ends()
            ages = _stage(member).ages
            found = lags.seconds(member.source.positions, ends, ages, time.time())
            for tp, offset in member.source.positions.items():
                place = [tp.topic, str(tp.partition)]
                position.add_metric(place, offset or 0)
                if tp in ends:
                    behind.add_metric(place, max(ends[tp] - (offset or 0), 0))
                if tp in found:
                    late.add_metric(place, found[tp])
        yield from (position, behind, late)

    def _numbers(self) -> Iterator[Metric]:
        found: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for member in self._members:
            for name, by_partition in _stage(member).status().items():
                if name not in found:
                    found[name] = _family(name)
                for partition, number in by_partition.items():
                    found[name].add_metric([member.group, partition], number)
        yield from found.values()


def _stage(member: Member) -> Stage:
    return cast(Stage, member.handler)


def _family(name: str) -> CounterMetricFamily | GaugeMetricFamily:
    labels = ["group", "partition"]
    if name in _COUNTED:
        return CounterMetricFamily(f"freshet_worker_{name}", _COUNTED[name], labels=labels)
    return GaugeMetricFamily(f"freshet_worker_{name}", _GAUGES[name], labels=labels)


def serve(members: Sequence[Member], host: str, port: int) -> None:
    """Answer /metrics on a thread of its own; port 0: not at all."""
    if port:
        registry = CollectorRegistry()
        registry.register(WorkerMetrics(members))
        start_http_server(port, host, registry)
