"""How a worker process ends: at once on an error, in order on a signal."""

from __future__ import annotations

import logging
import os
import threading

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
