"""Any delimited table of feedback, with the caller saying which column is what."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from producers.errors import OptionError
from producers.readers.dataset import Dataset, Record
from producers.readers.feedback import Scale
from producers.readers.table import Row, Table, open_table, split_csv

# Names taken when the caller says nothing; user and item must then be there, the others may.
DEFAULT_COLUMNS = {
    "user": "user_id",
    "item": "item_id",
    "time": "timestamp",
    "value": "value",
    "type": "type",
}
_REQUIRED = ("user", "item")


def read_csv(
    path: Path, columns: Mapping[str, str] | None = None, delimiter: str = ",",
    scale: Scale | None = None,
) -> Dataset:  # fmt: skip
    """Rows become ratings where they have a value and no type, else views."""
    chosen = dict(columns or {})
    _check_options(chosen, delimiter)
    meaning = {role: chosen.get(role, DEFAULT_COLUMNS[role]) for role in DEFAULT_COLUMNS}
    required = tuple(meaning[role] for role in DEFAULT_COLUMNS if role in (*_REQUIRED, *chosen))
    words = "a tab" if delimiter == "\t" else f"'{delimiter}'"
    layout = f"a header with {', '.join(required)}, separated by {words}"
    table = open_table(path, split_csv(delimiter), required, layout)
    return Dataset(path.stem, _events(path.stem, table, meaning, scale or Scale()))


def _check_options(chosen: dict[str, str], delimiter: str) -> None:
    for role in chosen:
        if role not in DEFAULT_COLUMNS:
            known = ", ".join(DEFAULT_COLUMNS)
            raise OptionError(f"columns: there is no role {role!r}; the roles are {known}")
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise OptionError("delimiter: expected one character that is neither quote nor line end")


def _events(
    dataset: str, table: Table, meaning: dict[str, str], scale: Scale
) -> Iterator[dict[str, Any]]:
    for row in table.rows():
        kind, value = _feedback(row, meaning, scale)
        event: dict[str, Any] = {
            "event_id": f"{dataset}:{row.line}",
            "type": kind,
            "user_id": row.identifier(meaning["user"]),
            "item_id": row.identifier(meaning["item"]),
        }
        if value is not None:
            event["value"] = value
        if (timestamp := row.moment(meaning["time"])) is not None:
            event["timestamp"] = timestamp
        yield Record(row.file, row.line, event)


def _feedback(row: Row, meaning: dict[str, str], scale: Scale) -> tuple[str, float | None]:
    column = meaning["value"]
    value = row.number(column)
    kind = row.text(meaning["type"]) or ("view" if value is None else "rating")
    return kind, scale.rating(row, column) if kind == "rating" else value
