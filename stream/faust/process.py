"""How a worker process ends: at once on an error, in order on a signal."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from typing import TYPE_CHECKING

from stream.source import Handler

if TYPE_CHECKING:
    from stream.faust.source import FaustSource

logger = logging.getLogger(__name__)


def end_process(where: str, error: BaseException) -> None:
    """Log and exit with 1, without clean-up: nothing may be saved or sent after an error.

    A supervisor starts the process again, and it begins at its last snapshot.
    """
    logger.critical("the worker ends, in %s: %s", where, error, exc_info=error)
    for handler in logging.getLogger().handlers:
        handler.flush()
    os._exit(1)


def end_process_in(seconds: float) -> None:
    """Exit with 0 after `seconds`, whatever still runs; what the caller does before it is done."""
    timer = threading.Timer(seconds, os._exit, (0,))
    timer.daemon = True
    timer.start()


async def run_until_signal(*sources: tuple[FaustSource, Handler]) -> None:
    """Run sources beside each other; SIGTERM and SIGINT stop them all, and it returns."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for source, _ in sources:
            source.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    await asyncio.gather(*(source.run(handler) for source, handler in sources))
