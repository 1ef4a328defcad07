"""What a request may cost: the size of its body, how long it may take to arrive, its type."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from starlette.types import Receive, Scope

from api.deadline import within
from api.errors import ClientGone, Refused

#: A thousand events of ordinary size fit well; a larger body would stall everybody's requests
#: while it is decoded.
BODY_BYTES: Final = 1 << 20
#: Elements of one batch. One batch is one write of the log and one turn of the event loop.
BATCH: Final = 1_000
#: A client that sends more slowly than this holds a connection for nothing.
BODY_TIMEOUT_S: Final = 30.0
# Room for the longest list of `exclude`; a longer query is a mistake.
QUERY_BYTES: Final = 1 << 16

_UTF8: Final = {"", "utf-8", "utf8", "us-ascii"}


async def read_body(scope: Scope, receive: Receive, timeout_s: float = BODY_TIMEOUT_S) -> bytes:
    """Return the body of a JSON request, counted while it arrives.

    Raises Refused (408, 413, 415) and ClientGone. The rest of a body that is too large is not
    read here; the server throws it away.
    """
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"")
    if length.isdigit() and (len(length) > 12 or int(length) > BODY_BYTES):
        raise _too_large()
    _require_json(headers)
    try:
        return await within(timeout_s, _collect(receive))
    except TimeoutError:
        raise Refused(408, f"the body did not arrive within {timeout_s:g} s") from None


async def _collect(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > BODY_BYTES:
            raise _too_large()
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large() -> Refused:
    return Refused(413, f"the body must be at most {BODY_BYTES} bytes; send smaller batches")


def _require_json(headers: Mapping[bytes, bytes]) -> None:
    """A body without a type is taken for JSON; what says it is something else is refused."""
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise Refused(415, "the body must not be compressed")
    given = headers.get(b"content-type")
    if given is None:
        return
    kind, *parameters = given.decode("latin-1").lower().split(";")
    kind = kind.strip()
    if not (kind == "application/json" or re.fullmatch(r"application/[^/]+\+json", kind)):
        hint = ""
        if kind == "application/x-www-form-urlencoded":
            hint = "; curl sends forms unless told otherwise"
        raise Refused(415, f"send JSON, with the header Content-Type: application/json{hint}")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip().strip('"') not in _UTF8:
            raise Refused(415, "JSON must be encoded as UTF-8")
