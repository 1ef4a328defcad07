"""When a stage is due for a snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Of the time, at most, for saving: copying and writing a state of a gigabyte takes seconds from
# the lists, and the log's tail is read again sooner than it came.
_SHARE: Final = 0.05


@dataclass(frozen=True)
class SavePolicy:
    """Due after so many records or seconds, whichever is first; the newest `keep` are kept."""

    every_records: int = 2_000
    every_s: float = 30.0
    keep: int = 3

    def is_due(self, moved: int, waited_s: float, took_s: float = 0.0) -> bool:
        """`took_s` is what the last one took of a process that has more to do than to save.

        >>> SavePolicy().is_due(2_000, 5.0), SavePolicy().is_due(2_000, 5.0, took_s=1.0)
        (True, False)
        """
        if waited_s * _SHARE < took_s:
            return False
        return moved >= self.every_records or (moved > 0 and waited_s >= self.every_s)
