"""A sink that speaks Freshet's HTTP API: whole batches, repeated safely, refused by name."""

import random
import time
import uuid
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec

from producers.errors import IngestRefused, OptionError, SinkUnavailable
from producers.readers.dataset import Record
from producers.refusal import place, refusal, source, unreachable

# The API takes bodies up to 1 MiB; the rest is room for the brackets around the elements.
MAX_BODY_BYTES = (1 << 20) - 1024
# Together the waits last about a minute: a restart is outlived, a dead server is named.
ATTEMPTS = 8
_LONGEST_WAIT_S = 15.0
# A durable write of 1,000 events takes well under a second; past this the server hangs.
_TIMEOUT_S = 30.0

_Batch = list[dict[str, Any]]


class HttpSink:
    """Sends to one server. `imported` marks events as old data, exempt from lateness and caps.

    503, 429 and lost answers are repeated with the same event ids; a server that cannot be
    connected to is an error at once. Raises OptionError for what is no URL.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        imported: bool = True,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        timeout_s: float = _TIMEOUT_S,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._url = url.rstrip("/")
        self._attempts = attempts
        #: Token of what was taken last.
        self.position: str | None = None
        self._imported = imported
        self._sleep = sleep
        headers = {"Content-Type": "application/json"}
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        self._client = httpx.Client(
            base_url=_server(self._url), headers=headers, timeout=timeout_s, transport=transport
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def put_items(self, items: _Batch) -> None:
        for part in _parts(items):
            self._deliver("PUT", "/v1/items", "items", part)

    def put_users(self, users: _Batch) -> None:
        for part in _parts(users):
            self._deliver("PUT", "/v1/users", "users", part)

    def send(self, events: _Batch) -> tuple[int, int]:
        accepted = duplicates = 0
        path = "/v1/events?import=true" if self._imported else "/v1/events"
        for part in _parts([_named(event) for event in events]):
            answer = self._deliver("POST", path, "events", part)
            accepted += int(answer.get("accepted", 0))
            duplicates += int(answer.get("duplicates", 0))
        return accepted, duplicates

    def _deliver(self, method: str, path: str, kind: str, part: _Batch) -> dict[str, Any]:
        body = msgspec.json.encode({kind: part})
        problem, wait = "", None
        for attempt in range(self._attempts):
            if attempt:
                self._sleep(_pause(attempt, wait))
            try:
                response = self._client.request(method, path, content=body)
            except httpx.ConnectError as error:
                raise unreachable(error, self._url) from error
            except httpx.TransportError as error:
                problem, wait = f"no answer ({type(error).__name__})", None
                continue
            if response.is_success:
                answer = _answer(response, self._url)
                self.position = answer.get("position", self.position)
                return answer
            if response.status_code != 429 and response.status_code < 500:
                raise refusal(response, kind, part, self._url)
            problem, wait = f"status {response.status_code}", _retry_after(response)
        raise SinkUnavailable(
            f"{self._url} did not take it in {self._attempts} tries, the last: {problem}",
            wait,
        )


def _server(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise OptionError(f"{url!r} is no URL of a server, such as http://127.0.0.1:8000")
    return parsed


def _named(event: dict[str, Any]) -> dict[str, Any]:
    """The event with an id: without one a repeated request would count it twice."""
    if event.get("event_id") is not None:
        return event
    event_id = str(uuid.uuid4())
    if isinstance(event, Record):
        return Record(event.file, event.line, {"event_id": event_id, **event})
    return {"event_id": event_id, **event}


def _parts(batch: _Batch) -> Iterator[_Batch]:
    """Cut a batch, in order, so that each body stays below the API's limit."""
    part: _Batch = []
    size = 0
    for element in batch:
        bytes_here = len(msgspec.json.encode(element)) + 1
        if bytes_here > MAX_BODY_BYTES:
            raise IngestRefused(
                f"{place(element)}: an element must stay below {MAX_BODY_BYTES} bytes",
                **source(element),
            )
        if part and size + bytes_here > MAX_BODY_BYTES:
            yield part
            part, size = [], 0
        part.append(element)
        size += bytes_here
    if part:
        yield part


def _pause(attempt: int, wanted: float | None) -> float:
    """What the server asked for, else doubling from half a second; jitter spreads a herd."""
    wait = wanted if wanted is not None else 0.5 * 2 ** (attempt - 1)
    return min(_LONGEST_WAIT_S, wait) * random.uniform(1.0, 1.2)


def _retry_after(response: httpx.Response) -> float | None:
    try:
        return max(0.0, min(3600.0, float(response.headers.get("Retry-After", ""))))
    except ValueError:
        return None


def _answer(response: httpx.Response, url: str) -> dict[str, Any]:
    try:
        answer = msgspec.json.decode(response.content)
    except msgspec.DecodeError:
        answer = None
    if not isinstance(answer, dict):
        raise SinkUnavailable(f"{url} does not answer like a Freshet server")
    return answer
