"""How fast snapshots are written beside everything else."""

import threading
from typing import Any

import pytest

from stream.saving import resting


class Waits(threading.Event):
    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float] = []

    def wait(self, timeout: float | None = None) -> Any:
        self.waited.append(timeout or 0.0)
        return True


def test_writing_takes_a_twentieth_of_the_time_but_for_a_small_state() -> None:
    hurry = Waits()
    rest = resting(hurry)
    rest(0.19)
    assert not hurry.waited
    rest(0.02)
    hurry.waited.clear()
    for took in (0.001, 0.004):
        rest(took)
    assert 0.005 / (0.005 + sum(hurry.waited)) == pytest.approx(0.05)


def test_who_is_in_a_hurry_does_not_rest() -> None:
    hurry = threading.Event()
    hurry.set()
    resting(hurry)(10_000.0)  # else the test would never end
