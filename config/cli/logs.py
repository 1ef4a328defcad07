"""Logging of the command line: structlog, to stderr, as text or JSON lines.

A line has `timestamp` (ISO 8601, UTC), `level`, `logger` and `event`; within a request also
`request_id` and, where it belongs to one, `trace_id`.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, Final

import structlog

from config.settings import Logs
from stream import trace

_IDS: Final = ("user_id", "item_id", "session_id", "event_id", "recommendation_id")
# Each request or rebalance of theirs would be many lines.
_TALKATIVE: Final = ("httpx", "faust", "mode", "aiokafka", "kafka")

Line = MutableMapping[str, Any]


def set_up_logs(logs: Logs) -> None:
    """Send the standard library's and structlog's messages through one formatter to stderr."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _of_request,
        _without_ids(logs.ids),
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
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
            foreign_pre_chain=shared,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logs.level.upper())
    logging.captureWarnings(True)
    for talkative in _TALKATIVE:
        logging.getLogger(talkative).setLevel(logging.WARNING)


def _of_request(logger: Any, method: str, line: Line) -> Line:
    request_id, context = trace.request.get(), trace.current.get()
    if request_id is not None:
        line.setdefault("request_id", request_id)
    if context is not None:
        line["trace_id"] = trace.trace_id(context)
    return line


def _without_ids(ids: str) -> Callable[[Any, str, Line], Line]:
    """What becomes of fields that tell of a person."""

    def plain(logger: Any, method: str, line: Line) -> Line:
        return line

    def changed(logger: Any, method: str, line: Line) -> Line:
        for name in _IDS:
            value = line.pop(name, None)
            if value is not None and ids == "hashed":
                line[name] = pseudonym(str(value))
        return line

    return plain if ids == "plain" else changed


def pseudonym(text: str) -> str:
    """A stand-in for an id, the same in every process and file.

    >>> pseudonym("ada") == pseudonym("ada"), len(pseudonym("ada"))
    (True, 12)
    """
    return hashlib.blake2b(text.encode(), digest_size=6, person=b"freshet-logs").hexdigest()
