"""Watches over the rules in this process: looks, decides, and tells of every change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import structlog
from prometheus_client import Metric

from api.alerts.conditions import holds, value_of, wanted_by
from api.alerts.rules import Rule, seconds
from api.alerts.samples import Samples

State = Literal["inactive", "pending", "firing"]

logger = structlog.get_logger(__name__)


@dataclass
class Watched:
    """A rule and how it stands. `since` is seconds since the epoch."""

    rule: Rule
    state: State = "inactive"
    value: float | None = None
    since: float = 0.0
    held_from: float = 0.0  # the watcher's clock


@dataclass(frozen=True)
class Change:
    """An alert that began or ended."""

    name: str
    severity: str
    summary: str
    state: Literal["firing", "resolved"]
    value: float | None
    at: float  # seconds since the epoch


@dataclass(frozen=True)
class Watch:
    """What is watched over, how often, and who is told."""

    rules: Sequence[Rule] = ()
    told: Sequence[Callable[[Change], None]] = ()
    every_s: float = 10.0


class Watcher:
    """Looks now and then on a thread of its own; `look` is one round of it."""

    def __init__(self, watch: Watch, collect: Callable[[], Iterable[Metric]]) -> None:
        self._watched = [Watched(rule) for rule in watch.rules]
        self._samples = Samples(wanted_by(watch.rules))
        self._collect = collect
        self._tell = watch.told
        self._every_s = watch.every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)

    def start(self) -> None:
        if self._watched:
            self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(1.0)

    def alerts(self) -> list[Watched]:
        """Every rule and how it stands, in the order of the file."""
        return list(self._watched)

    def look(self, now: float, wall: float) -> None:
        """One round, at `now` of a clock that never goes back and `wall` of the calendar's."""
        self._samples.look(self._collect(), now)
        for watched in self._watched:
            value = value_of(watched.rule, self._samples)
            watched.value = value
            self._move(watched, holds(watched.rule, value), now, wall)

    def _move(self, watched: Watched, held: bool, now: float, wall: float) -> None:
        before, lasting = watched.state, watched.rule.lasting
        if not held:
            watched.state = "inactive"
        elif before == "inactive":
            watched.held_from = now
            watched.state = "pending" if lasting else "firing"
        elif before == "pending" and lasting and now - watched.held_from >= seconds(lasting):
            watched.state = "firing"
        if watched.state == before:
            return
        watched.since = wall
        if watched.state == "firing":
            self._say(watched, "firing", wall)
        elif before == "firing":
            self._say(watched, "resolved", wall)

    def _say(self, watched: Watched, state: Literal["firing", "resolved"], wall: float) -> None:
        rule = watched.rule
        change = Change(rule.name, rule.severity, rule.summary, state, watched.value, wall)
        log = logger.error if state == "firing" else logger.info
        log(
            f"alert {state}", alert=rule.name, severity=rule.severity, value=watched.value,
            summary=rule.summary,
        )  # fmt: skip
        for tell in self._tell:
            tell(change)

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            try:
                self.look(time.monotonic(), time.time())
            except Exception:
                logger.exception("the alerts could not be looked at")
