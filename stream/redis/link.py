"""The connection to Redis: time limits, no hidden retries, and errors under our own name."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast

from redis import exceptions
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from stream.errors import StoreUnavailable

#: One call of a script: its text, keys and arguments.
Call = tuple[str, Sequence[str], Sequence[Any]]

#: Connections a process holds at most. A request has one for a fraction of a millisecond; while
#: Redis stalls, requests beyond these fail at once instead of queueing for the time limit.
_CONNECTIONS: Final = 128

_KINDS: Final = (
    (exceptions.TimeoutError, "timeout"),
    (exceptions.ConnectionError, "connection"),
    (exceptions.OutOfMemoryError, "memory"),
)


class Link:
    """A pool of connections, made on first use.

    A call takes one `timeout_s` (two where it must log in first) and is tried once: redis-py's
    own retries turn a stall into 40 s and apply scripts twice. `failures` counts by kind.
    `options` are redis-py's, for TLS and passwords that are not in the URL.
    """

    def __init__(self, url: str, timeout_s: float = 0.05, **options: Any) -> None:
        pool = ConnectionPool.from_url(
            url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0), max_connections=_CONNECTIONS,
            # RESP2 and no CLIENT SETINFO: a new connection costs no round trip of its own.
            protocol=2, driver_info=None, **options,
        )  # fmt: skip
        self.client = Redis(connection_pool=pool)
        self.failures: Counter[str] = Counter()

    @contextmanager
    def mapped(self) -> Iterator[None]:
        """Raise StoreUnavailable for whatever goes wrong inside."""
        try:
            yield
        except (exceptions.RedisError, OSError) as error:
            kind = next((k for cause, k in _KINDS if isinstance(error, cause)), "other")
            self.failures[kind] += 1
            raise StoreUnavailable(f"Redis: {error or type(error).__name__}", kind) from error

    async def get(self, *keys: str) -> list[bytes | None]:
        """Values of keys of one hash tag. Raises StoreUnavailable."""
        with self.mapped():
            return cast("list[bytes | None]", await self.client.mget(keys))

    async def gather(self, keys: Sequence[str]) -> list[bytes | None]:
        """Values of any keys, in one round trip. Raises StoreUnavailable."""
        with self.mapped():
            async with self.client.pipeline(transaction=False) as pipe:
                for key in keys:
                    pipe.get(key)
                return list(await pipe.execute())

    async def run(self, *calls: Call) -> list[tuple[int, int]]:
        """Run scripts in one round trip; each answers (outcome, number).

        A server that restarted has forgotten the scripts: they are sent again and all calls
        are repeated, which their guards make harmless. Raises StoreUnavailable.
        """
        with self.mapped():
            try:
                return await self._run(calls)
            except exceptions.NoScriptError:
                for text in {text for text, _, _ in calls}:
                    await self.client.script_load(text)
                return await self._run(calls)

    async def _run(self, calls: Sequence[Call]) -> list[tuple[int, int]]:
        async with self.client.pipeline(transaction=False) as pipe:
            for text, keys, arguments in calls:
                sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
                pipe.evalsha(sha, len(keys), *keys, *arguments)
            return [(int(outcome), int(number)) for outcome, number in await pipe.execute()]

    async def close(self) -> None:
        await self.client.aclose()
        await self.client.connection_pool.disconnect()
