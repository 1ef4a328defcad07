"""A service in memory, over the real model and profiles, that can be told to fail."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote

import httpx
import msgspec
import pytest
from fastapi import FastAPI

from api.app import create_app
from models.model import Model
from models.settings import LearningSettings
from stream.errors import LogUnavailable
from stream.impressions import Impression, impression_record
from stream.manifest import Manifest
from stream.model_stage import ModelStage
from stream.profiles import Profiles
from stream.records import LogRecord
from stream.service import Applied, Checked, Freshness, Reading, Receipt
from stream.setting import changes, setting_record

encode = msgspec.json.encode


class FakeService:
    """Learns what it is given at once. `paused` lets it take records without learning them."""

    mode = "fake"
    namespace = "default"

    def __init__(self) -> None:
        self.manifest = Manifest(dedup_window=1024, scoring="all")
        self.model = Model(LearningSettings(), self.manifest.seed)
        self.profiles = Profiles(self.manifest)
        self.stage = ModelStage(self.model)
        self.log: list[LogRecord] = []
        self.learned = 0
        self.known: set[tuple[str, str]] = set()
        self.paused = False
        self.unavailable = False
        self.not_ready: str | None = None
        self.broken: set[str] = set()
        self.entries: list[dict[str, Any]] = []
        self.awaited: list[tuple[str, dict[int, int], float]] = []

    async def read(self, user_id: str) -> Reading:
        if "rows" in self.broken:
            raise ConnectionError("the store is away")
        return Reading(self.profiles.row(user_id), self.position(user_id))

    async def append_feedback(self, events: Sequence[Checked], imported: bool) -> Receipt:
        known = self.known
        repeats = [at for at, e in enumerate(events) if (e.user_id, e.event_id) in known]
        new = [e for at, e in enumerate(events) if at not in repeats]
        receipt = self._append([e.body for e in new], imported)
        self.known |= {(e.user_id, e.event_id) for e in new}
        return Receipt(len(new), len(repeats), receipt.positions, repeats)

    async def append_control(self, bodies: Sequence[bytes]) -> Receipt:
        return self._append(bodies, False)

    def append_impressions(self, impressions: Sequence[Impression]) -> None:
        self._append([impression_record(shown) for shown in impressions], False)

    async def impressions_kept(self) -> None:
        """They are."""

    async def apply_settings(self, settings: LearningSettings) -> Applied:
        changed = changes(self.model.settings, settings)
        if changed:
            self._append([setting_record(settings)], False)
        return Applied(changed, {0: len(self.log)})

    def _append(self, bodies: Sequence[bytes], imported: bool) -> Receipt:
        if self.unavailable:
            raise LogUnavailable("the disk is full", 2.5)
        for body in bodies:
            self.log.append(LogRecord(len(self.log), time.time(), imported, body))
        if not self.paused:
            self.learn()
        return Receipt(len(bodies), 0, {0: len(self.log)})

    def learn(self) -> None:
        for piece in self.profiles.step(self.log[self.learned :]).pieces:
            self.stage.apply(0, piece)
        self.learned = len(self.log)

    async def wait(self, user_id: str, after: dict[int, int], timeout_s: float) -> bool:
        self.awaited.append((user_id, after, timeout_s))
        if "wait" in self.broken:
            raise ConnectionError("the store is away")
        return self.learned >= after.get(0, 0)

    def position(self, user_id: str) -> dict[int, int]:
        return {0: self.learned}

    def published_at(self) -> float:
        return time.monotonic() - 0.25

    def ready(self) -> str | None:
        return self.not_ready

    def status(self) -> dict[str, float]:
        if "status" in self.broken:
            raise ConnectionError("the store is away")
        return {"applied": 7, "lag_records": 3, "users": self.profiles.users}

    def freshness(self) -> Freshness:
        return Freshness({0: 2.5}, [("1.0", 3), ("+Inf", 4)], 9.0)

    def recent_users(self, limit: int) -> list[tuple[str, int]]:
        return self.profiles.user_ids(limit)

    def activity(self, after: int) -> tuple[list[dict[str, Any]], int]:
        return [entry for entry in self.entries if entry["seq"] > after], len(self.entries)


class Caller:
    """Calls an app without a network, each answer whole; raw paths go in as they are."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._runner = asyncio.Runner()

    def close(self) -> None:
        self._runner.close()

    def __call__(
        self,
        method: str,
        target: str,
        json: Any = None,
        *,
        body: bytes | None = None,
        **headers: str,
    ) -> httpx.Response:
        """Send `json` (or the bytes of `body`); `content_type="x/y"` sets the header."""
        sent = [body] if body is not None else []
        if json is not None:
            sent = [msgspec.json.encode(json)]
            headers.setdefault("content_type", "application/json")
        return self.stream(method, target, sent, **headers)

    def stream(
        self, method: str, target: str, chunks: Sequence[bytes], **headers: str
    ) -> httpx.Response:
        path, _, query = target.partition("?")
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
            "scheme": "http", "path": unquote(path), "raw_path": path.encode(),
            "query_string": query.encode(), "root_path": "", "server": ("test", 80),
            "client": ("test", 1),
            "headers": [(n.replace("_", "-").encode(), v.encode()) for n, v in headers.items()],
        }  # fmt: skip
        return self._runner.run(self._exchange(scope, list(chunks)))

    def refused(
        self,
        status: int,
        field: str | None,
        method: str,
        target: str,
        json: Any = None,
        **more: Any,
    ) -> dict[str, Any]:
        """Call; the answer must be a whole envelope of this status and field. Returns its error."""
        response = self(method, target, json, **more)
        answer = response.json()
        error: dict[str, Any] = answer["error"]
        assert (response.status_code, error["field"]) == (status, field), answer
        assert set(error) == {"code", "message", "field", "request_id"}
        assert error["request_id"] == response.headers["x-request-id"]
        assert error["message"]
        return error

    async def _exchange(self, scope: dict[str, Any], chunks: list[bytes]) -> httpx.Response:
        self.unread = chunks
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            chunk = self.unread.pop(0) if self.unread else b""
            return {"type": "http.request", "body": chunk, "more_body": bool(self.unread)}

        async def send(message: Any) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        start, *parts = sent
        return httpx.Response(
            start["status"],
            headers=start["headers"],
            content=b"".join(part.get("body", b"") for part in parts),
        )


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def app(service: FakeService) -> FastAPI:
    return create_app(service, version="1.2.3", demo="shop")


@pytest.fixture
def call(app: FastAPI) -> Iterator[Caller]:
    made = Caller(app)
    yield made
    made.close()


@pytest.fixture
def shop(service: FakeService) -> FakeService:
    """Twenty items in two categories, and five users who viewed some of them."""
    items = [
        {
            "type": "item", "item_id": f"i{n}", "title": f"Item {n}", "price": n + 0.5,
            "categories": ["odd" if n % 2 else "even"],
        }
        for n in range(20)
    ]  # fmt: skip
    views = [
        {"type": "view", "user_id": f"u{n % 5}", "item_id": f"i{n * n % 20}", "event_id": f"e{n}"}
        for n in range(40)
    ]
    for record in [*items, *views]:
        service.log.append(LogRecord(len(service.log), time.time(), False, encode(record)))
    service.learn()
    return service
