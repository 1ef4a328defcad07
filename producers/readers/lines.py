"""A text file as numbered lines: UTF-8 with or without a mark, else Windows-1252."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from producers.errors import ReadError

# The API takes bodies below 1 MiB, so no single line can be worth more; without a bound one
# file without line ends would be read into memory whole.
MAX_LINE_BYTES = 1 << 20

_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (1-based number, text without its line end); blank lines are kept.

    Raises ReadError for a file that cannot be opened and for a line that is not text.
    """
    with _opened(path) as file:
        number = 0
        while raw := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if number == 1:
                _refuse_utf16(raw, path)
                raw = raw.removeprefix(_UTF8_MARK)
            yield number, _decoded(raw, path, number)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise ReadError(str(path), "a file, but there is none of this name") from None
    except IsADirectoryError:
        raise ReadError(str(path), "a file, but this is a folder") from None
    except (OSError, ValueError):
        raise ReadError(str(path), "a file that may be read") from None
    with file:
        yield file


def _refuse_utf16(raw: bytes, path: Path) -> None:
    if raw.startswith(_UTF16_MARKS):
        raise ReadError(path.name, "UTF-8 text; this is UTF-16, save it as UTF-8", line=1)


def _decoded(raw: bytes, path: Path, number: int) -> str:
    if len(raw) > MAX_LINE_BYTES:
        raise ReadError(path.name, f"a line of at most {MAX_LINE_BYTES} bytes", line=number)
    if b"\0" in raw:
        raise ReadError(path.name, "text without NUL bytes", line=number)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        # Line by line, since exports of several systems are often joined in one file.
        try:
            text = raw.decode("cp1252")
        except UnicodeDecodeError:
            raise ReadError(path.name, "UTF-8 or Windows-1252 text", line=number) from None
    return text.rstrip("\r\n")
