"""The embedded mode: one process, a learner thread beside the HTTP tier."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from models.learned import Learned
from models.model import Model
from models.settings import LearningSettings
from stream import drift_log, trace
from stream.activity import Activity
from stream.ages import AgeCounts
from stream.append_window import AppendWindow
from stream.canary import is_canary
from stream.errors import LogUnavailable
from stream.examples import ExampleBatch
from stream.impression_queue import ImpressionQueue
from stream.impressions import Impression
from stream.learner import Learner
from stream.manifest import Manifest
from stream.ports import DeadLetters, EventLog, SnapshotStore
from stream.profiles import identity
from stream.records import NewRecord
from stream.saver import Saver
from stream.saving import SavePolicy
from stream.service import Applied, Checked, Freshness, Reading, Receipt
from stream.setting import changes, setting_record

logger = logging.getLogger(__name__)

# Records a turn of the learner takes: few enough that a click is never behind a long turn,
# enough that the cost of a turn (a read, a kernel call) is shared.
_TURN: Final = 64
# Turns grow to this when the learner is behind.
_CATCH_UP: Final = 512
# How long the learner sleeps at most when nothing arrives; it is woken by appends.
_IDLE_S: Final = 0.5

_Waiter = tuple[int, asyncio.AbstractEventLoop, asyncio.Future[bool]]


class Embedded:
    """`Service` of the embedded mode, over a log, snapshots and dead letters."""

    mode = "embedded"

    def __init__(
        self,
        learner: Learner,
        log: EventLog,
        window: AppendWindow,
        snapshots: SnapshotStore,
        dead: DeadLetters,
        policy: SavePolicy,
        namespace: str,
    ) -> None:
        self.namespace = namespace
        self.manifest: Manifest = learner.manifest
        self.model: Model = learner.stage.model
        self._learner = learner
        self._log = log
        self._window = window
        self._dead = dead
        self._seed = learner.manifest.seed.to_bytes(8, "little")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="learner", daemon=True)
        self._saver = Saver(learner, snapshots, policy)
        self._published_at = time.monotonic()
        self._waiters: deque[_Waiter] = deque()
        self._waiters_lock = threading.Lock()
        self._activity = Activity()
        self._ages = AgeCounts()
        self._shown = ImpressionQueue(self._append_shown)
        self._newest: LearningSettings | None = None
        self._failed: str | None = None
        self._caught_up = False

    def begin(self, settings: LearningSettings) -> None:
        """Make the log say what learning depends on, before anything is learned from it."""
        if self._log.end() == 0:
            manifest = {
                "type": "manifest", "namespace": self.namespace,
                "manifest": msgspec.to_builtins(self.manifest), "log": time.time_ns(),
            }  # fmt: skip
            self._log.append(
                [NewRecord(msgspec.json.encode(manifest)), NewRecord(setting_record(settings))]
            )

    def start(self) -> None:
        self._saver.prepare()
        self._thread.start()

    def use(self, settings: LearningSettings) -> list[str]:
        """Append a `setting` where the one in force differs; answers the keys that change.

        Raises ManifestMismatch for shapes.
        """
        self.catch_up()
        changed = changes(self.model.settings, settings)
        if changed:
            self._log.append([NewRecord(setting_record(settings))])
            self.catch_up()
        return changed

    async def apply_settings(self, settings: LearningSettings) -> Applied:
        # What is appended but not yet learned is in force already for the next change.
        changed = changes(self._newest or self.model.settings, settings)
        if not changed:
            return Applied([], {0: self._log.end()})
        receipt = await self.append_control([setting_record(settings)])
        self._newest = settings
        return Applied(changed, receipt.positions)

    def catch_up(self, progress: Any = None) -> None:
        """Learn all the log holds, before the thread starts. Raises LogUnavailable."""
        while learned := self._learner.learn(_CATCH_UP, self._watch):
            self._saver.save_if_due()
            if progress is not None:
                progress(learned)

    def close(self) -> None:
        """Drain what was accepted, snapshot, and let go."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._saver.close(save=self._failed is None)
        self._log.close()
        self._dead.close()

    # Appending.

    async def append_feedback(self, events: Sequence[Checked], imported: bool) -> Receipt:
        context = trace.current.get()
        return await self._append(
            [NewRecord(e.body, imported, self._identity_of(e), context) for e in events]
        )

    def _identity_of(self, event: Checked) -> int | None:
        if is_canary(event.user_id):
            return None  # sent once; the window's places are for what clients may repeat
        return identity(event.user_id, event.event_id, self._seed)

    async def append_control(self, bodies: Sequence[bytes]) -> Receipt:
        return await self._append([NewRecord(body) for body in bodies])

    def append_impressions(self, impressions: Sequence[Impression]) -> None:
        self._shown.put(impressions)

    async def impressions_kept(self) -> None:
        await self._shown.drain()

    async def _append_shown(self, records: Sequence[tuple[str, bytes]]) -> None:
        await self.append_control([body for _, body in records])

    async def _append(self, records: list[NewRecord]) -> Receipt:
        if not records:
            return Receipt(0, 0, {0: self._log.end()})
        appended = await asyncio.wrap_future(self._log.submit(records))
        accepted = len(records) - appended.duplicates
        end = {0: appended.offsets.stop}
        return Receipt(accepted, appended.duplicates, end, appended.repeats)

    # Reading.

    async def read(self, user_id: str) -> Reading:
        positions = self.position(user_id)
        return Reading(self._learner.profiles.row(user_id), positions)

    async def wait(self, user_id: str, after: dict[int, int], timeout_s: float) -> bool:
        target = after.get(0, 0)
        if self._learner.next_offset >= target:
            return True
        loop = asyncio.get_running_loop()
        reached: asyncio.Future[bool] = loop.create_future()
        waiter = target, loop, reached
        with self._waiters_lock:
            self._waiters.append(waiter)
        if self._learner.next_offset >= target:
            self._leave(waiter)
            return True
        try:
            return await asyncio.wait_for(reached, timeout_s)
        except TimeoutError:
            return self._learner.next_offset >= target
        finally:
            self._leave(waiter)

    def _leave(self, waiter: _Waiter) -> None:
        """Take a waiter out; a position that never comes would keep it for ever."""
        with self._waiters_lock, suppress(ValueError):
            self._waiters.remove(waiter)

    def position(self, user_id: str) -> dict[int, int]:
        return {0: self._learner.next_offset}

    def published_at(self) -> float:
        return self._published_at

    def ready(self) -> str | None:
        if self._failed is not None:
            return f"the learner stopped: {self._failed}"
        if not self._caught_up:
            return "the learner is still reading the log"
        return None

    def status(self) -> dict[str, float]:
        behind = self._log.end() - self._learner.next_offset
        return {
            **self._learner.profiles.counts(),
            "position": self._learner.next_offset,
            "lag_records": behind,
            "users": self._learner.profiles.users,
            "items": self.model.items,
            "snapshot_age_seconds": self._saver.age_s,
            "snapshot_duration_seconds": self._saver.took_s,
            "model_age_seconds": time.monotonic() - self.published_at(),
            "impressions_dropped": self._shown.dropped,
            "items_left": self.model.items_left,
        }

    def freshness(self) -> Freshness:
        behind, last = self._log.end() > self._learner.next_offset, self._learner.last
        lag = max(time.time() - last.received_at, 0.0) if behind and last else 0.0
        # One model learns and answers: what is learned shows.
        counts, sum_s = self._ages.cumulative(), self._ages.sum_s
        return Freshness({0: lag}, counts, sum_s, counts, sum_s)

    def recent_users(self, limit: int) -> list[tuple[str, int]]:
        return self._learner.profiles.user_ids(limit)

    def activity(self, after: int) -> tuple[list[dict[str, Any]], int]:
        return self._activity.since(after)

    # The learner thread.

    def _run(self) -> None:
        """Learn until stopped; an unforeseen error ends learning loudly and skips no event."""
        try:
            self._learner.rehearse()
            while True:
                try:
                    learned = self._turn()
                except LogUnavailable as error:
                    logger.error("learning waits: %s", error)
                    if self._stopping.wait(error.retry_after_s):
                        return
                    continue
                if learned:
                    continue
                if self._stopping.is_set():
                    return
                self._log.wait(self._learner.next_offset, _IDLE_S)
        except Exception as error:
            self._failed = f"{type(error).__name__}"
            logger.exception("the learner stopped")

    def _turn(self) -> int:
        behind, began = self._log.end() - self._learner.next_offset, trace.began()
        learned = self._learner.learn(_TURN if behind <= _TURN else _CATCH_UP, self._watch)
        if learned:
            self._published_at = time.monotonic()
            self._wake()
            self._note_ages()
            trace.tell("learn", (record.context for record in self._learner.turn), began)
        else:
            self._caught_up = True
        self._saver.save_if_due()
        return learned

    def _watch(self, batch: ExampleBatch, learned: Learned) -> None:
        self._activity.note(batch, learned)
        drift_log.note(batch, learned)

    def _note_ages(self) -> None:
        now = time.time()
        for received_at, count in Counter(r.received_at for r in self._learner.turn).items():
            self._ages.observe(now - received_at, count)

    def _wake(self) -> None:
        position = self._learner.next_offset
        with self._waiters_lock:
            due = [waiter for waiter in self._waiters if waiter[0] <= position]
            if due:
                self._waiters = deque(w for w in self._waiters if w[0] > position)
        for _, loop, reached in due:
            with suppress(RuntimeError):  # a loop that has closed waits for nothing
                loop.call_soon_threadsafe(_resolve, reached)


def _resolve(reached: asyncio.Future[bool]) -> None:
    if not reached.done():
        reached.set_result(True)


def prime(window: AppendWindow, learner: Learner, log: EventLog) -> None:
    """Bring the appender's window to the end of the log: the snapshot's, then the tail's ids."""
    arena = learner.profiles.arena
    used = arena.count("recent")
    window.start_from(arena["recent.keys"][:used].copy(), arena["recent.count"].copy())
    at = learner.next_offset
    while records := log.read(at, 10_000):
        identities = (learner.profiles.identity_of(record) for record in records)
        window.add(key for key in identities if key is not None)
        at = records[-1].offset + 1
