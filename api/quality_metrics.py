"""Live quality, drift and guests for Prometheus. Labels are bounded by what is configured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from models.model import Model

_WHOLE: Final = (
    "hr@10", "hr@20", "ndcg@10", "ndcg@20", "mrr@10", "mrr@20", "precision@10", "precision@20",
    "recall@10", "recall@20", "rmse", "mae", "coverage@20", "novelty", "scored",
)  # fmt: skip
#: Of a slice, what tells it from others; the rest is at `GET /v1/quality`.
_SLICED: Final = ("hr@10", "hr@20", "ndcg@10", "rmse", "scored")
_SERVED: Final = (*_SLICED, "ctr", "lists")
_ACTIONS: Final = ("ctr", "conversion")

logger = structlog.get_logger(__name__)


class QualityCollector(Collector):
    """The model's own figures, computed when somebody looks; what is not known is left out."""

    def __init__(self, model: Callable[[], Model]) -> None:
        self._model = model

    def collect(self) -> Iterator[Metric]:
        try:
            model = self._model()
            report, counted = model.quality(), list(_counted(model))
        except Exception:
            logger.warning("no live quality for metrics", exc_info=True)
            return
        quality = GaugeMetricFamily(
            "freshet_quality", "Live quality, measured before an event is learned",
            labels=["metric", "window", "slice"],
        )  # fmt: skip
        for (metric, window, part), value in _figures(report, model.settings.events):
            quality.add_metric([metric, window, part], value)
        yield quality
        shares = GaugeMetricFamily(
            "freshet_source_share",
            "Share of the places in this process's lists, by the source that ranked the item best",
            labels=["source"],
        )
        for source, share in report["source_shares"].items():
            shares.add_metric([source], share)
        yield shares
        yield from counted
        acting = float(report["drift"]["acting_until"] is not None)
        yield GaugeMetricFamily("freshet_drift_acting", "1: a drift changes learning", value=acting)


def _counted(model: Model) -> Iterator[Metric]:
    drifts = CounterMetricFamily(
        "freshet_drifts", "Drifts found since the log began, by what they mean",
        labels=["detector", "signal", "effect"],
    )  # fmt: skip
    for kind, count in model.live.drifts.counts().items():
        drifts.add_metric(kind, count)
    yield drifts
    updates = CounterMetricFamily(
        "freshet_updates_rejected", "Updates that were not finite, left out or taken back",
        labels=["part"],
    )  # fmt: skip
    for part, count in model.updates_rejected().items():
        updates.add_metric([part], count)
    yield updates
    guests = CounterMetricFamily(
        "freshet_guest_failures",
        "How often a model of River's failed, or said what is no number, since the log began",
        labels=["guest"],
    )
    for name, count in model.guests.failures().items():
        guests.add_metric([name], count)
    yield guests


def _figures(
    report: Mapping[str, Any], types: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, str, str], float]]:
    for window, told in report["windows"].items():
        parts: list[tuple[str, Any, tuple[str, ...]]] = [("all", told, _WHOLE)]
        parts += [(name, part, _SLICED) for name, part in told["slices"].items()]
        parts += [(f"source:{name}", part, _SLICED) for name, part in told["sources"].items()]
        parts += [(f"served_by:{name}", part, _SERVED) for name, part in told["served_by"].items()]
        parts += [
            (f"type:{name}", part, _ACTIONS)
            for name, part in told["event_types"].items()
            if name in types
        ]
        for part_name, figures, metrics in parts:
            for metric in metrics:
                if figures[metric] is not None:
                    yield (metric, window, part_name), float(figures[metric])
