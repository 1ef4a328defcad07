"""Files that appear whole or not at all, whoever reads meanwhile and whatever ends the writer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield the name of a file to write beside `path`; it takes that one's place in the end.

    With `durable` it is synced before the rename, so that even after a power loss there is the
    old file or the new one; without, a kill does no harm. An error leaves the old one as it was.
    Raises OSError where the folder cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)  # left behind by a process of the same number
    try:
        yield beside
        if durable:
            with beside.open("rb") as written:
                os.fsync(written.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
