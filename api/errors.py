"""Refusals, and the one envelope they are answered in. No message repeats what was sent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from api.responses import answered
from stream.errors import InvalidEvent, LogUnavailable

_CODES: Final = {
    400: "not_json",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    413: "too_large",
    415: "unsupported_media_type",
    421: "misdirected",
    422: "invalid",
    429: "too_many_requests",
    500: "internal",
    503: "unavailable",
}
_NOT_JSON: Final = "is not valid JSON"


class ApiError(Exception):
    """Base of all errors raised by `api`."""


class ClientGone(ApiError):
    """The client went away while it was sending; nobody is left to be answered."""


class Refused(ApiError):
    """A request that is answered with an error. `field` is the path of what is wrong.

    `beside` are keys of the answer next to `error`: what a retry needs to know.
    """

    def __init__(
        self,
        status: int,
        message: str,
        field: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        beside: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.field = field or None
        self.headers = dict(headers or {})
        self.beside = dict(beside or {})


def refusal_of(error: InvalidEvent) -> Refused:
    """400 for what is no JSON, 422 for JSON that says something wrong."""
    status = 400 if error.reason.startswith(_NOT_JSON) else 422
    return Refused(status, f"{error.field or 'the body'} {error.reason}", error.field)


def unavailable(error: LogUnavailable, event_ids: list[str | None] | None = None) -> Refused:
    """503 for now; with the ids of the events, so that a retry is known for one."""
    return Refused(
        503,
        "the log cannot take records now; send the same again later",
        headers={"Retry-After": str(max(math.ceil(error.retry_after_s), 1))},
        beside=None if event_ids is None else {"event_ids": event_ids},
    )


def within(place: str, error: InvalidEvent) -> InvalidEvent:
    """The same error of an element, named by its place in the whole.

    >>> str(within("events.3", InvalidEvent("value", "must be a number")))
    'events.3.value: must be a number'
    """
    return InvalidEvent(f"{place}.{error.field}".rstrip("."), error.reason)


def envelope(refused: Refused, request_id: str) -> Response:
    error = {
        "code": _CODES.get(refused.status, "refused"),
        "message": refused.message,
        "field": refused.field,
        "request_id": request_id,
    }
    return answered({"error": error, **refused.beside}, refused.status, refused.headers)
