"""Work that would hold up everybody's requests: on one thread beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Aside:
    """One thread, made when it is first needed: more would take the processor from the rest."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "lists")

    async def run(self, make: Callable[[], T]) -> T:
        """What `make` returns, in the order of the calls; it must not touch the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, make)
