"""What may stand in one cell: ids, numbers with point or comma, times.

Every function returns the value or raises `CellError` with what was expected.
"""

import math
import re
from datetime import datetime

MAX_ID_LENGTH = 128
# Seconds since the epoch pass this in the year 5138; what lies above counts milliseconds.
MAX_EPOCH_SECONDS = 1e11

_PLAIN = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_POINT_GROUPS = re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d+", re.ASCII)
_COMMA_GROUPS = re.compile(r"[+-]?\d{1,3}(,\d{3})+\.\d+", re.ASCII)


class CellError(ValueError):
    """A cell that does not hold what it should; `expected` says what that is."""

    def __init__(self, expected: str) -> None:
        self.expected = expected
        super().__init__(expected)


def identifier(text: str) -> str:
    """An id as it is: 1 to 128 printable characters."""
    if not 0 < len(text) <= MAX_ID_LENGTH or not text.isprintable():
        raise CellError(f"an id of 1 to {MAX_ID_LENGTH} printable characters")
    return text


def number(text: str, low: float = -math.inf, high: float = math.inf) -> float:
    """A finite number within [low, high]; one comma is a decimal comma.

    >>> number("4,5"), number("1.234,50"), number("1,234.50"), number(" 7 ")
    (4.5, 1234.5, 1234.5, 7.0)
    """
    text = text.strip()
    if _PLAIN.fullmatch(text):
        plain = text.replace(",", ".")
    elif _POINT_GROUPS.fullmatch(text):
        plain = text.replace(".", "").replace(",", ".")
    elif _COMMA_GROUPS.fullmatch(text):
        plain = text.replace(",", "")
    else:
        raise CellError(_range_words(low, high))
    return within(float(plain), low, high)


def within(value: float, low: float, high: float) -> float:
    """The value itself when it is finite and within [low, high]."""
    if not (math.isfinite(value) and low <= value <= high):
        raise CellError(_range_words(low, high))
    return value


def epoch_seconds(value: float) -> float:
    """Seconds since the epoch; a count of milliseconds is refused with a hint."""
    if not (math.isfinite(value) and value >= 0):
        raise CellError("seconds since the epoch")
    if value > MAX_EPOCH_SECONDS:
        raise CellError("seconds since the epoch (these look like milliseconds)")
    return value


def moment(text: str) -> float:
    """Seconds since the epoch from a number or an RFC 3339 time with its zone.

    >>> moment("881250949"), moment("2024-05-01T12:00:00Z")
    (881250949.0, 1714564800.0)
    """
    text = text.strip()
    if _PLAIN.fullmatch(text):
        return epoch_seconds(float(text.replace(",", ".")))
    return rfc3339(text)


def rfc3339(text: str) -> float:
    """Seconds since the epoch from an RFC 3339 time; a time without zone is refused."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise CellError("seconds since the epoch or an RFC 3339 time") from None
    if parsed.tzinfo is None:
        raise CellError("a time with its zone, such as 2024-05-01T12:00:00Z")
    return epoch_seconds(parsed.timestamp())


def _range_words(low: float, high: float) -> str:
    if math.isinf(low) and math.isinf(high):
        return "a finite number"
    if math.isinf(high):
        return f"a number of at least {low:g}"
    return f"a number from {low:g} to {high:g}"
