"""One request on a connection and its answer, which is written at once where it is whole."""

from __future__ import annotations

from functools import lru_cache
from itertools import chain, starmap
from typing import Any, Final

from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    RequestResponseCycle,
)

#: Headers that say how an answer ends; uvicorn minds what follows from them.
_ENDINGS: Final = (b"connection", b"transfer-encoding")


class Exchange(RequestResponseCycle):
    """uvicorn's, but that a head waits for the first of its body, as ASGI has it."""

    _start: Message | None = None

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start" and not self.response_started:
            self._start = message
            return
        start, self._start = self._start, None
        if start is not None:
            whole = self._whole(start, message)
            if whole is not None:
                self._write(whole)
                return
            await super().send(start)  # type: ignore[arg-type]
        await super().send(message)

    def _whole(self, start: Message, message: Message) -> bytes | None:
        """Head and body, None where uvicorn should look at each."""
        if (
            message.get("more_body") or message["type"] != "http.response.body"
            or not self.keep_alive or self.disconnected or self.flow.write_paused
            or self.access_log or self.scope["method"] == "HEAD"
        ):  # fmt: skip
            return None
        body, headers = message.get("body", b""), start.get("headers", ())
        if (b"content-length", b"%d" % len(body)) not in headers:
            return None
        lines = list(starmap(_line, chain(self.default_headers, headers)))
        if b"" in lines:
            return None
        return b"".join((STATUS_LINE[start["status"]], *lines, b"\r\n", body))

    def _write(self, whole: bytes) -> None:
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(whole)
        self.message_event.set()
        self.on_response()


@lru_cache(256)  # most headers are the same in every answer
def _line(name: bytes, value: bytes) -> bytes:
    """A header as it is sent, empty for one of `_ENDINGS`. Raises RuntimeError as uvicorn does."""
    if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
        raise RuntimeError("a header has a character that none may have")
    name = name.lower()
    return b"" if name in _ENDINGS else b"%b: %b\r\n" % (name, value)
