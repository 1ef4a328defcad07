"""What a replay plays: a file, a folder of files, or records of a log, in order of event time.

What comes in order of time is read again whenever it is played, so that any size of it can be;
what does not is sorted, and for that held in memory.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import msgspec

from producers.errors import OptionError, ReadError
from producers.readers import Dataset, read
from stream.canary import is_canary
from stream.errors import InvalidEvent
from stream.events import CONTROL, RESERVED, time_of

Record = dict[str, Any]
#: Reads the events of a source from its start.
Events = Callable[[], Iterator[Record]]

#: The format a file's name tells; for others it has to be said.
FORMAT_OF: Final = {".inter": "recbole", ".jsonl": "events", ".ndjson": "events"}
# What `format` reads from a folder; of a csv any file, since its columns are named by hand.
_SUFFIXES: Final = {
    "recbole": (".inter",), "events": (".jsonl", ".ndjson", ".json"),
    "sessions": (".txt", ".tsv"), "csv": (".csv", ".tsv", ".txt"), "shop": (".csv",),
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """Catalogue, people and feedback; every event has `event_id` and `timestamp` (seconds)."""

    name: str
    count: int  # of the events
    identity: str  # a digest of which events there are, and in which order
    events: Events
    items: list[Record] = field(default_factory=list)
    users: list[Record] = field(default_factory=list)
    sorted_here: bool = False  # the events did not come in order of time: they are in memory
    left_out: int = 0  # records that are no feedback of a client


def from_path(
    path: Path, format: str | None, options: dict[str, Any], *, strict: bool = False
) -> Source:
    """A data file, or all files of the format in a folder, merged by time.

    Raises OptionError for what is not there and for a format nobody can guess, ReadError, and
    with `strict` for a file that is not in order of time.
    """
    if not path.exists():
        raise OptionError(f"{path}: there is no file or folder of this name")
    files = _files(path, format) if path.is_dir() else [path]
    opened = [partial(read, file, _format(file, format), **options) for file in files]
    sets = [one() for one in opened]
    items = [item for one in sets for item in one.items]
    users = [user for one in sets for user in one.users]
    name = path.stem if path.is_file() else path.name
    return _source(name, [partial(_events, one) for one in opened], items, users, strict=strict)


def _events(opened: Callable[[], Dataset]) -> Iterator[Record]:
    return iter(opened().events)


def from_records(
    name: str, records: Callable[[], Iterable[tuple[str, float, bytes]]], *, strict: bool = False
) -> Source:
    """Records of a log, as (an id for an event without one, time of receipt, bytes).

    Items and people are taken as they were last; what cannot be read is left out and counted.
    """
    items: dict[str, Record] = {}
    users: dict[str, Record] = {}
    left_out = 0
    for record in map(_decoded, records()):
        if record is None:
            left_out += 1
        elif record["type"] in ("item", "user"):
            kind = record["type"]
            (items if kind == "item" else users)[record[f"{kind}_id"]] = _without_type(record)
    live = [item for item in items.values() if not item.pop("deleted", False)]

    def events() -> Iterator[Record]:
        for record in map(_decoded, records()):
            if record and record["type"] not in CONTROL and not is_canary(str(record["user_id"])):
                yield record

    return _source(name, [events], live, list(users.values()), strict=strict, left_out=left_out)


def _decoded(told: tuple[str, float, bytes]) -> Record | None:
    """A record of a log, an event with its id and time; None for what cannot be read."""
    made_up, received_at, body = told
    try:
        record: Record = msgspec.json.decode(body)
        kind = record["type"]
        if kind in ("item", "user"):
            hash(record[f"{kind}_id"])
        elif kind not in CONTROL:
            hash(record["user_id"])
            record["timestamp"] = time_of(record.get("timestamp"), received_at)
            record["event_id"] = record.get("event_id") or made_up
    except (msgspec.DecodeError, InvalidEvent, KeyError, TypeError):
        return None
    return record


class _Part:
    """The feedback of one file or log as it comes there. What it found is known once it is read."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self.in_order, self.left_out = True, 0

    def __iter__(self) -> Iterator[Record]:
        newest, self.left_out = float("-inf"), 0
        for event in self._events():
            if event["type"] in RESERVED | CONTROL:
                self.left_out += 1
                continue
            # Without a time an event stands where `freshet evaluate` has it: at the start.
            event["timestamp"] = float(event.get("timestamp") or 0.0)
            self.in_order &= event["timestamp"] >= newest
            newest = event["timestamp"]
            yield event


_time: Final = itemgetter("timestamp")


def _source(
    name: str,
    events: Sequence[Events],
    items: list[Record],
    users: list[Record],
    *,
    strict: bool,
    left_out: int = 0,
) -> Source:
    parts = [_Part(one) for one in events]

    def merged() -> Iterator[Record]:
        # Stable: of two events of one time the earlier part's comes first, as in a sort.
        return heapq.merge(*parts, key=_time)

    play: Events = merged
    count, identity = _survey(merged())
    in_order = all(part.in_order for part in parts)
    if not count:
        raise ReadError(name, "at least one event of feedback, but there is none")
    if not in_order:
        if strict:
            raise ReadError(name, "events in order of time (--strict)")
        play = sorted((event for part in parts for event in part), key=_time).__iter__
        count, identity = _survey(play())
    left_out += sum(part.left_out for part in parts)
    return Source(name, count, identity, play, items, users, not in_order, left_out)


def _survey(events: Iterable[Record]) -> tuple[int, str]:
    count, digest = 0, hashlib.blake2b(digest_size=16)
    for event in events:
        count += 1
        told = [event[name] for name in ("event_id", "user_id", "timestamp")]
        digest.update(msgspec.json.encode(told))
    return count, digest.hexdigest()


def _without_type(record: Record) -> Record:
    return {name: value for name, value in record.items() if name != "type"}


def _format(file: Path, format: str | None) -> str:
    if format is not None:
        return format
    if file.suffix not in FORMAT_OF:
        raise OptionError(f"{file.name}: its format cannot be told from its name; say --format")
    return FORMAT_OF[file.suffix]


def _files(folder: Path, format: str | None) -> list[Path]:
    suffixes = _SUFFIXES.get(format, ()) if format else tuple(FORMAT_OF)
    files = sorted(
        file for file in folder.iterdir()
        if file.is_file() and file.suffix in suffixes and not file.name.startswith(".")
    )  # fmt: skip
    if not files:
        wanted = ", ".join(f"*{suffix}" for suffix in suffixes) or "file of that format"
        raise OptionError(f"{folder} holds no {wanted}; is the folder right, or --format missing?")
    return files
