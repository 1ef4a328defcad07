"""The memory for those who stay is got once, beside the learner, when items are about to leave."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from stream.ahead import Ahead


class Full:
    """A model that is nearly full until it is prepared, which takes until it is let."""

    def __init__(self) -> None:
        self.full, self.begun = True, 0
        self.let = threading.Event()

    def leaves_soon(self) -> bool:
        return self.full

    def prepare_leaving(self, pace: Callable[[float], object]) -> None:
        self.begun += 1
        pace(0.0)
        self.let.wait(60)
        self.full = False


def test_it_is_got_once_and_beside() -> None:
    model: Any = Full()
    ahead, others = Ahead(), set(threading.enumerate())
    for _ in range(3):
        ahead.look(model)  # does not wait
    assert model.full
    [thread] = {one for one in threading.enumerate() if one.name == "ahead"} - others
    model.let.set()
    thread.join(60)
    ahead.look(model)
    assert model.begun == 1 and not model.full


def test_there_is_nothing_to_get_while_there_is_room() -> None:
    model: Any = Full()
    model.full = False
    Ahead().look(model)
    assert model.begun == 0


class Poor(Full):
    """A model there is no memory for."""

    def prepare_leaving(self, pace: Callable[[float], object]) -> None:
        self.begun += 1
        raise MemoryError


def test_what_cannot_be_got_is_told_once_a_filling(caplog: pytest.LogCaptureFixture) -> None:
    model: Any = Poor()
    ahead = Ahead()

    def look() -> None:
        ahead.look(model)
        for thread in threading.enumerate():
            if thread.name == "ahead":
                thread.join(60)

    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            look()
    assert model.begun == 1
    [told] = caplog.records
    assert "MemoryError" in told.getMessage() and told.exc_info is None
    for model.full in (False, True):
        look()
    assert model.begun == 2
