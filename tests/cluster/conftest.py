"""Real servers for the tests of the cluster mode: one Kafka broker and one Redis a session."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from deploy.local.kafka import QUICK, Broker
from deploy.local.processes import ServerMissing
from deploy.local.redis import Redis
from tests.conftest import missing

Made = TypeVar("Made", Broker, Redis)


@contextmanager
def started(make: Callable[[], Made]) -> Iterator[Made]:
    """A server, ready; skips where its program is missing."""
    try:
        server = make()
    except ServerMissing as error:
        missing(str(error))
        raise
    server.start()
    try:
        server.await_ready()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The session's broker. Whoever kills or pauses one takes `new_broker` instead."""
    with started(lambda: Broker(tmp_path_factory.mktemp("kafka"), properties=QUICK)) as server:
        yield server


@pytest.fixture(scope="session")
def kafka(broker: Broker) -> str:
    """`127.0.0.1:PORT` of the session's broker."""
    return broker.bootstrap


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """The session's Redis. Whoever kills, empties or pauses one takes `new_redis` instead."""
    with started(lambda: Redis(tmp_path_factory.mktemp("redis"))) as server:
        yield server


@pytest.fixture(scope="session")
def redis_url(redis_server: Redis) -> str:
    """`redis://127.0.0.1:PORT/0` of the session's Redis."""
    return redis_server.url


@pytest.fixture
def new_broker(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    """Makes brokers of one's own, started and ready; killed after the test."""
    made: list[Broker] = []

    def make(**options: object) -> Broker:
        options.setdefault("properties", QUICK)
        try:
            server = Broker(tmp_path / f"kafka-{len(made)}", **options)  # type: ignore[arg-type]
        except ServerMissing as error:
            missing(str(error))
            raise
        made.append(server)
        server.start()
        server.await_ready()
        return server

    yield make
    for server in made:
        server.kill()


@pytest.fixture
def new_redis(tmp_path: Path) -> Iterator[Callable[..., Redis]]:
    """Makes Redis servers of one's own, started and ready; killed after the test."""
    made: list[Redis] = []

    def make(*options: str, port: int | None = None) -> Redis:
        try:
            server = Redis(tmp_path / f"redis-{len(made)}", port, *options)
        except ServerMissing as error:
            missing(str(error))
            raise
        made.append(server)
        server.start()
        server.await_ready()
        return server

    yield make
    for server in made:
        server.kill()


_numbers = itertools.count()


@pytest.fixture(scope="session")
def fresh_namespace() -> Callable[[], str]:
    """Names no test has used: topics, groups and keys of one test are out of others' way."""
    return lambda: f"t{secrets.token_hex(3)}-{next(_numbers)}"


@pytest.fixture
def namespace(fresh_namespace: Callable[[], str]) -> str:
    """A namespace for one test."""
    return fresh_namespace()
