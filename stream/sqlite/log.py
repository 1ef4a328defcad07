"""The event log of the embedded mode: one SQLite file, one partition, group commit."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

from stream.append_window import AppendWindow
from stream.errors import LogUnavailable
from stream.ports import Appended
from stream.records import LogRecord, NewRecord

# Records one transaction takes at most: a commit stays short, and memory bounded.
_GROUP: Final = 20_000
_RETRY_AFTER_S: Final = 1.0
# Traces kept for whoever learns; one further behind loses its last span, nothing else.
_CONTEXTS: Final = 10_000
# How often a reader beside a writing process looks for more.
_POLL_S: Final = 0.05
# Another process reading may hold the file for a moment.
_BUSY_S: Final = 5.0

_SCHEMA: Final = """
create table if not exists records (
  position integer primary key,
  received_at real not null,
  imported integer not null,
  body blob not null
)
"""


class _Waiting:
    """One call of `submit` on its way to the disk."""

    def __init__(self, records: Sequence[NewRecord]) -> None:
        self.records = records
        self.future: Future[Appended] = Future()


class SqliteLog:
    """`EventLog` over SQLite in WAL mode with `synchronous=FULL`.

    One thread writes: whatever has queued up while the last commit ran goes into the next
    transaction, so that one fsync serves many callers.
    """

    def __init__(
        self,
        path: Path,
        window: AppendWindow | None = None,
        clock: Callable[[], float] = time.time,
        read_only: bool = False,
    ) -> None:
        self._path = path
        self._window = window
        self._clock = clock
        self._read_only = read_only
        self._grown = threading.Condition()
        self._reading = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        try:
            if not read_only:
                self._writer = self._open()
            self._reader = _connect(path, read_only)
        except sqlite3.Error as error:
            raise LogUnavailable(f"{path} cannot be opened: {error}", _RETRY_AFTER_S) from error
        self._end = self._stored_end()
        self._contexts: dict[int, bytes] = {}
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._closing = threading.Lock()
        self._closed = read_only
        self._thread = threading.Thread(target=self._write, name="log-writer", daemon=True)
        if not read_only:
            self._thread.start()

    def submit(self, records: Sequence[NewRecord]) -> Future[Appended]:
        """Queue records for the next commit; the future resolves once they are durable.

        A call cancelled before its turn is not appended.
        """
        waiting = _Waiting(records)
        with self._closing:
            if self._closed:
                waiting.future.set_exception(LogUnavailable("log: it is closed", _RETRY_AFTER_S))
            else:
                self._queue.put(waiting)
        return waiting.future

    def append(self, records: Sequence[NewRecord]) -> Appended:
        return self.submit(records).result()

    def read(self, start: int, limit: int) -> list[LogRecord]:
        rows = self._select(
            "select position, received_at, imported, body from records"
            " where position >= ? order by position limit ?",
            (start, limit),
        )
        context = self._contexts.get
        return [
            LogRecord(at, received, bool(old), body, context(at))
            for at, received, old, body in rows
        ]

    def end(self) -> int:
        return self._stored_end() if self._read_only else self._end

    def wait(self, end: int, timeout_s: float) -> bool:
        if not self._read_only:
            with self._grown:
                return self._grown.wait_for(lambda: self._end > end, timeout_s)
        until = time.monotonic() + timeout_s
        while self._stored_end() <= end:
            if time.monotonic() >= until:
                return False
            time.sleep(min(_POLL_S, timeout_s))
        return True

    def close(self) -> None:
        """Write what is queued, then let go of the file."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()
        self._reader.close()

    def _open(self) -> sqlite3.Connection:
        connection = _connect(self._path, read_only=False)
        connection.execute("pragma journal_mode=wal")
        connection.execute("pragma synchronous=full")
        connection.execute(_SCHEMA)
        return connection

    def _stored_end(self) -> int:
        [(last,)] = self._select("select max(position) from records")
        return 0 if last is None else last + 1

    def _select(self, query: str, values: tuple[int, ...] = ()) -> list[Any]:
        try:
            with self._reading:
                return self._reader.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise LogUnavailable(f"log: {error}", _RETRY_AFTER_S) from error

    def _write(self) -> None:
        while True:
            group, closing = self._next_group()
            # A caller who has gone away was promised nothing.
            group = [w for w in group if w.future.set_running_or_notify_cancel()]
            if group:
                self._commit(group)
            if closing:
                if self._writer is not None:
                    self._writer.close()
                return

    def _next_group(self) -> tuple[list[_Waiting], bool]:
        group: list[_Waiting] = []
        waiting = self._queue.get()
        size = 0
        while waiting is not None:
            group.append(waiting)
            size += len(waiting.records)
            if size >= _GROUP:
                return group, False
            try:
                waiting = self._queue.get_nowait()
            except Empty:
                return group, False
        return group, True

    def _commit(self, group: list[_Waiting]) -> None:
        received_at, start = self._clock(), self._end
        records = [record for waiting in group for record in waiting.records]
        rows = [
            (start + at, received_at, record.imported, record.body)
            for at, record in enumerate(records)
        ]
        try:
            self._insert(rows)
        except (sqlite3.Error, MemoryError, OverflowError) as error:
            self._recover()
            for waiting in group:
                waiting.future.set_exception(LogUnavailable(f"log: {error}", _RETRY_AFTER_S))
            return
        self._answer(group, start)

    def _insert(self, rows: list[tuple[int, float, bool, bytes]]) -> None:
        if self._writer is None:
            self._writer = self._open()
        self._writer.execute("begin immediate")
        self._writer.executemany("insert into records values (?, ?, ?, ?)", rows)
        self._writer.execute("commit")

    def _recover(self) -> None:
        """Start over from what the disk says: after a failed commit nothing else is sure."""
        try:
            if self._writer is not None:
                self._writer.close()
            self._writer = None
            self._end = self._stored_end()
            self._writer = self._open()
        except (sqlite3.Error, LogUnavailable):
            return  # the next commit tries to open it again

    def _answer(self, group: list[_Waiting], start: int) -> None:
        """The log has grown before anybody is told: who is told may ask for its end."""
        answers = []
        for waiting in group:
            repeats = self._window.observe(waiting.records) if self._window else []
            stop = start + len(waiting.records)
            self._note_contexts(start, waiting.records)
            answers.append(Appended(range(start, stop), repeats))
            start = stop
        with self._grown:
            self._end = start
            self._grown.notify_all()
        for waiting, answer in zip(group, answers, strict=True):
            waiting.future.set_result(answer)

    def _note_contexts(self, start: int, records: Sequence[NewRecord]) -> None:
        """Keep the traces of the newest records, for the learner beside; no reader needs them."""
        for at, record in enumerate(records, start):
            if record.context is not None:
                self._contexts[at] = record.context
        while len(self._contexts) > _CONTEXTS:
            del self._contexts[next(iter(self._contexts))]


def _connect(path: Path, read_only: bool) -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    connection = sqlite3.connect(
        uri, uri=True, isolation_level=None, check_same_thread=False, timeout=_BUSY_S
    )
    connection.text_factory = bytes  # whoever mended a body by hand may have left it as text
    return connection
