"""Who may call what, and how often: keys and their scopes, rates per key and per address."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.types import Scope as Request

from api.errors import Refused
from api.keys import Key, KeyRing, Scope
from api.load import Bounds

#: What a call asks of its caller; `open` asks nothing.
Access = Literal["open", "read", "write", "admin"]

_HOW: Final = "send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`"
_BEARER: Final = b"bearer "


@dataclass(frozen=True)
class Rates:
    """Requests allowed, in words of the library `limits` (`100/second`); empty: no limit."""

    per_key: str = ""
    per_address: str = ""


class Guard:
    """Admits requests; without keys and rates it costs next to nothing."""

    def __init__(self, ring: KeyRing | None = None, rates: Rates = Rates()) -> None:
        self._ring = ring
        self._counter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._per_key = _parsed(rates.per_key)
        self._per_address = _parsed(rates.per_address)

    def admit(self, request: Request, access: Access) -> None:
        """Return when the caller may go on. Raises Refused (401, 403, 429)."""
        if access == "open":
            return
        if self._per_address:
            self._count(self._per_address, "address", _address(request))
        key = self.require(request, access)
        if key is not None and self._per_key:
            self._count(self._per_key, "key", key.id)

    def require(self, request: Request, scope: Scope) -> Key | None:
        """The key of the caller, None where none is asked for. Raises Refused (401, 403)."""
        if self._ring is None:
            return None
        self._ring.refresh()
        if not self._ring.required:
            return None
        text = _given(request["headers"])
        key = self._ring.find(text) if text else None
        if key is None:
            said = "this key is not known here" if text else f"this call needs an API key; {_HOW}"
            raise Refused(401, said, headers={"WWW-Authenticate": "Bearer"})
        if not key.allows(scope):
            raise Refused(403, f"this call needs a key with the scope {scope}")
        return key

    def _count(self, limit: RateLimitItem, what: str, who: str) -> None:
        if self._counter.hit(limit, what, who):
            return
        wait = self._counter.get_window_stats(limit, what, who).reset_time
        raise Refused(
            429,
            f"more requests from one {what} than {limit}; slow down",
            headers={"Retry-After": str(_seconds_until(wait, limit))},
        )


@dataclass(frozen=True)
class Front:
    """Who is let in: by key and rate, by the name they call, from which pages, and how many."""

    guard: Guard = field(default_factory=Guard)
    hosts: Sequence[str] = ("*",)
    origins: Sequence[str] = ()
    bounds: Bounds = field(default_factory=Bounds)


def _parsed(rate: str) -> RateLimitItem | None:
    return parse(rate) if rate else None


def _seconds_until(at: float, limit: RateLimitItem) -> int:
    return min(max(math.ceil(at - time.time()), 1), limit.get_expiry())


def _address(request: Request) -> str:
    client = request.get("client")
    return str(client[0]) if client else "unknown"


def _given(headers: Iterable[tuple[bytes, bytes]]) -> str:
    for name, value in headers:
        if name == b"x-api-key":
            return value.decode("latin-1").strip()
        if name == b"authorization" and value[:7].lower() == _BEARER:
            return value[7:].decode("latin-1").strip()
    return ""
