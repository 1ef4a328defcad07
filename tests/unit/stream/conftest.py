"""A tape of log records for stage one, without a log."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from stream.manifest import Manifest
from stream.profiles import Profiles
from stream.records import LogRecord

#: 2023-11-14, on the full minute and hour.
NOON = 1_699_963_200.0


class Tape:
    """Writes records one after the other; `now` is their time of receipt."""

    def __init__(self) -> None:
        self.records: list[LogRecord] = []
        self.now = NOON

    def raw(self, body: bytes, *, imported: bool = False) -> LogRecord:
        record = LogRecord(len(self.records), self.now, imported, body)
        self.records.append(record)
        return record

    def event(
        self, user: str = "u", item: str = "i", kind: str = "view", *,
        imported: bool = False, ago: float | None = None, **fields: Any,
    ) -> LogRecord:  # fmt: skip
        """Feedback; `ago` is its age at receipt in seconds, None: no timestamp."""
        if ago is not None:
            fields["timestamp"] = self.now - ago
        body = {"type": kind, "user_id": user, "item_id": item, **fields}
        return self.raw(msgspec.json.encode(body), imported=imported)

    def item(self, item: str, **fields: Any) -> LogRecord:
        return self.raw(msgspec.json.encode({"type": "item", "item_id": item, **fields}))

    def setting(self, learning: Any) -> LogRecord:
        body = {"type": "setting", "learning": msgspec.to_builtins(learning)}
        return self.raw(msgspec.json.encode(body))

    def batches(self, size: int) -> Iterator[list[LogRecord]]:
        for at in range(0, len(self.records), size):
            yield self.records[at : at + size]


@pytest.fixture
def tape() -> Tape:
    return Tape()


@pytest.fixture
def new_tape() -> type[Tape]:
    return Tape


@pytest.fixture
def new_profiles() -> Callable[..., Profiles]:
    """Profiles under a manifest with some values of its own."""
    return lambda **values: Profiles(Manifest(**{"dedup_window": 1024, **values}))


@pytest.fixture
def counter() -> Iterator[int]:
    return itertools.count()
