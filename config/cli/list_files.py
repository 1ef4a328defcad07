"""Files of lists: a row a place, with named columns; whole, or not there at all."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from config.cli.options import require_file
from models.errors import how_to_install
from producers.errors import OptionError
from stream.whole import whole_file

Rows = list[dict[str, Any]]
Write = Callable[[Path, Sequence[str], Iterable[Rows]], None]

#: Columns of every file; fields of the catalogue that were asked for come after them.
COLUMNS: Final = ("user_id", "place", "item_id", "score", "reason", "served_by")
# How Parquet keeps a column. What is several things at once is JSON in a text.
_TYPES: Final = {
    "place": "int32", "score": "float64", "price": "float64", "discount_percent": "float64",
    "stock": "float64", "rating": "float64",
}  # fmt: skip


def write_lists(out: Path, columns: Sequence[str], lots: Iterable[Rows]) -> None:
    """Write all rows, or none, to a file that can be. Raises OSError of the disk."""
    with whole_file(out) as beside:
        _WRITERS[out.suffix](beside, columns, lots)


def require_lists(out: Path) -> None:
    """Before the work, not after it: that a file of lists can be, there and of this ending.

    Raises OptionError.
    """
    if out.suffix not in _WRITERS:
        raise OptionError(f"--out: the file must end in one of {', '.join(_WRITERS)}")
    if out.suffix == ".parquet":
        _require_arrow()
    require_file(out, "--out")
    if not os.access(out.parent, os.W_OK):
        raise OptionError("--out: the folder may not be written to")


def _csv(file: Path, columns: Sequence[str], lots: Iterable[Rows]) -> None:
    with file.open("w", encoding="utf-8", newline="") as sink:
        writer = csv.DictWriter(sink, columns)
        writer.writeheader()
        for lot in lots:
            writer.writerows({name: _plain(value) for name, value in row.items()} for row in lot)


def _jsonl(file: Path, columns: Sequence[str], lots: Iterable[Rows]) -> None:
    with file.open("w", encoding="utf-8") as sink:
        for lot in lots:
            sink.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in lot)


def _require_arrow() -> None:
    try:
        import pyarrow.parquet  # noqa: F401
    except ModuleNotFoundError:
        raise OptionError(
            f"--out: Parquet needs the extra: {how_to_install('parquet')}; .csv and .jsonl need "
            "nothing"
        ) from None


def _parquet(file: Path, columns: Sequence[str], lots: Iterable[Rows]) -> None:
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema([(name, _TYPES.get(name, "string")) for name in columns])
    with parquet.ParquetWriter(file, schema) as sink:
        for lot in lots:
            plain = [{name: _plain(value) for name, value in row.items()} for row in lot]
            sink.write_table(pyarrow.Table.from_pylist(plain, schema=schema))


def _plain(value: Any) -> Any:
    many = isinstance(value, list | dict)
    return json.dumps(value, ensure_ascii=False) if many else value


_WRITERS: Final[dict[str, Write]] = {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}
