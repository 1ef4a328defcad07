"""A breaker under a clock of the test's, and the service behind three of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from api.app import create_app
from api.breaker import IN_A_ROW, PROBE_S, Breaker
from api.dependencies import Dependencies
from models.settings import LearningSettings
from stream.errors import DependencyLeftAlone, InvalidEvent, LogUnavailable, StoreUnavailable
from tests.unit.api.conftest import Caller, FakeService

LIST = "/v1/users/u1/recommendations"
EVENT = {"type": "view", "user_id": "u1", "item_id": "i1"}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("rows", clock, draw=lambda: 0.5)


def attempt(breaker: Breaker, works: bool) -> bool:
    """Whether the call was made at all."""
    ticket = breaker.admit()
    if ticket is None:
        return False
    (breaker.succeeded if works else breaker.failed)(ticket)
    return True


def test_five_failures_in_a_row_open_it(breaker: Breaker) -> None:
    for _ in range(IN_A_ROW - 1):
        assert attempt(breaker, False)
    assert attempt(breaker, True)
    for _ in range(IN_A_ROW):
        assert not breaker.is_open
        assert attempt(breaker, False)
    assert breaker.is_open
    assert not attempt(breaker, True)
    assert 0 < breaker.retry_after_s() <= 1.25 * PROBE_S


def test_half_of_the_last_twenty_open_it(breaker: Breaker) -> None:
    for _ in range(40):
        attempt(breaker, True)
    calls = [breaker.is_open for n in range(20) if attempt(breaker, n % 2 == 0) or True]
    assert calls == [False] * 19 + [True]


def test_old_failures_are_forgotten(breaker: Breaker) -> None:
    for _ in range(10):
        for works in (False, False, False, False, *[True] * 16):
            attempt(breaker, works)
    assert not breaker.is_open


def test_one_call_tries_after_a_second_and_decides(breaker: Breaker, clock: Clock) -> None:
    for _ in range(IN_A_ROW):
        attempt(breaker, False)
    clock.now += PROBE_S
    assert breaker.admit() is None, "the moment is drawn, so that processes do not try together"
    clock.now += 0.2 * PROBE_S
    probe = breaker.admit()
    assert probe is not None
    assert breaker.admit() is None, "one at a time"
    breaker.failed(probe)
    assert breaker.is_open
    clock.now += 2 * PROBE_S
    assert attempt(breaker, True)
    assert not breaker.is_open
    assert breaker.retry_after_s() == 0
    for _ in range(IN_A_ROW - 1):
        attempt(breaker, False)
    assert not breaker.is_open, "what failed before counts no more"


def test_a_probe_that_never_ends_does_not_keep_it_open(breaker: Breaker, clock: Clock) -> None:
    for _ in range(IN_A_ROW):
        attempt(breaker, False)
    clock.now += 2 * PROBE_S
    assert breaker.admit() is not None
    clock.now += 2 * PROBE_S
    assert attempt(breaker, True)
    assert not breaker.is_open


def test_what_began_before_it_opened_does_not_close_it(breaker: Breaker) -> None:
    early = breaker.admit()
    assert early is not None
    for _ in range(IN_A_ROW):
        attempt(breaker, False)
    breaker.succeeded(early)
    assert breaker.is_open


class Failing(FakeService):
    """Rows and appends raise what they are told to."""

    error: BaseException | None = None
    reads = 0

    async def read(self, user_id: str) -> Any:
        self.reads += 1
        if self.error is not None:
            raise self.error
        return await super().read(user_id)


def test_rows_that_are_away_are_not_asked_for_each_list(clock: Clock) -> None:
    service = Failing()
    service.error = StoreUnavailable("away", "timeout")
    call = Caller(create_app(service))
    for _ in range(20):
        answer = call("GET", LIST)
        assert (answer.status_code, answer.json()["degraded"]) == (200, True)
    assert service.reads == IN_A_ROW
    text = call("GET", "/metrics").text
    assert 'freshet_breaker_open{dependency="rows"} 1.0' in text
    assert 'freshet_breaker_open{dependency="log"} 0.0' in text
    assert f'freshet_dependency_seconds_count{{dependency="rows"}} {IN_A_ROW}.0' in text
    call.close()


def test_a_log_that_is_away_is_a_503_at_once(service: FakeService, call: Caller) -> None:
    service.unavailable = True
    for _ in range(IN_A_ROW + 3):
        answer = call("POST", "/v1/events", {"events": [{**EVENT, "event_id": "e"}]})
        assert answer.status_code == 503
        assert answer.json()["event_ids"] == ["e"]
        assert int(answer.headers["retry-after"]) >= 1
    assert call("PUT", "/v1/items", {"items": [{"item_id": "i"}]}).status_code == 503
    assert call("GET", LIST).status_code == 200


@pytest.mark.parametrize(("error", "opens"), [
    (StoreUnavailable("gone", "connection"), True),
    (ConnectionError(), True),
    (asyncio.CancelledError(), True),
    (StoreUnavailable("partition 3 is being filled", "filling"), False),
])  # fmt: skip
def test_only_what_is_the_stores_own_fault_counts(error: BaseException, opens: bool) -> None:
    service = Failing()
    service.error = error
    behind = Dependencies(service, CollectorRegistry())

    async def ask() -> None:
        for _ in range(IN_A_ROW):
            with pytest.raises(type(error)):
                await behind.read("u")
        expected = DependencyLeftAlone if opens else type(error)
        with pytest.raises(expected):
            await behind.read("u")

    asyncio.run(ask())


@pytest.mark.parametrize(("error", "opens"), [
    (LogUnavailable("full"), True), (OSError(), True), (InvalidEvent("", "too large"), False),
])  # fmt: skip
def test_a_wrong_event_says_nothing_of_the_log(error: Exception, opens: bool) -> None:
    class Log(FakeService):
        async def append_control(self, bodies: Any) -> Any:
            raise error

    behind = Dependencies(Log(), CollectorRegistry())

    async def ask() -> None:
        for _ in range(IN_A_ROW):
            with pytest.raises(type(error)):
                await behind.append_control([b"{}"])
        with pytest.raises(LogUnavailable if opens else InvalidEvent):
            await behind.append_control([b"{}"])

    asyncio.run(ask())


def test_without_positions_a_list_does_not_wait(service: FakeService, call: Caller) -> None:
    service.broken.add("wait")
    token = call("POST", "/v1/events", EVENT).json()["position"]
    for _ in range(IN_A_ROW + 3):
        answer = call("GET", f"{LIST}?after={token}").json()
        assert answer["degraded"] is True
    service.broken.clear()
    assert call("GET", f"{LIST}?after={token}").json()["degraded"] is True
    assert call("GET", LIST).json()["degraded"] is False


def test_settings_too_leave_a_log_alone_that_fails(service: FakeService) -> None:
    asked = []

    async def apply_settings(settings: LearningSettings) -> Any:
        asked.append(settings)
        raise LogUnavailable("full")

    service.apply_settings = apply_settings  # type: ignore[method-assign]
    behind = Dependencies(service, CollectorRegistry())

    async def ask() -> None:
        for _ in range(IN_A_ROW + 3):
            with pytest.raises(LogUnavailable):
                await behind.apply_settings(LearningSettings())

    asyncio.run(ask())
    assert len(asked) == IN_A_ROW
