"""When a stage is due for a snapshot, and how fast it is written."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

from stream.ports import Pace

# Of the time, at most, for writing: a state of a gigabyte takes seconds, and lists have no less
# right to the processor. The log's tail is read again sooner than it came.
_SHARE: Final = 0.05
_UNHINDERED_S: Final = 0.2


@dataclass(frozen=True)
class SavePolicy:
    """Due after so many records or seconds, whichever is first; the newest `keep` are kept."""

    every_records: int = 2_000
    every_s: float = 30.0
    keep: int = 3

    def is_due(self, moved: int, waited_s: float) -> bool:
        """
        >>> SavePolicy().is_due(2_000, 5.0), SavePolicy().is_due(1, 5.0)
        (True, False)
        """
        return moved >= self.every_records or (moved > 0 and waited_s >= self.every_s)


def resting(hurry: threading.Event) -> Pace:
    """A `Pace` for one piece of work: it rests after each part until somebody is in a `hurry`.

    What is done in `_UNHINDERED_S` is done without rests: a small state is safe at once.
    """
    worked_s = 0.0

    def rest(took_s: float) -> None:
        nonlocal worked_s
        worked_s += took_s
        if worked_s > _UNHINDERED_S:
            hurry.wait(took_s * (1 / _SHARE - 1))

    return rest
