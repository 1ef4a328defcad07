"""The order in which a data set is evaluated: by time, ties as they stand in the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from producers.errors import ReadError
from producers.readers import Dataset, Record


@dataclass(frozen=True)
class Prepared:
    """A data set read whole: its catalogue, its users, and its events in order of time.

    `unsorted_at` is the first line that was earlier than the one before it, None where the
    file was in order; 0 where the reader told no lines.
    """

    name: str
    items: list[dict[str, Any]]
    users: list[dict[str, Any]]
    events: list[dict[str, Any]]
    unsorted_at: int | None = None

    def catalogue(self) -> list[dict[str, Any]]:
        """What a log holds before the first event: records of items, then of users."""
        items = [{"type": "item", **item} for item in self.items]
        return [*items, *({"type": "user", **user} for user in self.users)]


def time_of(event: dict[str, Any]) -> float:
    """Seconds since the epoch; an event without a time is as old as can be."""
    return float(event.get("timestamp") or 0.0)


def prepare(dataset: Dataset, limit: int | None = None, *, strict: bool = False) -> Prepared:
    """Read and sort; the first `limit` events after sorting.

    Raises ReadError where `strict` and the file is not in order of time.
    """
    items, users, events = list(dataset.items), list(dataset.users), list(dataset.events)
    at = _first_unsorted(events)
    if at is not None:
        event = events[at]
        if strict:
            file = event.file if isinstance(event, Record) else dataset.name
            line = event.line if isinstance(event, Record) else None
            raise ReadError(file, "a time no earlier than the line before it", line=line)
        events.sort(key=time_of)
        line = event.line if isinstance(event, Record) else 0
    return Prepared(dataset.name, items, users, events[:limit], None if at is None else line)


def _first_unsorted(events: list[dict[str, Any]]) -> int | None:
    last = float("-inf")
    for at, event in enumerate(events):
        if time_of(event) < last:
            return at
        last = time_of(event)
    return None
