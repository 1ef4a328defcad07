"""Position tokens: opaque to clients, they hold the next position of every touched partition."""

from __future__ import annotations

import re
from collections.abc import Mapping

from stream.errors import InvalidEvent

_TOKEN = re.compile(r"1(?:\.[0-9]{1,5}-[0-9]{1,18})+")


def to_token(positions: Mapping[int, int]) -> str:
    """Return the token of {partition: next offset}.

    >>> to_token({0: 42, 3: 7})
    '1.0-42.3-7'
    """
    return "1" + "".join(f".{p}-{n}" for p, n in sorted(positions.items()))


def from_token(token: str) -> dict[int, int]:
    """Return {partition: next offset}. Raises InvalidEvent naming `after`.

    >>> from_token("1.0-42.3-7")
    {0: 42, 3: 7}
    """
    if len(token) > 1024 or not _TOKEN.fullmatch(token):
        raise InvalidEvent("after", "is not a position this service has given out")
    pairs = (part.split("-") for part in token.split(".")[1:])
    return {int(partition): int(offset) for partition, offset in pairs}
