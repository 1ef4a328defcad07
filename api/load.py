"""What this process can carry: how many requests it has in hand, and whether it falls behind.

Overload is met in two steps. While the event loop is late, lists come from what is kept for
that; when the bounded queue is full, further requests are refused at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge

#: Key of the scope under which a server tells how many requests were in hand when this one came.
PLACE: Final = "freshet.place"

# A turn of the loop that was measured longer ago says nothing of now.
_STALE_S: Final = 1.0
# With fewer in hand a late turn is a pause of the machine's, which no cheaper list would shorten.
_CROWD: Final = 8


@dataclass(frozen=True)
class Bounds:
    """`queue`: requests in hand before others are refused. `heavy_s`: a turn of the event loop

    from which on lists are taken from the lower rung.
    """

    queue: int = 512
    heavy_s: float = 0.1


class Load:
    """Counts what is in hand and measures turns of the event loop, without a timer of its own.

    A turn is measured by asking the loop to come back: all that is ready runs first. Only one
    such question is open at a time, so that it costs nothing where many requests arrive.
    """

    def __init__(
        self,
        bounds: Bounds,
        registry: CollectorRegistry,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bounds = bounds
        self._clock = clock
        self._in_flight = 0
        self._most = 0
        self._asking = False
        self._turn_s, self._turned_at = 0.0, float("-inf")
        shed = Counter(
            "freshet_shed", "Requests met with less than they asked for: rung or refused",
            ["how"], registry=registry,
        )  # fmt: skip
        self._shed = {how: shed.labels(how) for how in ("rung", "refused")}
        gauge = Gauge("freshet_in_flight", "Requests in hand just now", registry=registry)
        gauge.set_function(lambda: self._in_flight)

    def enter(self, place: int) -> bool:
        """Take a request in hand; False where the queue before it is full. Then `leave`."""
        self._in_flight += 1
        if self.is_full(place):
            return False
        self._most = max(place, self._most)
        if not self._asking:
            self._asking = True
            asyncio.get_running_loop().call_soon(self._turned, self._clock())
        return True

    def is_full(self, place: int) -> bool:
        """Whether there is no room for a request before which so many are in hand."""
        return place >= self._bounds.queue

    def leave(self) -> None:
        self._in_flight -= 1

    @property
    def in_flight(self) -> int:
        return self._in_flight

    def _turned(self, asked_at: float) -> None:
        self._asking = False
        self._turned_at = self._clock()
        crowded, self._most = self._most >= _CROWD, 0
        self._turn_s = self._turned_at - asked_at if crowded else 0.0

    def heavy(self) -> bool:
        """Whether lists should cost less than they could."""
        late = self._turn_s > self._bounds.heavy_s
        return late and self._clock() - self._turned_at < _STALE_S

    def shed(self, how: Literal["rung", "refused"]) -> None:
        self._shed[how].inc()
