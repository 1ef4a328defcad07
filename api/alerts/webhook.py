"""Posts changes of alerts to an address, signed, again and again until it takes them."""

from __future__ import annotations

import hashlib
import hmac
import queue
import threading
import time
from typing import Final

import httpx
import msgspec
import structlog

from api.alerts.watcher import Change

#: `t=UNIX,v1=HEX`: HMAC-SHA256 with the shared secret over `UNIX.BODY`.
SIGNATURE: Final = "X-Freshet-Signature"

_ATTEMPTS: Final = 6  # about a minute in all
_FIRST_WAIT_S: Final = 1.0
_TIMEOUT_S: Final = 10.0
_WAITING: Final = 100

logger = structlog.get_logger(__name__)


def signature(secret: bytes, body: bytes, at: int) -> str:
    """
    >>> signature(b"s", b"{}", 1)[:12]
    't=1,v1=b2536'
    """
    digest = hmac.new(secret, f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={digest.hexdigest()}"


class Webhook:
    """Sends on a thread of its own; what it cannot hold any more is logged and dropped."""

    def __init__(
        self,
        url: str,
        secret: bytes = b"",
        *,
        first_wait_s: float = _FIRST_WAIT_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._secret = secret
        self._first_wait_s = first_wait_s
        self._client = httpx.Client(timeout=_TIMEOUT_S, transport=transport)
        self._url = url
        self._changes: queue.Queue[Change] = queue.Queue(_WAITING)
        threading.Thread(target=self._run, name="webhook", daemon=True).start()

    def tell(self, change: Change) -> None:
        """Queue a change; never waits."""
        try:
            self._changes.put_nowait(change)
        except queue.Full:
            logger.error("the webhook does not keep up; a change is dropped", alert=change.name)

    def _run(self) -> None:
        while True:
            self._deliver(self._changes.get())

    def _deliver(self, change: Change) -> None:
        body = msgspec.json.encode(change)
        for attempt in range(_ATTEMPTS):
            if self._post(body):
                return
            time.sleep(self._first_wait_s * 2**attempt)
        logger.error("the webhook did not take a change", alert=change.name)

    def _post(self, body: bytes) -> bool:
        headers = {"Content-Type": "application/json"}
        if self._secret:
            headers[SIGNATURE] = signature(self._secret, body, int(time.time()))
        try:
            return self._client.post(self._url, content=body, headers=headers).is_success
        except httpx.HTTPError as error:
            logger.warning("the webhook cannot be reached", reason=type(error).__name__)
            return False
