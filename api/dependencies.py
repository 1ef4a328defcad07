"""The service with a breaker and a clock before each thing a request waits for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, ParamSpec, TypeVar, cast

from prometheus_client import CollectorRegistry, Gauge, Histogram

from api.breaker import Breaker
from models.model import Model
from models.settings import LearningSettings
from stream.errors import DependencyLeftAlone, LogUnavailable, StoreUnavailable, StreamError
from stream.impressions import Impression
from stream.service import Applied, Checked, Reading, Receipt, Service

P = ParamSpec("P")
T = TypeVar("T")

_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.5, 1, 5)


class _Dependency:
    """One thing that is waited for; `failure` tells which errors are its own."""

    def __init__(
        self, name: str, breaker: Breaker, seconds: Histogram,
        failure: Callable[[BaseException], bool],
    ) -> None:  # fmt: skip
        self.name = name
        self.breaker = breaker
        self._observe = seconds.labels(name).observe
        self._failure = failure

    async def call(self, asked: Callable[P, Awaitable[T]], *args: P.args, **named: P.kwargs) -> T:
        """Call, and note how it went. Raises DependencyLeftAlone without calling."""
        ticket = self.breaker.admit()
        if ticket is None:
            raise DependencyLeftAlone(self.name, self.breaker.retry_after_s())
        started = time.perf_counter()
        try:
            answer = await asked(*args, **named)
        except BaseException as error:
            if self._failure(error):
                self.breaker.failed(ticket)
            else:
                self.breaker.succeeded(ticket)
            raise
        else:
            self.breaker.succeeded(ticket)
            return answer
        finally:
            self._observe(time.perf_counter() - started)


class Dependencies:
    """`Service` whose rows, positions and log are each left alone while they fail.

    All else is the service's own.
    """

    def __init__(
        self,
        service: Service,
        registry: CollectorRegistry,
        breaker: Callable[[str], Breaker] = Breaker,
    ) -> None:
        self._service = service
        seconds = Histogram(
            "freshet_dependency_seconds", "How long a request waited for what it depends on",
            ["dependency"], registry=registry, buckets=_BUCKETS,
        )  # fmt: skip
        opened = Gauge(
            "freshet_breaker_open", "1 while a dependency fails and is left alone",
            ["dependency"], registry=registry,
        )  # fmt: skip

        def made(name: str, failure: Callable[[BaseException], bool]) -> _Dependency:
            dependency = _Dependency(name, breaker(name), seconds, failure)
            opened.labels(name).set_function(lambda: float(dependency.breaker.is_open))
            return dependency

        self._rows = made("rows", _of_rows)
        self._positions = made("positions", _of_rows)
        self._log = made("log", _of_log)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._service, name)

    # What every request asks for; by `__getattr__` it takes several times as long.

    @property
    def model(self) -> Model:
        return self._service.model

    @property
    def namespace(self) -> str:
        return self._service.namespace

    def published_at(self) -> float:
        return self._service.published_at()

    def append_impressions(self, impressions: Sequence[Impression]) -> None:
        self._service.append_impressions(impressions)

    async def read(self, user_id: str) -> Reading:
        return await self._rows.call(self._service.read, user_id)

    async def wait(self, user_id: str, after: dict[int, int], timeout_s: float) -> bool:
        return await self._positions.call(self._service.wait, user_id, after, timeout_s)

    async def append_feedback(self, events: Sequence[Checked], imported: bool) -> Receipt:
        return await self._append(self._service.append_feedback, events, imported)

    async def append_control(self, bodies: Sequence[bytes]) -> Receipt:
        return await self._append(self._service.append_control, bodies)

    async def apply_settings(self, settings: LearningSettings) -> Applied:
        return await self._append(self._service.apply_settings, settings)

    async def _append(
        self, asked: Callable[P, Awaitable[T]], *args: P.args, **named: P.kwargs
    ) -> T:
        try:
            return await self._log.call(asked, *args, **named)
        except DependencyLeftAlone as error:
            raise LogUnavailable(str(error), error.retry_after_s) from None


def behind_breakers(service: Service, registry: CollectorRegistry) -> Service:
    return cast(Service, Dependencies(service, registry))


def _of_rows(error: BaseException) -> bool:
    """A partition that is being filled is told at once, and others' rows are there.

    A request that was given up had waited for as long as it could.
    """
    if isinstance(error, StoreUnavailable):
        return error.kind != "filling"
    return isinstance(error, Exception | asyncio.CancelledError)


def _of_log(error: BaseException) -> bool:
    """What is wrong with an event says nothing about the log."""
    return isinstance(error, LogUnavailable) or not isinstance(error, StreamError)
