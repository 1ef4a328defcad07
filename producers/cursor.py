"""How far an ingest has come, kept in a small file, so that the next one goes on there."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from msgspec import Struct

from producers.ingest import Sink
from producers.readers import Dataset
from stream.whole import whole_file

log = structlog.get_logger(__name__)

# What tells a data file from another of the same name and size.
_SAMPLED_BYTES: Final = 65_536


class _Reached(Struct, kw_only=True):
    """Records of each kind that were acknowledged, of one file, into one log."""

    file: str
    log: str
    items: int = 0
    users: int = 0
    events: int = 0


class Cursor:
    """Counts what the log `into` has acknowledged of a file: `.NAME.freshet-cursor` beside it.

    Another file of that name, or a log created anew, begins at the start. The file is written
    after the acknowledgement: a stop in between sends one batch again, whose events are known
    by their ids. It is removed at the end.
    """

    def __init__(self, data: Path, into: str) -> None:
        self.path = data.with_name(f".{data.name}.freshet-cursor")
        self._reached = _Reached(file=identity(data), log=into)
        self._told = False
        try:
            found = msgspec.json.decode(self.path.read_bytes(), type=_Reached)
        except (OSError, msgspec.MsgspecError):
            return
        if (found.file, found.log) == (self._reached.file, into):
            self._reached = found

    @property
    def reached(self) -> dict[str, int]:
        """{"items", "users", "events"} that need not be sent again."""
        return {name: getattr(self._reached, name) for name in ("items", "users", "events")}

    def rest_of(self, dataset: Dataset) -> Dataset:
        """The data set from where the cursor stands."""
        return replace(
            dataset,
            items=islice(dataset.items, self._reached.items, None),
            users=islice(dataset.users, self._reached.users, None),
            events=islice(dataset.events, self._reached.events, None),
        )

    def advance(self, what: str, count: int) -> None:
        """Note `count` more records as acknowledged."""
        setattr(self._reached, what, getattr(self._reached, what) + count)
        try:
            with whole_file(self.path, durable=False) as aside:
                aside.write_bytes(msgspec.json.encode(self._reached))
        except OSError as error:
            # Without it the next ingest begins at the start, which costs time and nothing else.
            if not self._told:
                log.warning("ingest_without_cursor", file=str(self.path), reason=str(error))
            self._told = True

    def finish(self) -> None:
        self.path.unlink(missing_ok=True)


class Noted:
    """A sink that moves a cursor with everything the sink below it has acknowledged."""

    def __init__(self, sink: Sink, cursor: Cursor) -> None:
        self._sink = sink
        self._cursor = cursor

    def put_items(self, items: list[dict[str, Any]]) -> None:
        self._sink.put_items(items)
        self._cursor.advance("items", len(items))

    def put_users(self, users: list[dict[str, Any]]) -> None:
        self._sink.put_users(users)
        self._cursor.advance("users", len(users))

    def send(self, events: list[dict[str, Any]]) -> tuple[int, int]:
        answer = self._sink.send(events)
        self._cursor.advance("events", len(events))
        return answer


def identity(data: Path) -> str:
    """Size and digest of both ends of a file: quick for any size, and the same when copied."""
    size = data.stat().st_size
    digest = hashlib.blake2b(str(size).encode(), digest_size=16)
    with data.open("rb") as file:
        digest.update(file.read(_SAMPLED_BYTES))
        file.seek(max(size - _SAMPLED_BYTES, 0))
        digest.update(file.read(_SAMPLED_BYTES))
    return digest.hexdigest()
