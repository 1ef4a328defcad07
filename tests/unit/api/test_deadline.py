"""A deadline round what answers at once, what waits, what is late, and what breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from api.deadline import within

FAR, NEAR = 60.0, 0.01


def run(asked: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asked)


async def waiting(turns: int, told: list[str]) -> str:
    """Lets others run so often, by nothing and by a future in turn."""
    try:
        for turn in range(turns):
            await (asyncio.sleep(0) if turn % 2 else asyncio.sleep(0.001))
        return "done"
    except asyncio.CancelledError:
        told.append("cancelled")
        raise
    finally:
        told.append("left")


@pytest.mark.parametrize("turns", [0, 1, 2, 5])
def test_the_answer_comes_however_often_it_is_waited_for(turns: int) -> None:
    assert run(within(FAR, waiting(turns, []))) == "done"


def test_what_answers_at_once_lets_nobody_else_run() -> None:
    async def beside() -> list[str]:
        order: list[str] = []
        asyncio.get_running_loop().call_soon(order.append, "others")
        order.append(await within(FAR, waiting(0, [])))
        return list(order)

    assert run(beside()) == ["done"]


def test_what_is_too_late_is_ended() -> None:
    async def never(told: list[str]) -> None:
        await within(NEAR, waiting(10**9, told))

    told: list[str] = []
    with pytest.raises(TimeoutError):
        run(never(told))
    assert told == ["cancelled", "left"]


def test_who_asked_may_be_cancelled() -> None:
    async def cancelled(told: list[str]) -> bool:
        asked = asyncio.create_task(within(FAR, waiting(10**9, told)))
        await asyncio.sleep(0.005)
        asked.cancel()
        await asyncio.wait([asked])
        return asked.cancelled()

    told: list[str] = []
    assert run(cancelled(told))
    assert told == ["cancelled", "left"]


@pytest.mark.parametrize("turns", [0, 1, 3])
def test_errors_come_through(turns: int) -> None:
    async def breaks() -> None:
        await waiting(turns, [])
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        run(within(FAR, breaks()))


def test_one_that_goes_on_after_a_cancellation_is_heard() -> None:
    async def stubborn() -> str:
        try:
            await asyncio.sleep(FAR)
        except asyncio.CancelledError:
            await asyncio.sleep(0.001)
        return "all the same"

    assert run(within(NEAR, stubborn())) == "all the same"


def test_another_deadline_within_holds_too() -> None:
    async def nested() -> str:
        try:
            return await within(NEAR, waiting(10**9, []))
        except TimeoutError:
            await asyncio.sleep(0)
            return "inner"

    assert run(within(FAR, nested())) == "inner"
