"""What the model learns from, as columns: one training example an event, and a user's past.

`stream` fills these; nothing here knows where an event came from.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.settings import EventType

#: Types of feedback one partition may know; a bit each in the masks of what was seen.
TYPES: Final = 16
#: History entries an example carries at most.
HISTORY: Final = 64

SCORED: Final = 1
CAPPED: Final = 2
#: It carried the `recommendation_id` of a list.
ATTRIBUTED: Final = 4


class Past(NamedTuple):
    """Users' pasts in compressed rows; entry i of row r is `history_start[r] + i`, newest first."""

    history_start: NDArray[np.int64]  # [rows + 1]
    history_key: NDArray[np.uint64]
    history_time: NDArray[np.float64]
    history_type: NDArray[np.uint8]
    history_value: NDArray[np.float64]  # NaN: none
    seen_start: NDArray[np.int64]  # [rows + 1]
    seen_key: NDArray[np.uint64]
    seen_mask: NDArray[np.uint16]
    attribute_start: NDArray[np.int64]  # [rows + 1]
    attribute_key: NDArray[np.uint64]  # `models.attributes`, at most ATTRIBUTES a row


def empty_past() -> Past:
    """One row that holds nothing; the arrays are new ones."""
    return Past(
        np.zeros(2, np.int64), np.empty(0, np.uint64), np.empty(0), np.empty(0, np.uint8),
        np.empty(0), np.zeros(2, np.int64), np.empty(0, np.uint64), np.empty(0, np.uint16),
        np.zeros(2, np.int64), np.empty(0, np.uint64),
    )  # fmt: skip


def rows_of(
    starts: NDArray[np.int64], keys: NDArray[np.uint64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return compressed rows of `rows` alone: their starts (int64[len(rows) + 1]) and keys.

    >>> starts, keys = np.array([0, 2, 2, 5]), np.arange(5, dtype=np.uint64)
    >>> [column.tolist() for column in rows_of(starts, keys, np.array([0, 2]))]
    [[0, 2, 5], [0, 1, 2, 3, 4]]
    """
    lengths = np.diff(starts)[rows]
    begins = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    within = np.arange(begins[-1]) - np.repeat(begins[:-1], lengths)
    return begins, keys[np.repeat(starts[rows], lengths) + within]


class Examples(NamedTuple):
    """A batch of n examples in log order; every column has n elements."""

    item_key: NDArray[np.uint64]
    event_key: NDArray[np.uint64]
    user_key: NDArray[np.uint64]
    type: NDArray[np.uint8]
    value: NDArray[np.float64]  # NaN: none
    time: NDArray[np.float64]  # seconds, never later than receipt plus the tolerated future
    flags: NDArray[np.uint8]
    prior: NDArray[np.uint16]  # types this user has already given this item
    past: Past


def part_of(examples: Examples, start: int, stop: int) -> Examples:
    """Rows `start` to `stop` as views; offsets go on pointing into the whole columns."""
    past = examples.past._asdict()
    for name, column in past.items():
        if name.endswith("_start"):
            past[name] = column[start : stop + 1]
    columns = [column[start:stop] for column in examples[:-1]]
    return Examples._make([*columns, Past(**past)])


class Types(NamedTuple):
    """What a partition's type numbers mean under the settings."""

    weight: NDArray[np.float64]  # [TYPES]
    negative: NDArray[np.uint8]  # [TYPES]
    negative_up_to: NDArray[np.float64]  # [TYPES], -inf: never by value
    hides: NDArray[np.uint16]  # [1], mask


def types_of(names: list[str], events: dict[str, EventType]) -> Types:
    """Return the meaning of `names` (a partition's types, in their order).

    A name the settings do not know weighs nothing and hides nothing.
    """
    weight, negative = np.zeros(TYPES), np.zeros(TYPES, np.uint8)
    low, hides = np.full(TYPES, -np.inf), 0
    for number, name in enumerate(names):
        meaning = events.get(name)
        if meaning is None:
            continue
        weight[number] = meaning.weight
        negative[number] = meaning.sign == "negative"
        if meaning.negative_up_to is not None:
            low[number] = meaning.negative_up_to
        hides |= int(meaning.hides) << number
    return Types(weight, negative, low, np.array([hides], np.uint16))
