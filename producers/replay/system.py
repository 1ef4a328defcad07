"""A running system as a replay meets it: lists over HTTP, events over HTTP or into Kafka."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

import httpx
import msgspec

from producers.errors import IngestRefused, SinkUnavailable
from producers.http_sink import HttpSink
from producers.refusal import refusal, unreachable

Record = dict[str, Any]

# A list takes milliseconds; a system that takes this long has failed its user.
ANSWER_S = 5.0
# `after` is waited for at most so long, in milliseconds: the most the system grants.
WAIT_MS = 5_000


@dataclass(frozen=True)
class Recommended:
    """One list. `served_by` is None where none came."""

    items: list[str]
    served_by: str | None = None
    degraded: bool = False
    position: str | None = None
    recommendation_id: str | None = None
    error: str | None = None


class Feedback(Protocol):
    """Where events go. Errors are those of `Sink`."""

    @property
    def position(self) -> str | None:
        """Token of what was acknowledged last; None where it is not known."""
        ...

    def put_items(self, items: list[Record]) -> None: ...

    def put_users(self, users: list[Record]) -> None: ...

    def send(self, events: list[Record]) -> tuple[int, int]: ...

    def close(self) -> None: ...


class Lists:
    """Asks one API for lists; an error is an answer too. One thread at a time."""

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.Client(
            base_url=url, headers=headers, timeout=ANSWER_S + WAIT_MS / 1e3, transport=transport
        )

    def ask(
        self, user_id: str, k: int, after: str | None = None, wait_ms: int = WAIT_MS
    ) -> Recommended:
        """The list this user would see now; with `after` one that shows that position."""
        params: dict[str, str | int] = {"k": k}
        if after is not None:
            params |= {"after": after, "wait_ms": wait_ms}
        try:
            response = self._client.get(
                f"/v1/users/{quote(user_id, safe='')}/recommendations", params=params
            )
            if not response.is_success:
                return Recommended([], error=f"status {response.status_code}")
            body = msgspec.json.decode(response.content)
            items = [item["item_id"] for item in body["items"]]
            return Recommended(
                items, body["served_by"], bool(body["degraded"]), body.get("position"),
                body.get("recommendation_id"),
            )  # fmt: skip
        except (httpx.HTTPError, msgspec.DecodeError, KeyError, TypeError) as error:
            return Recommended([], error=f"no list ({type(error).__name__})")

    def trending(self, k: int) -> list[Record]:
        """Items of the catalogue with their fields, those with attention first; writes nothing.

        Raises SinkUnavailable where nobody answers, IngestRefused where we are not wanted.
        """
        url = str(self._client.base_url)
        try:
            response = self._client.get("/v1/trending", params={"k": k})
            if response.is_success:
                items: list[Record] = msgspec.json.decode(response.content)["items"]
                return items
        except httpx.TransportError as error:
            raise unreachable(error, url) from error
        except (msgspec.DecodeError, KeyError, TypeError):
            raise IngestRefused(f"{url} does not answer like a Freshet server") from None
        if response.status_code == 429 or response.status_code >= 500:
            raise SinkUnavailable(f"{url} has no list yet: status {response.status_code}")
        raise refusal(response, "items", [], url)

    def close(self) -> None:
        self._client.close()


class Patient:
    """Sends to a sink until it is taken, with growing waits within a bound."""

    def __init__(
        self,
        sink: Feedback,
        patience_s: float,
        pause: Callable[[float], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`pause` waits so many seconds and answers whether to give up."""
        self._sink = sink
        self._patience_s = patience_s
        self._pause = pause
        self._clock = clock
        self.retries = 0

    @property
    def position(self) -> str | None:
        return self._sink.position

    def send(self, events: list[Record]) -> tuple[int, int]:
        """(accepted, known before). Raises SinkUnavailable when patience is at its end."""
        answer: tuple[int, int] = self.tried(lambda: self._sink.send(events))
        return answer

    def put_items(self, items: list[Record]) -> None:
        self.tried(lambda: self._sink.put_items(items))

    def put_users(self, users: list[Record]) -> None:
        self.tried(lambda: self._sink.put_users(users))

    def close(self) -> None:
        self._sink.close()

    def tried(self, send: Callable[[], Any]) -> Any:
        """What `send` answers, once it does. Raises SinkUnavailable like `send` itself."""
        began, wait = self._clock(), 0.25
        while True:
            try:
                return send()
            except SinkUnavailable as error:
                left = began + self._patience_s - self._clock()
                if left <= 0 or self._pause(min(error.retry_after or wait, 10.0, left)):
                    raise
                self.retries += 1
                wait *= 2


def over_http(
    url: str, api_key: str | None = None, *, imported: bool, timeout_s: float
) -> Feedback:
    """A sink that tries once: waiting and trying again is the replay's own business."""
    return HttpSink(url, api_key, imported=imported, timeout_s=timeout_s, attempts=1)
