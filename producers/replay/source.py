"""What a replay plays: a file, a folder of files, or records of a log, in order of event time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import msgspec

from producers.errors import OptionError, ReadError
from producers.readers import read
from stream.canary import is_canary
from stream.errors import InvalidEvent
from stream.events import CONTROL, RESERVED, time_of

Record = dict[str, Any]

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
    events: list[Record]
    items: list[Record] = field(default_factory=list)
    users: list[Record] = field(default_factory=list)
    sorted_here: bool = False  # the events did not come in order of time
    left_out: int = 0  # records that are no feedback of a client

    def identity(self) -> str:
        """A digest of which events there are, and in which order."""
        digest = hashlib.blake2b(digest_size=16)
        for event in self.events:
            told = [event[name] for name in ("event_id", "user_id", "timestamp")]
            digest.update(msgspec.json.encode(told))
        return digest.hexdigest()


def from_path(
    path: Path, format: str | None, options: dict[str, Any], *, strict: bool = False
) -> Source:
    """A data file, or all files of the format in a folder, merged by time.

    Raises OptionError for a format nobody can guess, ReadError, and with `strict` for a file
    that is not in order of time.
    """
    files = _files(path, format) if path.is_dir() else [path]
    sets = [read(file, _format(file, format), **options) for file in files]
    parts = [(list(one.items), list(one.users), list(one.events)) for one in sets]
    items = [item for part in parts for item in part[0]]
    users = [user for part in parts for user in part[1]]
    events = [event for part in parts for event in part[2]]
    name = path.stem if path.is_file() else path.name
    return _source(name, events, items, users, strict)


def from_records(
    name: str, records: Iterable[tuple[str, float, bytes]], *, strict: bool = False
) -> Source:
    """Records of a log, as (an id for an event without one, time of receipt, bytes).

    Items and people are taken as they were last; what cannot be read is left out and counted.
    """
    items: dict[str, Record] = {}
    users: dict[str, Record] = {}
    events: list[Record] = []
    left_out = 0
    for made_up, received_at, body in records:
        try:
            record: Record = msgspec.json.decode(body)
            kind = record["type"]
            if kind in ("item", "user"):
                (items if kind == "item" else users)[record[f"{kind}_id"]] = _without_type(record)
            elif kind not in CONTROL and not is_canary(str(record.get("user_id"))):
                record["timestamp"] = time_of(record.get("timestamp"), received_at)
                record["event_id"] = record.get("event_id") or made_up
                events.append(record)
        except (msgspec.DecodeError, InvalidEvent, KeyError, TypeError):
            left_out += 1
    live = [item for item in items.values() if not item.pop("deleted", False)]
    return _source(name, events, live, list(users.values()), strict, left_out)


def _source(
    name: str,
    events: list[Record],
    items: list[Record],
    users: list[Record],
    strict: bool = False,
    left_out: int = 0,
) -> Source:
    feedback = [event for event in events if event["type"] not in RESERVED | CONTROL]
    if not feedback:
        raise ReadError(name, "at least one event of feedback, but there is none")
    left_out += len(events) - len(feedback)
    times = [_time(event) for event in feedback]
    in_order = all(a <= b for a, b in pairwise(times))
    if not in_order and strict:
        raise ReadError(name, "events in order of time (--strict)")
    order = sorted(range(len(feedback)), key=times.__getitem__)
    for event, at in zip(feedback, times, strict=True):
        event["timestamp"] = at
    ordered = [feedback[at] for at in order]
    return Source(name, ordered, items, users, not in_order, left_out)


def _time(event: Record) -> float:
    # Without a time an event stands where `freshet evaluate` has it: at the start.
    return float(event.get("timestamp") or 0.0)


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
