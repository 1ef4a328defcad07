"""A crowd that never goes home: its visits as a steady flow of events into any sink."""

from __future__ import annotations

import itertools
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

import httpx
import structlog

from producers.catalogue import write_catalogue
from producers.errors import SinkUnavailable
from producers.ingest import Progress, Sink
from producers.readers import read
from producers.shoppers import Crowd, Recommend

_Records = list[dict[str, Any]]

log = structlog.get_logger(__name__)

# A turn of the flow: long enough that quick rates travel in batches, short enough to look steady.
_TURN_S: Final = 0.05
_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 15.0
# A shopper who gets no list in time looks around alone.
_ANSWER_S: Final = 1.0


def shop(products: int, seed: int) -> _Records:
    """The generated catalogue as items."""
    with tempfile.TemporaryDirectory() as folder:
        return list(read(write_catalogue(Path(folder) / "shop.csv", products, seed), "shop").items)


def visits(crowd: Crowd, recommend: Recommend, run: str | None = None) -> Iterator[dict[str, Any]]:
    """The crowd's events without end; ids begin with `run`, by default one never used before."""
    run = run or secrets.token_hex(6)
    numbers = itertools.count(1)
    while True:
        for event in crowd.step(recommend):
            yield {"event_id": f"shoppers:{run}:{next(numbers)}", **event}


def flow(
    events: Iterator[dict[str, Any]],
    sink: Sink,
    rate: float,
    stop: threading.Event,
    progress: Progress | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Send `rate` events a second until `stop` or their end; return how many were taken.

    When the sink is away the same events are sent again until it is back; the flow then goes on
    at its rate and does not make up for the pause.
    """
    sent, began = 0, clock()
    size = max(1, round(rate * _TURN_S))
    while batch := list(itertools.islice(events, size)):
        ahead = began + sent / rate - clock()
        if stop.wait(max(ahead, 0.0)):
            break
        paused = _deliver(batch, sink, stop, clock)
        if paused is None:
            break
        began += paused
        sent += len(batch)
        if progress is not None:
            progress("events", sent)
    return sent


def _deliver(
    batch: _Records, sink: Sink, stop: threading.Event, clock: Callable[[], float]
) -> float | None:
    """Seconds lost to a sink that was away; None when stopped before it came back."""
    began, wait = clock(), _FIRST_WAIT_S
    tried = 0
    while True:
        try:
            sink.send(batch)
        except SinkUnavailable as error:
            log.warning("shoppers_wait", reason=str(error))
        else:
            return clock() - began if tried else 0.0
        tried += 1
        if stop.wait(wait):
            return None
        wait = min(_LONGEST_WAIT_S, wait * 2)


def alone(_user_id: str, _k: int) -> list[str]:
    """Recommendations of nobody: shoppers then only browse."""
    return []


class Listed:
    """What an API recommends; an empty list when it does not answer."""

    def __init__(self, url: str, transport: httpx.BaseTransport | None = None) -> None:
        self._client = httpx.Client(base_url=url, timeout=_ANSWER_S, transport=transport)

    def __call__(self, user_id: str, k: int) -> list[str]:
        try:
            answer = self._client.get(
                f"/v1/users/{quote(user_id, safe='')}/recommendations", params={"k": k}
            )
            return [item["item_id"] for item in answer.raise_for_status().json()["items"]]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            log.warning("shoppers_without_list", reason=f"{type(error).__name__}: {error}")
            return []

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
