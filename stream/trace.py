"""W3C trace context: which trace a request belongs to, carried to the records it becomes.

https://www.w3.org/TR/trace-context/. The context is always passed on; spans are told only where
somebody has asked for them (`send_spans`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, Protocol

#: Name of the header, of HTTP and of Kafka records.
TRACEPARENT: Final = "traceparent"

#: The context of the request being answered; None where it has none.
current: ContextVar[bytes | None] = ContextVar("traceparent", default=None)

#: The id of the request being answered, for the log; None outside of any.
request: ContextVar[str | None] = ContextVar("request", default=None)

Headers = Sequence[tuple[str, bytes]]

_NAME: Final = TRACEPARENT.encode()
_FIELDS: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
# Of foreign headers a record is sent on with, ours not counted; beyond, they would outweigh what
# they accompany, once for every event of an envelope.
_MOST_BYTES: Final = 8_192
_OURS: Final = "freshet-"


class Span(Protocol):
    """A span that has begun; `context` is what its children name as their parent."""

    context: bytes | None

    def end(self, **attributes: str | int) -> None:
        """End it; an attribute `error` marks it as failed."""
        ...


class Spans(Protocol):
    """Where spans go."""

    def begin(self, name: str, parent: bytes | None, began_ns: int | None = None) -> Span:
        """Begin a span, now or at `began_ns` since the epoch."""
        ...


_spans: Spans | None = None


def send_spans(to: Spans | None) -> None:
    """Tell of spans from now on, None: of none."""
    global _spans  # noqa: PLW0603 - one for the process, as the context is
    _spans = to


def begin(name: str) -> Span | None:
    """Begin a span of the current request, None where nobody asks for spans."""
    if _spans is None:
        return None
    begun = _spans.begin(name, current.get())
    current.set(begun.context)
    return begun


@contextmanager
def span(name: str) -> Iterator[None]:
    """A span around a part of the current request."""
    if _spans is None:
        yield
        return
    begun = _spans.begin(name, current.get())
    token = current.set(begun.context)
    try:
        yield
    except BaseException as error:
        begun.end(error=type(error).__name__)
        raise
    else:
        begun.end()
    finally:
        current.reset(token)


def began() -> int:
    """Nanoseconds since the epoch, for `tell`; 0 where nobody asks for spans."""
    return 0 if _spans is None else time.time_ns()


def tell(name: str, contexts: Iterable[bytes | None], began_ns: int) -> None:
    """Tell of work that has just been done for records of these contexts, a span for each trace."""
    if _spans is not None:
        for context in dict.fromkeys(contexts):
            if context is not None:
                _spans.begin(name, context, began_ns or None).end()


def valid(value: bytes | None) -> bytes | None:
    """The context, None where the value is none.

    >>> valid(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    b'00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    >>> valid(b"00-00000000000000000000000000000000-b7ad6b7169203331-01"), valid(b"x"), valid(None)
    (None, None, None)
    """
    found = _FIELDS.fullmatch(value or b"")
    if found is None:
        return None
    version, trace, parent, flags, more = found.groups()
    if version == b"ff" or not trace.strip(b"0") or not parent.strip(b"0"):
        return None
    if more and version == b"00":
        return None
    return b"-".join((b"00", trace, parent, flags))  # what a later version adds is not ours


def of_record(headers: Headers) -> bytes | None:
    """The context of a record: that of its one `traceparent` header, if valid."""
    return _one([value for name, value in headers if name == TRACEPARENT])


def of_request(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The context of a request, whose headers' names are in lower case, as ASGI has them."""
    return _one([value for name, value in headers if name == _NAME])


def _one(values: list[bytes]) -> bytes | None:
    return valid(values[0]) if len(values) == 1 else None


def trace_id(context: bytes) -> str:
    """
    >>> trace_id(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    '0af7651916cd43dd8448eb211c80319c'
    """
    return context.split(b"-")[1].decode()


def header(context: bytes | None) -> list[tuple[str, bytes]]:
    """The headers that carry a context: one, or none."""
    return [] if context is None else [(TRACEPARENT, context)]


def first(contexts: Iterable[bytes | None]) -> bytes | None:
    """The first context there is: an envelope carries one, of whatever many requests."""
    return next((context for context in contexts if context is not None), None)


def foreign(headers: Headers) -> list[tuple[str, bytes]]:
    """What a record keeps of its headers when it is sent on: all but ours, in order, bounded.

    >>> foreign([("source", b"till 4"), ("freshet-import", b"1"), ("blob", b"x" * 9_000)])
    [('source', b'till 4')]
    """
    kept, size = [], 0
    for name, value in headers:
        if name.startswith(_OURS):
            continue
        size += len(name.encode()) + len(value or b"")
        if size > _MOST_BYTES:
            break
        kept.append((name, value))
    return kept
