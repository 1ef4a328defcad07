"""Snapshots of the embedded mode: copied between two turns of the learner, written beside it."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

from stream.learner import Learner, Pair, write
from stream.ports import SnapshotStore
from stream.saving import SavePolicy, resting

logger = logging.getLogger(__name__)


class Saver:
    """Saves a learner's state when its policy says so; the learner's thread drives it.

    `age_s` and `took_s` are seconds: of the newest snapshot, 0 where it holds all but clicks of
    the canary, and of the last one written, from its copy to its place.
    """

    def __init__(self, learner: Learner, store: SnapshotStore, policy: SavePolicy) -> None:
        self._learner = learner
        self._store = store
        self._policy = policy
        self._hurry = threading.Event()
        self._writer = ThreadPoolExecutor(1, "snapshots")
        self._saving: Future[tuple[int, int]] | None = None
        self._preparing: Future[None] | None = None
        self._saved_at = self._tried_at = time.monotonic()
        self._saved_position = learner.next_offset
        self._saved_news = self._tried_news = self._news
        self.took_s = 0.0

    @property
    def age_s(self) -> float:
        return 0.0 if self._news == self._saved_news else time.monotonic() - self._saved_at

    @property
    def _news(self) -> int:
        """Counts what is worth a snapshot: a system that nobody uses does not write for ever."""
        return self._learner.next_offset - self._learner.profiles.set_aside

    def prepare(self) -> None:
        """Get the memory for copies before the first is due."""
        self._preparing = self._writer.submit(self._prepare)

    def save_if_due(self) -> None:
        if not self._is_free():
            return  # one at a time: a slow disk must not pile up copies of the state
        moved = self._news - self._tried_news
        if self._policy.is_due(moved, time.monotonic() - self._tried_at):
            self._save()

    def close(self, *, save: bool) -> None:
        """End what is being written, without rests; with `save` write what is newer than it."""
        self._hurry.set()
        if self._preparing is not None:
            self._preparing.result()
        self._finish()
        if save and self._learner.next_offset != self._saved_position:
            self._save()
        self._finish()
        self._writer.shutdown(wait=True)

    def _prepare(self) -> None:
        try:
            self._learner.prepare_lending(resting(self._hurry))
        except Exception as error:  # noqa: BLE001 - a matter of speed: it must cost no save
            logger.warning(
                "memory for snapshots could not be got ahead (%s): copying the first takes longer",
                type(error).__name__,
            )

    def _is_free(self) -> bool:
        if self._preparing is not None and not self._preparing.done():
            return False
        if self._saving is not None and not self._saving.done():
            return False
        self._finish()
        return True

    def _save(self) -> None:
        """Copy the state here, write it elsewhere; a failed write leaves the older snapshots."""
        self._tried_at, self._tried_news = time.monotonic(), self._news
        pair = self._learner.capture(lent=True)
        if pair is not None:
            self._saving = self._writer.submit(self._write, pair, self._news)

    def _write(self, pair: Pair, news: int) -> tuple[int, int]:
        write(self._store, pair, self._policy.keep, resting(self._hurry))
        self.took_s = time.monotonic() - self._tried_at
        return pair.model.position, news

    def _finish(self) -> None:
        """Wait for the write under way, if any, and note how it ended."""
        if self._saving is None:
            return
        saving, self._saving = self._saving, None
        try:
            self._saved_position, self._saved_news = saving.result()
            self._saved_at = time.monotonic()
        except OSError as error:
            logger.error("snapshot not written: %s", error)
