"""What stage one emits: batches of training examples and control records, in log order.

Every piece carries its position and `prev`, the one emitted before it from its partition.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.examples import Examples, Past
from models.impressions import Lists, Outcomes, part_of

#: Before the first record of a partition.
NOTHING = -1


@dataclass(frozen=True)
class ExampleBatch:
    """Examples of consecutive log records; `positions` and `previous` are int64[n] offsets."""

    examples: Examples
    item_ids: list[str]
    user_ids: list[str]
    types: list[str]
    positions: NDArray[np.int64]
    previous: NDArray[np.int64]
    lists: Lists

    def after(self, mark: int) -> ExampleBatch:
        """The part above `mark`."""
        start = int(np.searchsorted(self.positions, mark, side="right"))
        if start == 0:
            return self
        e, p = self.examples, self.examples.past
        past = Past(
            p.history_start[start:], p.history_key, p.history_time, p.history_type,
            p.history_value, p.seen_start[start:], p.seen_key, p.seen_mask,
            p.attribute_start[start:], p.attribute_key,
        )  # fmt: skip
        columns = [column[start:] for column in e[:-1]]
        return ExampleBatch(
            Examples._make([*columns, past]),
            self.item_ids[start:], self.user_ids[start:], self.types,
            self.positions[start:], self.previous[start:],
            part_of(self.lists, start, len(self.item_ids)),
        )  # fmt: skip


@dataclass(frozen=True)
class Control:
    """A record that stage one forwards unchanged: an item, a setting."""

    kind: str
    body: dict[str, Any]
    position: int
    previous: int


@dataclass(frozen=True)
class ClosedLists:
    """Lists that were shown and are answered, or never will be; `types` names their masks' bits."""

    outcomes: Outcomes
    types: list[str]
    position: int
    previous: int


Piece = ExampleBatch | ClosedLists | Control


@dataclass(frozen=True)
class DeadLetter:
    """A record that cannot be learned, with its reason; once per position.

    `headers` are the record's own, less ours; where the log keeps none, there are none.
    """

    partition: int
    offset: int
    reason: str
    error: str
    body: bytes
    received_at: float
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True)
class Emitted:
    """All that a batch of log records gives, in log order.

    `described` are users who got attributes, `left` those who were forgotten to make room.
    """

    pieces: list[Piece]
    dead: list[DeadLetter]
    next_offset: int
    described: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
