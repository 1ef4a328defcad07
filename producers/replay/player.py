"""The replay itself: reads the source in order, hands events to lanes, and keeps the figures."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import structlog

from producers.ingest import BATCH
from producers.replay.bestsellers import MISS, Bestsellers
from producers.replay.cursor import ReplayCursor, is_behind
from producers.replay.figures import Figures
from producers.replay.freshness import Accepted, Freshness
from producers.replay.lanes import Done, Job, Lane, lane_of
from producers.replay.schedule import Schedule
from producers.replay.source import Source
from producers.replay.system import Feedback, Lists, Patient

log = structlog.get_logger(__name__)

# One asked event in so many has its freshness measured.
_FRESH_EVERY: Final = 10
# Between two writes of the cursor: what a kill may send again.
_SAVE_EVERY_S: Final = 1.0
# Events under way for each connection, for each that is asked about: the longest by which one
# user's event may overtake another's. At one, connections would wait for each other.
_AHEAD: Final = 8
# A system that was restarted may still be reading its log.
_CAUGHT_UP_MS: Final = 1_000
# Points of the curves over time, about.
_WINDOWS: Final = 40


@dataclass(frozen=True)
class Options:
    """How a source is played; `speed` None is as fast as the system takes it.

    `every` asks before every n-th event, `repeats` scores events on items the user already has,
    `restamp` sends events as if they happened now, `wait` asks for lists that show every event
    sent before, which needs one connection.
    """

    speed: float | None = None
    every: int = 1
    limit: int | None = None
    k: int = 20
    repeats: bool = False
    restamp: bool = False
    wait: bool = False
    connections: int = 4
    patience_s: float = 60.0


@dataclass(frozen=True)
class Target:
    """Makes the ways to a running system, a fresh one for each connection."""

    lists: Callable[[], Lists]
    feedback: Callable[[], Feedback]


class Player:
    """Plays one source against one system. `run` may be interrupted at any moment."""

    def __init__(
        self,
        source: Source,
        target: Target,
        options: Options,
        cursor: ReplayCursor,
        progress: Callable[[Figures], None] = lambda figures: None,
    ) -> None:
        self._source, self._target, self.options = source, target, options
        self._cursor, self._progress = cursor, progress
        self._count = min(source.count, options.limit or source.count)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._moved = threading.Condition(self._lock)
        self._failed: BaseException | None = None
        self._position: str | None = None
        self._pending: dict[int, bool] = {}  # number → done, of all from `_mark` on
        self._mark = 0
        self._saved_at = self._began = time.monotonic()
        self._before_s = 0.0
        window = max(-(-self._count // _WINDOWS), 25)
        self.figures = Figures.of(options.k, window)
        self.complete = False
        self._resumed = False

    @property
    def reached(self) -> int:
        """Events from the start that are all acknowledged."""
        return self._mark

    def run(self) -> None:
        """Play to the end, or until interrupted; the cursor then says how far.

        Raises SinkUnavailable when the system stays away, IngestRefused when it will not have us.
        """
        try:
            self._resume()
            self._resumed = True
            self._began = self._saved_at = time.monotonic()
            self._describe()
            self._play()
        finally:
            self._stop.set()
            if self._resumed and self.figures.events:  # else there is nothing to keep
                self._save()
        if self._failed is not None:
            raise self._failed
        self.complete = self._mark == self._count
        if self.complete:
            self._cursor.finish()

    def _resume(self) -> None:
        """Go on where the cursor stands, unless the system has lost what it had then."""
        reached = self._cursor.reached()
        if reached is None or reached.events >= self._count:
            return
        lists = self._target.lists()
        try:
            user_id = next(islice(self._source.events(), reached.events, None))["user_id"]
            now = lists.ask(user_id, 1, reached.position, _CAUGHT_UP_MS).position
        finally:
            lists.close()
        if is_behind(now, reached.position):
            log.warning("replay_begins_anew", reason="the system does not have what was sent to it")
            return
        self.figures, self._mark = reached.figures, reached.events
        self._position, self._before_s = reached.position, reached.figures.seconds
        log.info("replay_goes_on", after=self._mark)

    def _describe(self) -> None:
        """Send catalogue and people; sent again they change nothing."""
        if self._mark:
            return
        sink = self._patient()
        try:
            for put, records in (
                (sink.put_items, self._source.items),
                (sink.put_users, self._source.users),
            ):
                for at in range(0, len(records), BATCH):
                    put(records[at : at + BATCH])
        finally:
            sink.close()

    def _play(self) -> None:
        count = 1 if self.options.wait else self.options.connections
        freshness = Freshness(self._target.lists(), self._note_freshness)
        self._freshness = freshness
        lanes = [
            Lane(
                self._target.lists(), self._patient(), self.options.k, self._stop,
                self._note, self._fail, self.options.wait,
            )
            for _ in range(count)
        ]  # fmt: skip
        try:
            self._hand_out(lanes)
            for lane in lanes:
                lane.put(None)
            for lane in lanes:
                lane.join()
        except BaseException:
            self._stop.set()
            for lane in lanes:
                lane.join()
            raise
        finally:
            freshness.close()
            self.figures.retries += sum(lane.retries for lane in lanes)

    def _hand_out(self, lanes: list[Lane]) -> None:
        bestsellers = Bestsellers(self.options.repeats)
        schedule: Schedule | None = None
        ahead = min(_AHEAD * len(lanes) * self.options.every, 2_000)
        for number, event in enumerate(islice(self._source.events(), self._count)):
            if number >= self._mark:
                begin = time.monotonic(), float(event["timestamp"])
                schedule = schedule or Schedule(self.options.speed, *begin)
                job = self._job(number, event, bestsellers, schedule)
                if not self._enter(number, ahead):
                    return
                if not lanes[lane_of(event["user_id"], len(lanes))].put(job):
                    return
            bestsellers.learn(event["user_id"], event["item_id"])

    def _enter(self, number: int, ahead: int) -> bool:
        """Wait until an event may be under way; False when stopped meanwhile."""
        with self._moved:
            while number - self._mark >= ahead and not self._stop.is_set():
                self._moved.wait(0.1)
            self._pending[number] = False
        return not self._stop.is_set()

    def _job(
        self, number: int, event: dict[str, Any], bestsellers: Bestsellers, schedule: Schedule
    ) -> Job:
        user, item, options = event["user_id"], event["item_id"], self.options
        asked = number % options.every == 0
        scored = asked and (options.repeats or not bestsellers.met(user, item))
        place = bestsellers.place(user, item) if scored else MISS
        due = schedule.due(float(event["timestamp"]))
        if options.restamp:
            event = {name: value for name, value in event.items() if name != "timestamp"}
        return Job(number, event, asked, scored, place, due)

    def _patient(self) -> Patient:
        def pause(seconds: float) -> bool:
            log.warning("replay_waits", reason="the system does not take events; trying again")
            return self._stop.wait(seconds)

        return Patient(self._target.feedback(), self.options.patience_s, pause)

    # Called by the lanes.

    def _note(self, done: Done) -> None:
        with self._lock:
            figures = self.figures
            figures.events += len(done.jobs)
            figures.duplicates += done.duplicates
            figures.ignored += done.ignored
            if done.refusal is not None:
                figures.refused += 1
                figures.first_refusal = figures.first_refusal or done.refusal
            if done.asked is not None:
                figures.note(done.jobs[-1].number, done.asked)
            self._position = done.position or self._position
            for job in done.jobs:
                self._pending[job.number] = True
            self._advance(done)
        asked = done.asked is not None and done.jobs[-1].number % _FRESH_EVERY == 0
        if asked and done.position is not None and not done.duplicates:
            user_id = done.jobs[-1].event["user_id"]
            self._freshness.sample(Accepted(user_id, done.position, done.accepted_at))

    def _advance(self, done: Done) -> None:
        """Move the mark over all that is done, and save now and then."""
        while self._pending.get(self._mark):
            del self._pending[self._mark]
            self._mark += 1
        self._moved.notify_all()
        last = done.jobs[-1].due
        if last is not None:
            self.figures.behind_s = max(self.figures.behind_s, done.accepted_at - last)
        now = time.monotonic()
        self.figures.seconds = self._before_s + now - self._began
        self._progress(self.figures)
        if now - self._saved_at >= _SAVE_EVERY_S:
            self._save()

    def _save(self) -> None:
        self._cursor.save(self._mark, self.figures, self._position)
        self._saved_at = time.monotonic()

    def _note_freshness(self, seconds: float | None) -> None:
        with self._lock:
            if seconds is None:
                self.figures.not_fresh += 1
            else:
                self.figures.freshness.add(seconds)

    def _fail(self, error: BaseException) -> None:
        self._failed = self._failed or error
        self._stop.set()
