"""What has just been learned, for whoever watches: a short memory of the newest events."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import numpy as np

from models.learned import Learned
from stream.examples import ExampleBatch

_KEPT: Final = 200


class Activity:
    """Numbered newest events; written by the learner, read by any thread."""

    def __init__(self) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self._sequence = 0

    def note(self, batch: ExampleBatch, learned: Learned) -> None:
        start = max(len(batch.item_ids) - _KEPT, 0)
        self._sequence += start
        for at in range(start, len(batch.item_ids)):
            self._sequence += 1
            value = float(batch.examples.value[at])
            self._entries.append(
                {
                    "seq": self._sequence,
                    "user_id": batch.user_ids[at],
                    "type": batch.types[batch.examples.type[at]],
                    "value": None if np.isnan(value) else value,
                    "item_id": batch.item_ids[at],
                    "timestamp": float(batch.examples.time[at]),
                }
            )

    def since(self, after: int) -> tuple[list[dict[str, Any]], int]:
        """Entries numbered above `after`, and the newest number."""
        return [entry for entry in list(self._entries) if entry["seq"] > after], self._sequence
