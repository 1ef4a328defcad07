"""Connections side by side, each with users of its own: their events keep their order."""

from __future__ import annotations

import queue
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from producers.errors import IngestRefused
from producers.replay.bestsellers import MISS
from producers.replay.figures import Asked
from producers.replay.system import Lists, Patient, Recommended

# Events one request carries at most, where several are due and none is to be asked for.
_TOGETHER: Final = 500
# Jobs that wait for a lane: near zero the lanes wait for the reader of the source.
_WAITING: Final = 1_000
# What a refusal of one event is; anything else is a refusal of us, and ends the replay.
_OF_THE_EVENT: Final = (400, 413, 422, None)


@dataclass(frozen=True)
class Job:
    """One event: whether to ask first, whether to score the answer, and when it is due."""

    number: int
    event: dict[str, Any]
    asked: bool
    scored: bool
    popular_place: int
    due: float | None  # on the monotonic clock; None: at once


@dataclass(frozen=True)
class Done:
    """Jobs whose events are acknowledged, in one request; the last one alone may be asked."""

    jobs: list[Job]
    asked: Asked | None = None
    duplicates: int = 0
    ignored: int = 0
    refusal: str | None = None
    position: str | None = None
    accepted_at: float = 0.0


class Lane:
    """A thread that does jobs in order: waits, asks, sends, tells.

    The order of side effects: the list comes before its event is sent, and a job is told as done
    after its event is acknowledged. What is not told need not have been sent, and may have been.
    """

    def __init__(
        self,
        lists: Lists,
        feedback: Patient,
        k: int,
        stop: threading.Event,
        done: Callable[[Done], None],
        failed: Callable[[BaseException], None],
        wait: bool = False,
    ) -> None:
        self._lists, self._feedback, self._k = lists, feedback, k
        self._stop, self._done, self._failed, self._wait = stop, done, failed, wait
        self._jobs: queue.Queue[Job | None] = queue.Queue(_WAITING)
        self._next: Job | None = None
        self._thread = threading.Thread(target=self._run, name="replay-lane", daemon=True)
        self._thread.start()

    @property
    def retries(self) -> int:
        return self._feedback.retries

    def put(self, job: Job | None) -> bool:
        """Hand over a job, None for the end; False when the lane has stopped meanwhile."""
        while not self._stop.is_set():
            try:
                self._jobs.put(job, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def join(self) -> None:
        self._thread.join()
        self._lists.close()
        self._feedback.close()

    def _run(self) -> None:
        try:
            while (job := self._take()) is not None:
                self._do(job)
        # Whatever it was, the replay must end and say so rather than go on with a lane less.
        except BaseException as error:  # noqa: BLE001
            self._failed(error)

    def _take(self) -> Job | None:
        """The next job when it is due; None at the end, and when stopped."""
        job, self._next = self._next, None
        while job is None and not self._stop.is_set():
            try:
                job = self._jobs.get(timeout=0.1)
            except queue.Empty:
                continue
            if job is None:
                return None
        if job is not None and job.due is not None:
            self._stop.wait(max(job.due - time.monotonic(), 0.0))
        return None if self._stop.is_set() else job

    def _do(self, job: Job) -> None:
        asked = self._ask(job) if job.asked else None
        jobs = [job] if asked else self._with_others(job)
        before = self._feedback.retries
        try:
            accepted, duplicates = self._feedback.send([each.event for each in jobs])
        except IngestRefused as error:
            self._refused(jobs, error)
            return
        if asked is not None and duplicates and self._feedback.retries == before:
            # The system had it before we asked: its place says nothing.
            asked = Asked(MISS, MISS, False, *_of(asked))
        ignored = len(jobs) - accepted - duplicates
        self._done(
            Done(jobs, asked, duplicates, ignored, None, self._feedback.position, time.monotonic())
        )

    def _refused(self, jobs: list[Job], error: IngestRefused) -> None:
        if error.status not in _OF_THE_EVENT:
            raise error
        if len(jobs) == 1:
            self._done(Done(jobs, refusal=str(error)))
            return
        for job in jobs:  # one by one, to find the one that was meant
            try:
                _, duplicates = self._feedback.send([job.event])
                self._done(Done([job], duplicates=duplicates, position=self._feedback.position))
            except IngestRefused as alone:
                self._refused([job], alone)

    def _ask(self, job: Job) -> Asked:
        sent = time.monotonic()
        after = self._feedback.position if self._wait else None
        told: Recommended = self._lists.ask(job.event["user_id"], self._k, after)
        now = time.monotonic()
        item = job.event["item_id"]
        place = told.items.index(item) if item in told.items else MISS
        since = sent if job.due is None else min(job.due, sent)
        return Asked(
            place, job.popular_place, job.scored, told.served_by, told.degraded,
            now - since, now - sent, told.error,
        )  # fmt: skip

    def _with_others(self, job: Job) -> list[Job]:
        """The job and those behind it that are due and not to be asked for."""
        jobs, now = [job], time.monotonic()
        while len(jobs) < _TOGETHER:
            try:
                found = self._jobs.get_nowait()
            except queue.Empty:
                break
            if found is None:
                self._jobs.put(None)
                break
            if found.asked or (found.due is not None and found.due > now):
                self._next = found
                break
            jobs.append(found)
        return jobs


def lane_of(user_id: str, lanes: int) -> int:
    """The lane of a user: always the same."""
    return zlib.crc32(user_id.encode()) % lanes


def _of(asked: Asked) -> tuple[str | None, bool, float, float]:
    return asked.served_by, asked.degraded, asked.seconds, asked.service_s
