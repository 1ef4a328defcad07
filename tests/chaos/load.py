"""Clients of a system that is being broken; they remember what was acknowledged."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx

Event = dict[str, Any]

_numbers = itertools.count()


class Load:
    """Posts batches until each is acknowledged, and asks for lists meanwhile, of all processes.

    What was not acknowledged is sent again, to the next process, with the same ids, as users are
    told to. A process that does not answer at all is passed over; a 5xx to a list is an error, to
    a post only one without Retry-After.
    """

    def __init__(
        self,
        urls: Callable[[], Sequence[str]],
        seed: int,
        *,
        users: int = 200,
        items: int = 500,
        sizes: Sequence[int] = (1, 20, 50, 100),
        repeats: float = 0.05,
        pause_s: float = 0.0,
    ) -> None:
        self.acknowledged: set[tuple[str, str]] = set()
        self.errors: list[str] = []
        self.refused = self.answered = self.degraded = self.gone = self.repeated = 0
        self._urls = urls
        self._random = random.Random(seed)
        self._users, self._items, self._sizes = users, items, sizes
        self._repeats, self._pause_s = repeats, pause_s
        self._name = f"{next(_numbers)}"
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._post), threading.Thread(target=self._ask)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, acknowledged: int, timeout_s: float = 200.0) -> None:
        """Wait until so many more were acknowledged."""
        target, until = len(self.acknowledged) + acknowledged, time.monotonic() + timeout_s
        while len(self.acknowledged) < target:
            assert time.monotonic() < until, f"only {len(self.acknowledged)} of {target}"
            assert not self.errors, self.errors[:3]
            time.sleep(0.01)

    def wait_for_repeats(self) -> None:
        """Wait until something was acknowledged that had been before."""
        until = time.monotonic() + 100.0
        while not self.repeated:
            assert time.monotonic() < until, "nothing was sent twice"
            time.sleep(0.01)

    def wait_for_lists(self, answered: int) -> None:
        target, until = self.answered + answered, time.monotonic() + 100.0
        while self.answered < target:
            assert time.monotonic() < until, "no lists"
            time.sleep(0.01)

    def _turn(self, number: int) -> str:
        """The process whose turn it is: one that was started again may have another address."""
        urls = self._urls()
        return urls[number % len(urls)]

    def _post(self) -> None:
        sent: list[list[Event]] = []
        with httpx.Client(timeout=30.0) as http:
            for turn in itertools.count():
                again = sent and self._random.random() < self._repeats
                batch = self._random.choice(sent[-50:]) if again else self._batch(len(sent))
                if not again:
                    sent.append(batch)
                tried = turn
                while not self._send(http, self._turn(tried), batch):
                    tried += 1
                    if self._stop.wait(0.03):
                        return
                if self._stop.wait(self._pause_s):
                    return

    def _batch(self, number: int) -> list[Event]:
        dice = self._random
        return [
            {
                "type": dice.choice(["view", "like", "purchase", "rating"]), "value": 4,
                "user_id": f"u{dice.randrange(self._users)}",
                "item_id": f"i{min(int(dice.expovariate(8 / self._items)), self._items - 1)}",
                "event_id": f"{self._name}-{number}-{n}",
            }
            for n in range(dice.choice(self._sizes))
        ]  # fmt: skip

    def _send(self, http: httpx.Client, url: str, batch: list[Event]) -> bool:
        try:
            answer = http.post(f"{url}/v1/events", json={"events": batch})
        except httpx.HTTPError:
            self.gone += 1
            return False
        if answer.status_code == 503:
            self.refused += 1
            if "retry-after" not in answer.headers:
                self.errors.append("503 without Retry-After")
            return False
        if answer.status_code != 202:
            self.errors.append(f"{answer.status_code} {answer.text}")
            return True
        told = answer.json()
        if told["accepted"] + told["duplicates"] + told["ignored"] != len(batch):
            self.errors.append(f"{told} for {len(batch)} events")
        sent = {(event["user_id"], event["event_id"]) for event in batch}
        self.repeated += len(sent & self.acknowledged)
        self.acknowledged |= sent
        return True

    def _ask(self) -> None:
        with httpx.Client(timeout=30.0) as http:
            for turn in itertools.count():
                if self._stop.wait(0.01):
                    return
                user = f"u{random.randrange(self._users + self._users // 10)}"
                try:
                    answer = http.get(f"{self._turn(turn)}/v1/users/{user}/recommendations")
                except httpx.HTTPError:
                    continue
                self.answered += 1
                if answer.status_code != 200:
                    self.errors.append(f"recommendations: {answer.status_code} {answer.text}")
                else:
                    self.degraded += answer.json()["degraded"]
