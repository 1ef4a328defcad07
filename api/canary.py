"""The canary's flight: click, look, and measure how long the click took to show.

One synthetic click every few seconds goes the whole way of a real one, from the append to the
user's next list, so that freshness is known while nobody else is there.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.ladder import Ladder
from api.metrics import BUCKETS
from api.wanted import Wanted
from stream.ids import fresh_id
from stream.service import Checked, Service

# How long a click is waited for; one that has not shown by then counts as this much more,
# beyond every bound of the histogram.
_PATIENCE_S: Final = 5.0
_MISSED_S: Final = 2 * _PATIENCE_S
#: Measurements behind the percentiles: ten minutes at one in five seconds.
KEPT: Final = 120
# Items clicked in turn: few, so that its profile stays small.
_ITEMS: Final = 50
_QUANTILES: Final = (0.5, 0.99)

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Flight:
    """Who clicks, in turn, and how often in seconds; nobody does without ids."""

    ids: Sequence[str] = ()
    every_s: float = 5.0


class Canary(Collector):
    """Clicks through the service and looks through the ladder, past limits and counts of requests.

    Its event is a fact of the log like any; the model passes it over (`stream.canary`).
    """

    def __init__(
        self, flight: Flight, service: Service, ladder: Ladder, registry: CollectorRegistry
    ) -> None:
        self._flight = flight
        self._service = service
        self._ladder = ladder
        self._recent: deque[float] = deque(maxlen=KEPT)
        self._turn = 0
        self._missing = False
        self._seconds = Histogram(
            "freshet_canary_seconds", "From a synthetic click to its user's list that shows it",
            registry=registry, buckets=BUCKETS,
        )  # fmt: skip
        registry.register(self)

    async def run(self) -> None:
        """Click until cancelled. What breaks is counted as late, and ends nothing."""
        while self._flight.ids:
            await asyncio.sleep(self._flight.every_s)
            if self._turn or self._service.ready() is None:
                await self.click()

    async def click(self) -> float | None:
        """Click once; the seconds it took to show, None where there is nothing to click on."""
        item_id, kind = self._item(), self._type()
        if item_id is None or kind is None:
            return None
        user_id = self._flight.ids[self._turn % len(self._flight.ids)]
        self._turn += 1
        started = time.perf_counter()
        try:
            shown = await self._shows(user_id, item_id, kind)
        except Exception as error:  # noqa: BLE001 - whatever broke, the click did not show
            shown = False
            self._tell(type(error).__name__)
        seconds = time.perf_counter() - started
        if shown:
            self._missing = False
        else:
            self._tell("it is in no list yet")
            seconds = max(seconds, _MISSED_S)
        self._seconds.observe(seconds)
        self._recent.append(seconds)
        return seconds

    def quantile(self, share: float) -> float | None:
        """Of the newest measurements, in seconds; None before the first."""
        ordered = sorted(self._recent)
        return ordered[max(math.ceil(share * len(ordered)) - 1, 0)] if ordered else None

    def collect(self) -> Iterator[Metric]:
        gauge = GaugeMetricFamily(
            "freshet_canary_recent_seconds",
            "Quantiles of the canary's newest measurements", labels=["quantile"],
        )  # fmt: skip
        for share in _QUANTILES:
            value = self.quantile(share)
            if value is not None:
                gauge.add_metric([str(share)], value)
        yield gauge

    async def _shows(self, user_id: str, item_id: str, kind: str) -> bool:
        event_id = fresh_id()
        event = {"type": kind, "user_id": user_id, "item_id": item_id, "event_id": event_id}
        checked = Checked(msgspec.json.encode(event), user_id, event_id)
        receipt = await self._service.append_feedback([checked], False)
        if not await self._service.wait(user_id, receipt.positions, _PATIENCE_S):
            return False
        reading = await self._service.read(user_id)
        answer = self._ladder.personal(reading, Wanted(1))
        key = self._service.model.key_of(item_id)
        clicked = reading.row is not None and key in reading.row.past.history_key.tolist()
        return clicked and answer.served_by == "personal" and not answer.degraded

    def _item(self) -> str | None:
        reader = self._service.model.reader
        items = min(reader.items, _ITEMS)
        return reader.id_of(self._turn % items) if items else None

    def _type(self) -> str | None:
        types = self._service.model.settings.events
        return next((name for name in ("click", "view", *types) if name in types), None)

    def _tell(self, reason: str) -> None:
        if not self._missing:
            self._missing = True
            logger.warning("the canary's click does not show", reason=reason)
