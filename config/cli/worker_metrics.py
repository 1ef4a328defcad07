"""What a worker tells Prometheus: where each stage is, and what it refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from config.cluster import Member


class WorkerMetrics(Collector):
    """Reads the members of this process when asked."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = members

    def collect(self) -> Iterator[Metric]:
        position = GaugeMetricFamily(
            "freshet_worker_position", "Next offset of an owned partition",
            labels=["topic", "partition"],
        )  # fmt: skip
        refused = CounterMetricFamily(
            "freshet_worker_refused", "Records refused and fetched again", labels=["group"]
        )
        for member in self._members:
            for tp, offset in member.source.positions.items():
                position.add_metric([tp.topic, str(tp.partition)], offset or 0)
            refused.add_metric([member.group], member.source.counts.refused)
        yield position
        yield refused


def serve(members: Sequence[Member], host: str, port: int) -> None:
    """Answer /metrics on a thread of its own; port 0: not at all."""
    if port:
        registry = CollectorRegistry()
        registry.register(WorkerMetrics(members))
        start_http_server(port, host, registry)
