"""When a stage of the cluster is due for a snapshot."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SavePolicy:
    """Due after so many records or seconds, whichever is first; the newest `keep` are kept."""

    every_records: int = 2_000
    every_s: float = 30.0
    keep: int = 3

    def is_due(self, moved: int, waited_s: float) -> bool:
        return moved >= self.every_records or (moved > 0 and waited_s >= self.every_s)
