"""Sending a whole data set to whoever takes it: catalogue and people first, then the events."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from producers.errors import IngestInterrupted, SinkUnavailable
from producers.http_sink import HttpSink
from producers.readers import Dataset

__all__ = ["BATCH", "HttpSink", "IngestReport", "Progress", "Sink", "ingest"]

# What the API takes in one request.
BATCH = 1000

# (what: "items", "users" or "events"; how many of them so far)
Progress = Callable[[str, int], None]


class Sink(Protocol):
    """Takes what producers make; one thread at a time.

    When a call returns, everything in it is durable. IngestRefused: none of the refused request
    was learned and it never will be. SinkUnavailable: a part may have been learned; sending the
    same again is harmless, since every event carries its `event_id`. Whether events count as
    imports (old data, exempt from lateness and rate caps) is decided where the sink is made.
    """

    def put_items(self, items: list[dict[str, Any]]) -> None:
        """Create or replace catalogue items."""

    def put_users(self, users: list[dict[str, Any]]) -> None:
        """Create or replace users' attributes."""

    def send(self, events: list[dict[str, Any]]) -> tuple[int, int]:
        """Return how many events were (accepted, known before)."""


@dataclass(frozen=True)
class IngestReport:
    """What an ingest sent; `accepted` and `duplicates` add up to `events` save for ignored ones."""

    dataset: str
    items: int = 0
    users: int = 0
    events: int = 0
    accepted: int = 0
    duplicates: int = 0


def ingest(
    dataset: Dataset,
    sink: Sink,
    rate: float | None = None,
    progress: Progress | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> IngestReport:
    """Send items, then users, then events in file order, at most `rate` events a second.

    Raises ReadError at a broken line, with everything before its batch sent; IngestRefused;
    IngestInterrupted when the sink stays away. Repeating the ingest then changes nothing twice.
    """
    run = _Run(dataset, sink, progress or (lambda what, count: None))
    try:
        run.catalogue()
        run.feedback(rate, clock, sleep)
    except SinkUnavailable as error:
        raise IngestInterrupted(
            f"{error} ({run.reached()}). Start the same ingest again: what was sent before "
            "is recognised and not counted twice.",
            items=run.items,
            users=run.users,
            events=run.events,
        ) from error
    return IngestReport(
        dataset.name, run.items, run.users, run.events, run.accepted, run.duplicates
    )


class _Run:
    """The counts of one ingest, kept where an interruption can still read them."""

    def __init__(self, dataset: Dataset, sink: Sink, progress: Progress) -> None:
        self._dataset = dataset
        self._sink = sink
        self._progress = progress
        self.items = self.users = self.events = self.accepted = self.duplicates = 0

    def catalogue(self) -> None:
        for items in _batches(self._dataset.items, BATCH):
            self._sink.put_items(items)
            self.items += len(items)
            self._progress("items", self.items)
        for users in _batches(self._dataset.users, BATCH):
            self._sink.put_users(users)
            self.users += len(users)
            self._progress("users", self.users)

    def feedback(
        self,
        rate: float | None,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        # With a rate, batches of about a second, so that it is a flow and not a row of bursts.
        size = BATCH if rate is None else max(1, min(BATCH, round(rate)))
        start = clock()
        for events in _batches(self._dataset.events, size):
            if rate is not None and (ahead := start + self.events / rate - clock()) > 0:
                sleep(ahead)
            accepted, duplicates = self._sink.send(events)
            self.events += len(events)
            self.accepted += accepted
            self.duplicates += duplicates
            self._progress("events", self.events)

    def reached(self) -> str:
        return f"{self.items} items, {self.users} users and {self.events} events were sent before"


def _batches(records: Iterable[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    remaining = iter(records)
    while batch := list(islice(remaining, size)):
        yield batch
