"""Users' attributes as keys that can be learned from: a fact of the log, not its meaning."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from models.index import fingerprint

#: Keys kept of a user at most: examples carry them, so each costs 8 bytes an event.
ATTRIBUTES: Final = 8

_NUMBER: Final = re.compile(r"-?\d{1,15}(\.\d{1,15})?")


def attribute_keys(attributes: Mapping[str, Any], seed: bytes = b"") -> list[int]:
    """Return up to 8 uint64 keys of what `labels` says, by name; the rest is left out."""
    return [fingerprint(label, seed) for label in labels(attributes)][:ATTRIBUTES]


def labels(attributes: Mapping[str, Any]) -> list[str]:
    """Return what is learned of attributes, in the order of their names.

    A text is a label, whatever its case. A number says little by itself (nobody else is
    exactly 37), so it counts by `bucket`. A text of digits may be either, a code or a number,
    and gets both. What is null or empty says nothing.

    >>> labels({"sex": "F", "age": 37, "zip": "02139", "member": True, "phone": None})
    ['age~30', 'member=true', 'sex=f', 'zip=02139', 'zip~2000']
    """
    return [label for name in sorted(attributes) for label in _of(name, attributes[name])]


def _of(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, bool):
        yield f"{name}={str(value).lower()}"
    elif isinstance(value, int | float):
        yield f"{name}~{bucket(value)}"
    elif isinstance(value, str) and (text := value.strip().casefold()):
        yield f"{name}={text}"
        if (number := number_in(text)) is not None:
            yield f"{name}~{bucket(number)}"


def number_in(value: Any) -> float | None:
    """Return the number a value is, or that its text is; None: it is none.

    >>> number_in("1995"), number_in(2.5), number_in(True), number_in("two")
    (1995.0, 2.5, None, None)
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str) and value.isascii() and _NUMBER.fullmatch(value.strip()):
        return float(value)
    return None


def bucket(value: float) -> int:
    """Return the whole part up to 10; above, its first digit: tens, hundreds, thousands.

    >>> [bucket(v) for v in (0.5, 7, 10, 37, 99.9, 135, -64_200)]
    [0, 7, 10, 30, 90, 100, -60000]
    """
    whole = int(value)
    if abs(whole) <= 10:
        return whole
    step = 10 ** (len(str(abs(whole))) - 1)
    return abs(whole) // step * step * (1 if whole > 0 else -1)
