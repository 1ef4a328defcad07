"""Dead letters of the embedded mode: one small SQLite file, a row a source position."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from stream.errors import LogUnavailable
from stream.examples import DeadLetter
from stream.ports import StoredLetter

_SCHEMA: Final = """
create table if not exists letters (
  partition integer not null,
  position integer not null,
  reason text not null,
  error text not null,
  body blob not null,
  received_at real not null,
  attempt integer not null,
  written_at real not null,
  replayed_at real,
  primary key (partition, position)
)
"""


class SqliteDeadLetters:
    """`DeadLetters` over SQLite; putting the same position again changes nothing."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=full")
        self._db.execute(_SCHEMA)

    def put(self, letters: Sequence[DeadLetter]) -> None:
        """Keep letters, durable at return. Raises LogUnavailable; then none was kept."""
        now = time.time()
        rows = [
            (d.partition, d.offset, d.reason, d.error, d.body, d.received_at, 1, now, None)
            for d in letters
        ]
        with self._lock:
            try:
                self._db.execute("begin immediate")
                self._db.executemany(
                    "insert or ignore into letters values (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
                )
                self._db.execute("commit")
            except sqlite3.Error as error:
                if self._db.in_transaction:
                    self._db.execute("rollback")
                raise LogUnavailable(f"dead letters: {error}") from error

    def letters(self) -> Iterator[StoredLetter]:
        with self._lock:
            rows = self._db.execute(
                "select * from letters where attempt > 0 order by partition, position"
            ).fetchall()
        for partition, position, reason, error, body, received, attempt, written, replayed in rows:
            letter = DeadLetter(partition, position, reason, error, body, received)
            yield StoredLetter(letter, attempt, written, replayed)

    def mark_replayed(self, partition: int, offset: int) -> None:
        with self._lock:
            self._db.execute(
                "update letters set replayed_at = ?, attempt = attempt + 1"
                " where partition = ? and position = ? and attempt > 0",
                (time.time(), partition, offset),
            )

    def drop(self, partition: int, offset: int) -> None:
        # The row stays, empty and with attempt 0: a log read again puts the same letter.
        with self._lock:
            self._db.execute(
                "update letters set attempt = 0, body = x'' where partition = ? and position = ?",
                (partition, offset),
            )

    def close(self) -> None:
        self._db.close()
