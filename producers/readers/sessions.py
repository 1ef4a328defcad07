"""Click logs of anonymous sessions: tab-separated `SessionId ItemId Time`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from producers.readers.dataset import Dataset, Record
from producers.readers.table import Table, open_table, split_tabs

_COLUMNS = ("SessionId", "ItemId", "Time")


def read_sessions(path: Path) -> Dataset:
    """The session is the user, and every line is a view."""
    layout = f"a tab-separated header {' '.join(_COLUMNS)}"
    return Dataset(path.stem, _events(path.stem, open_table(path, split_tabs, _COLUMNS, layout)))


def _events(dataset: str, table: Table) -> Iterator[dict[str, Any]]:
    for row in table.rows():
        timestamp = row.moment("Time")
        if timestamp is None:
            raise row.error("Time", "seconds since the epoch or an RFC 3339 time")
        event = {
            "event_id": f"{dataset}:{row.line}",
            "type": "view",
            "user_id": row.identifier("SessionId"),
            "item_id": row.identifier("ItemId"),
            "timestamp": timestamp,
        }
        yield Record(row.file, row.line, event)
