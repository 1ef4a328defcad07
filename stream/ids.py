"""Ids that no two share and nobody can guess."""

from __future__ import annotations

import os
from collections import deque
from typing import Final

_BYTES: Final = 12
# Drawn at once: a call of the system for each would take longer than an event's check.
_LOT: Final = 256

_drawn: deque[str] = deque()
os.register_at_fork(after_in_child=_drawn.clear)


def fresh_id() -> str:
    """24 hexadecimal digits of the system's randomness; from any thread.

    >>> len(fresh_id()), fresh_id() == fresh_id()
    (24, False)
    """
    while True:
        try:
            return _drawn.popleft()
        except IndexError:
            digits = os.urandom(_BYTES * _LOT).hex()
            width = 2 * _BYTES
            _drawn.extend(digits[at : at + width] for at in range(0, len(digits), width))
