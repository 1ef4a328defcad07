"""Logging of the command line: structlog, to stderr, as text or JSON lines."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from config.settings import Logs


def set_up_logs(logs: Logs) -> None:
    """Send the standard library's and structlog's messages through one formatter to stderr."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.format_exc_info,
    ]
    last: Any = (
        structlog.processors.JSONRenderer()
        if logs.json
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processor=last, foreign_pre_chain=shared)
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logs.level.upper())
    # Each request or rebalance of theirs would be many lines.
    for talkative in ("httpx", "faust", "mode", "aiokafka", "kafka"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
