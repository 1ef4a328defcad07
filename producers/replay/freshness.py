"""From an acknowledged event to the list that shows it, measured beside the replay."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from producers.replay.system import Lists


@dataclass(frozen=True)
class Accepted:
    """Whose event was acknowledged, by which token, and when on the monotonic clock."""

    user_id: str
    position: str
    at: float


class Freshness:
    """Asks with `after=` for the user whose event was just acknowledged, on a thread of its own."""

    def __init__(self, lists: Lists, told: Callable[[float | None], None]) -> None:
        """`told` gets the seconds until such a list was there, None when it was not in time."""
        self._lists = lists
        self._told = told
        self._waiting: queue.SimpleQueue[Accepted | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(1)
        self._thread = threading.Thread(target=self._run, name="replay-freshness", daemon=True)
        self._thread.start()

    def sample(self, accepted: Accepted) -> None:
        """Measure this one, unless another is being measured: it would wait here, not there."""
        if self._idle.acquire(blocking=False):
            self._waiting.put(accepted)

    def close(self) -> None:
        """Finish what is under way."""
        self._waiting.put(None)
        self._thread.join()
        self._lists.close()

    def _run(self) -> None:
        while (accepted := self._waiting.get()) is not None:
            answer = self._lists.ask(accepted.user_id, 1, accepted.position)
            took = time.monotonic() - accepted.at
            self._idle.release()
            if answer.served_by is not None:
                self._told(None if answer.degraded else took)
