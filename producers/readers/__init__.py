"""Files of feedback and catalogues as events, items and users. One module per format."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from producers.errors import OptionError
from producers.readers.dataset import Dataset, Record
from producers.readers.events import read_events
from producers.readers.mapped_csv import read_csv
from producers.readers.recbole import read_recbole
from producers.readers.sessions import read_sessions
from producers.readers.shop import read_shop

__all__ = ["FORMATS", "Dataset", "Record", "read"]

_READERS: dict[str, Callable[..., Dataset]] = {
    "recbole": read_recbole,
    "sessions": read_sessions,
    "events": read_events,
    "csv": read_csv,
    "shop": read_shop,
}
FORMATS = tuple(_READERS)


def read(path: Path, format: str, **options: Any) -> Dataset:
    """Open a file and check its header now; its lines are read as the iterators are used.

    `recbole` and `csv` take a `scale` of ratings; `csv` takes `columns` (user, item, time,
    value, type → header name) and a `delimiter`.
    Raises ReadError for the file, OptionError for the format or its options.
    """
    reader = _READERS.get(format)
    if reader is None:
        raise OptionError(f"there is no format {format!r}; the formats are {', '.join(FORMATS)}")
    known = list(inspect.signature(reader).parameters)[1:]
    for option in options:
        if option not in known:
            takes = f"takes only {', '.join(known)}" if known else "takes no options"
            raise OptionError(f"the format {format} {takes}, not {option!r}")
    return reader(path, **options)
