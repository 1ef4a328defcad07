"""A deadline for what may have to be waited for; setting it costs nothing where nothing is."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float, asked: Coroutine[Any, Any, T]) -> T:
    """What `asked` returns. Raises TimeoutError where it still waits after that time.

    It is begun first: most that could wait has its answer at once, and a timer takes longer.
    """
    try:
        awaited = asked.send(None)
    except StopIteration as done:
        answer: T = done.value
        return answer
    async with asyncio.timeout(seconds):
        return await _rest(asked, awaited)


@coroutine
def _rest(begun: Coroutine[Any, Any, T], awaited: Any) -> Generator[Any, Any, T]:
    """Go on with a coroutine that has begun and waits for `awaited`, as `await` would have."""
    while True:
        try:
            try:
                sent = yield awaited
            except GeneratorExit:
                begun.close()
                raise
            except BaseException as error:  # noqa: BLE001 - a cancellation above all
                awaited = begun.throw(error)
            else:
                awaited = begun.send(sent)
        except StopIteration as done:
            answer: T = done.value
            return answer
