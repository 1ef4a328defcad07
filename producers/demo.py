"""What a fresh start shows: a past to learn from at once, and a present that goes on."""

import random
import threading
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, Protocol

import structlog

from producers.catalogue import write_catalogue
from producers.errors import IngestRefused
from producers.ingest import Sink
from producers.readers import read
from producers.shoppers import Crowd, Recommend

_Records = list[dict[str, Any]]

log = structlog.get_logger(__name__)

# Waits between tries of one live event: short enough to go on soon after a restart, and at most
# this long, so that a server that is away for the night is not asked a thousand times.
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 15.0
# Events among which people take turns: some dozens of people, a few minutes of the demo.
_WINDOW = 1_000


class Demo(Protocol):
    """`history` and `live` carry event ids that are the same at every start."""

    def history(self, now: float) -> tuple[_Records, _Records, _Records]:
        """(items, users, events): the events in order of time, the last one at `now`."""

    def live(self, skip: int = 0, recommend: Recommend | None = None) -> Iterator[dict[str, Any]]:
        """Events without timestamps, from the one after the first `skip`."""


class FilmsDemo:
    """MovieLens-100K: four fifths of the real ratings are the past, the rest comes live.

    Events with one timestamp keep the order of the file.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "ml-100k.inter"

    def history(self, now: float) -> tuple[_Records, _Records, _Records]:
        dataset = read(self._file, "recbole")
        events = self._sorted()
        del events[_past(events) :]
        shift = now - events[-1]["timestamp"] if events else 0.0
        for event in events:
            event["timestamp"] += shift
        return list(dataset.items), list(dataset.users), events

    def live(self, skip: int = 0, recommend: Recommend | None = None) -> Iterator[dict[str, Any]]:
        """What these people really rated next; recommendations do not move them.

        One person rates dozens of films in a row, at this pace for minutes: people close in
        time take turns, so that each keeps their own order.
        """
        events = self._sorted()
        del events[: _past(events)]
        for event in _in_turns(events)[skip:]:
            del event["timestamp"]
            yield event

    def _sorted(self) -> _Records:
        # Read anew each time: 100,000 events kept for hours would cost 60 MB.
        events = list(read(self._file, "recbole").events)
        events.sort(key=lambda event: event["timestamp"])
        return events


class ShopDemo:
    """A generated shop, with a crowd that acts on what it is shown.

    `live` never ends. After `skip` events the crowd has its first tastes again, other luck, and
    ids that go on where they stopped.
    """

    def __init__(
        self,
        folder: Path,
        *,
        products: int = 2000,
        shoppers: int = 300,
        past_events: int = 12_000,
        seed: int = 7,
    ) -> None:
        self._file = folder / "shop.csv"
        self._products = products
        self._shoppers = shoppers
        self._past_events = past_events
        self._seed = seed

    def history(self, now: float) -> tuple[_Records, _Records, _Records]:
        items = self._items()
        crowd = Crowd(items, self._shoppers, self._seed)
        users = [
            {"user_id": shopper.user_id, "attributes": {"name": shopper.name}}
            for shopper in crowd.shoppers
        ]
        past = crowd.history(self._past_events, now)
        events = [{"event_id": f"shop:past:{n}", **event} for n, event in enumerate(past, start=1)]
        return items, users, events

    def live(self, skip: int = 0, recommend: Recommend | None = None) -> Iterator[dict[str, Any]]:
        # Chance restarts at 1 + skip: 0 has been used up by the past.
        crowd = Crowd(self._items(), self._shoppers, self._seed, start=1 + skip)
        ask = recommend or (lambda user_id, k: [])
        number = skip
        while True:
            for event in crowd.step(ask):
                number += 1
                yield {"event_id": f"shop:live:{number}", **event}

    def _items(self) -> _Records:
        if not self._file.is_file():
            write_catalogue(self._file, self._products, self._seed)
        return list(read(self._file, "shop").items)


def play(
    demo: Demo,
    sink: Sink,
    recommend: Recommend | None,
    per_second: float,
    stop: threading.Event,
    skip: int = 0,
) -> int:
    """Send live events one by one until `stop` or their end; return how many were sent.

    The sink must be one for live events, not for imports. An event that is refused is left out;
    anything else that goes wrong is tried again, with growing waits, until it works or `stop`.
    """
    jitter = random.Random()
    sent = 0
    for event in demo.live(skip, _forgiving(recommend)):
        if stop.wait(jitter.uniform(0.5, 1.5) / per_second):
            break
        sent += _deliver(event, sink, stop)
        if stop.is_set():
            break
    return sent


def _in_turns(events: _Records) -> _Records:
    """Within each window, one event of every user after the other."""
    turned: _Records = []
    for start in range(0, len(events), _WINDOW):
        queues: dict[str, list[dict[str, Any]]] = {}
        for event in events[start : start + _WINDOW]:
            queues.setdefault(event["user_id"], []).append(event)
        rounds = zip_longest(*queues.values())
        turned += [event for events_of_round in rounds for event in events_of_round if event]
    return turned


def _past(events: _Records) -> int:
    return len(events) * 4 // 5


def _deliver(event: dict[str, Any], sink: Sink, stop: threading.Event) -> int:
    wait = _FIRST_WAIT_S
    while True:
        try:
            sink.send([event])
        except IngestRefused as error:
            log.warning("demo_event_refused", event_id=event["event_id"], reason=str(error))
            return 0
        # A demo must outlive every fault of the system that it shows; each one is told.
        except Exception as error:  # noqa: BLE001
            log.warning("demo_event_delayed", event_id=event["event_id"], reason=str(error))
        else:
            return 1
        if stop.wait(wait):
            return 0
        wait = min(_LONGEST_WAIT_S, wait * 2)


def _forgiving(recommend: Recommend | None) -> Recommend | None:
    """Shoppers without an answer look around by themselves; an error would end them all."""
    if recommend is None:
        return None

    def ask(user_id: str, k: int) -> list[str]:
        try:
            return recommend(user_id, k)
        except Exception as error:  # noqa: BLE001
            log.warning("demo_without_recommendations", reason=str(error))
            return []

    return ask
