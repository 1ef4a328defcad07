"""Keeps processes running: one that ends is started again with back-off, as compose does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deploy.local.processes import Server

# Wait before the first restart: long enough that a process that fails at once (a broker away, a
# wrong setting) does not spin; it doubles up to the longest, so that a cure is noticed soon.
_FIRST_S = 0.5
_LONGEST_S = 15.0
# A process that ran so long was well: its next end begins at the first wait again.
_WELL_S = 30.0


@dataclass
class Kept:
    """A process under supervision; `due` is when it starts again, 0 while it runs."""

    name: str
    server: Server
    wait_s: float = _FIRST_S
    started: float = 0.0
    due: float = 0.0
    starts: int = 0


class Supervisor:
    """Starts processes in order, watches them, and stops them in the opposite order.

    Start it from the main thread, and keep that thread alive: children end with their parent.
    """

    def __init__(
        self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.kept: list[Kept] = []
        self.stopping = threading.Event()
        self._say = say
        self._clock = clock

    def start(self, name: str, server: Server) -> None:
        """Start a process and keep it from now on."""
        kept = Kept(name, server)
        self.kept.append(kept)
        self._start(kept)

    def run(self, every_s: float = 0.1) -> None:
        """Watch until `stopping` is set."""
        while not self.stopping.wait(every_s):
            self.look()

    def look(self) -> None:
        """Start again whoever ended and has waited long enough."""
        now = self._clock()
        for kept in self.kept:
            if kept.server.running():
                continue
            if not kept.due:
                if now - kept.started >= _WELL_S:
                    kept.wait_s = _FIRST_S
                kept.due = now + kept.wait_s
                self._say(
                    f"{kept.name} ended ({_ending(kept.server.exit_code())}), starting again in "
                    f"{kept.wait_s:g} s; its output is in {kept.server.log}"
                )
                kept.wait_s = min(kept.wait_s * 2, _LONGEST_S)
            elif now >= kept.due:
                self._start(kept)

    def stop(self, timeout_s: float = 20.0) -> None:
        """End all, the last started first; those named alike up to the number at the same time."""
        self.stopping.set()
        for group in reversed(_groups(self.kept)):
            for kept in group:
                kept.server.terminate()
            for kept in group:
                kept.server.stop(timeout_s)
                self._say(f"{kept.name} stopped ({_ending(kept.server.exit_code())})")

    def _start(self, kept: Kept) -> None:
        kept.server.start()
        kept.started, kept.due, kept.starts = self._clock(), 0.0, kept.starts + 1


def _groups(kept: Sequence[Kept]) -> list[list[Kept]]:
    """Neighbours of one kind: `worker-1` and `worker-2`."""
    groups: list[list[Kept]] = []
    for one in kept:
        if groups and _kind(groups[-1][0]) == _kind(one):
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def _kind(kept: Kept) -> str:
    return kept.name.rstrip("0123456789")


def _ending(code: int | None) -> str:
    if code is None:
        return "still running"
    return f"signal {-code}" if code < 0 else f"exit {code}"
