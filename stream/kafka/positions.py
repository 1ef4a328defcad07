"""Positions: one growing number per event, made of a record's offset and a place inside it."""

from __future__ import annotations

from typing import Final

#: Places a record has: more than an envelope may hold, so that two events never share a number.
#: Smaller, and envelopes would have to shrink; larger, and 2^63 is reached by fewer offsets
#: (9 * 10^15 are left: a million records a second for 285 years).
SLOTS: Final = 1024


def position_of(offset: int, index: int) -> int:
    """The position of the event at `index` of the record at `offset`.

    >>> position_of(3, 2), offset_of(position_of(3, 2))
    (3074, 3)
    """
    if offset < 0 or not 0 <= index < SLOTS:
        raise ValueError(f"no position has offset {offset} and index {index}")
    return offset * SLOTS + index


def offset_of(position: int) -> int:
    """The offset of the record that holds the position."""
    return position // SLOTS
