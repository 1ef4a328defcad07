"""Recommendations under load, by wrk: one server process on one core, wrk on another.

Users are drawn uniformly, the result cache is off. Not bound to a core, the server may use what
wrk leaves of them. `python -m benchmarks.load`
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import httpx

from benchmarks import filled, lists, serving
from benchmarks.record import Figure, record
from benchmarks.server import server

USERS, EACH, RUNS, SECONDS = 100_000, 50, 3, 8
MANY_ITEMS, FEW_USERS = 100_000, 20_000
# Beside learning: some runs until tables have grown and the first snapshot is copied, then as many
# as tell how often a click meets a copy.
RATE, EVENTS_RATE, STEADY_S, GROWING, STEADY = 500, 1_000, 20, 2, 3

_LUA = Path(__file__).parent / "users.lua"
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass(frozen=True)
class Run:
    """Requests/s, and latencies in ms."""

    rate: float
    p50: float
    p99: float


def main() -> int:
    if not shutil.which("wrk"):
        print("wrk is not installed (Debian's package wrk)", file=sys.stderr)
        return 1
    figures = [*ten_thousand(), *hundred_thousand()]
    return 0 if record("load", figures) else 1


def ten_thousand() -> list[Figure]:
    with server(filled.folder(10_000, USERS, EACH), core=0) as url:
        one, sixteen = wrk(url, 1, USERS), wrk(url, 16, USERS)
        others = lists.figures(url, USERS)
        with _bound(1):
            runs = [asyncio.run(learning(url)) for _ in range(GROWING + STEADY)][GROWING:]
        late, fresh = ([took for run in runs for took in run[which]] for which in (0, 1))
    with server(filled.folder(10_000, USERS, EACH)) as url:
        both = wrk(url, 16, USERS)
    name = "10,000 items"
    beside = f"{RATE} req/s beside {EVENTS_RATE:,} events/s"
    return [
        Figure(f"{name}, c=1, p50", one.p50, 1, "ms", "lower"),
        Figure(f"{name}, c=1, p99", one.p99, 5, "ms", "lower"),
        Figure(f"{name}, c=16", sixteen.rate, 1_900, "req/s"),
        Figure(f"{name}, c=16, p99", sixteen.p99, None, "ms", "lower"),
        Figure(f"{name}, c=16, not bound to a core", both.rate, 4_000, "req/s"),
        Figure(f"{name}, c=16, not bound to a core, p99", both.p99, 15, "ms", "lower"),
        Figure(f"{name}, {beside}, p99", serving.at(late, 0.99), 20, "ms", "lower"),
        Figure("click to own next list, p50", statistics.median(fresh), 20, "ms", "lower"),
        Figure("click to own next list, p99", serving.at(fresh, 0.99), 100, "ms", "lower"),
        *others,
    ]


def hundred_thousand() -> list[Figure]:
    with server(filled.folder(MANY_ITEMS, FEW_USERS, EACH), core=0) as url:
        one, sixteen = wrk(url, 1, FEW_USERS), wrk(url, 16, FEW_USERS)
    return [
        Figure("100,000 items, c=16", sixteen.rate, 600, "req/s"),
        Figure("100,000 items, c=1, p99", one.p99, 20, "ms", "lower"),
    ]


def wrk(url: str, connections: int, users: int) -> Run:
    """The median of some runs, after one that warms up."""
    runs = [_wrk(url, connections, users) for _ in range(RUNS + 1)][1:]
    return Run(*(statistics.median(getattr(run, name) for run in runs) for name in _NAMES))


_NAMES = ("rate", "p50", "p99")


def _wrk(url: str, connections: int, users: int) -> Run:
    command = [
        "taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency",
        "-s", str(_LUA), url,
    ]  # fmt: skip
    environ = {**os.environ, "FRESHET_USERS": str(users)}
    said = subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(said)
    rate = float(_found(r"Requests/sec:\s+([\d.]+)", said)[0])
    p50, p99 = (_ms(*_found(rf"{share}%\s+([\d.]+)(us|ms|s)", said)) for share in (50, 99))
    return Run(rate, p50, p99)


def _found(pattern: str, said: str) -> tuple[str, ...]:
    match = re.search(pattern, said)
    if match is None:
        raise SystemExit(f"wrk said something else:\n{said}")
    return match.groups()


def _ms(number: str, unit: str) -> float:
    return float(number) * _UNITS[unit]


@contextmanager
def _bound(core: int) -> Iterator[None]:
    """Keep off the server's processor, as wrk does."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


async def learning(url: str) -> tuple[list[float], list[float]]:
    """(request, click to own next list) in ms, at steady rates; an open loop, so that a late
    answer delays no other request, counted from when the request was due."""
    stop = threading.Event()
    producing = threading.Thread(target=_produce, args=(url, stop))
    producing.start()
    chance, late, fresh = random.Random(4), list[float](), list[float]()
    try:
        connector = aiohttp.TCPConnector(limit=64)
        async with aiohttp.ClientSession(url, connector=connector) as client:
            began, tasks = time.perf_counter(), []
            for number in range(RATE * STEADY_S):
                due = began + number / RATE
                await asyncio.sleep(max(due - time.perf_counter(), 0))
                user = f"u{chance.randrange(USERS)}"
                work = _click(client, user, due, fresh) if number % 50 == 0 else None
                tasks.append(asyncio.create_task(work or _ask(client, user, due, late)))
            await asyncio.gather(*tasks)
    finally:
        stop.set()
        producing.join()
    return late, fresh


async def _ask(client: aiohttp.ClientSession, user: str, due: float, late: list[float]) -> None:
    async with client.get(f"/v1/users/{user}/recommendations", raise_for_status=True) as answer:
        await answer.read()
    late.append((time.perf_counter() - due) * 1e3)


async def _click(client: aiohttp.ClientSession, user: str, due: float, fresh: list[float]) -> None:
    event = {"type": "view", "user_id": user, "item_id": "i1"}
    async with client.post("/v1/events", json=event, raise_for_status=True) as accepted:
        after = {"after": (await accepted.json())["position"]}
    path = f"/v1/users/{user}/recommendations"
    async with client.get(path, params=after, raise_for_status=True) as answer:
        await answer.read()
    fresh.append((time.perf_counter() - due) * 1e3)


def _produce(url: str, stop: threading.Event) -> None:
    chance, lot = random.Random(5), 50
    with httpx.Client(base_url=url, timeout=60) as client:
        due = time.monotonic()
        while not stop.is_set():
            events = [
                {
                    "type": "view", "user_id": f"u{chance.randrange(USERS)}",
                    "item_id": f"i{chance.randrange(10_000)}",
                }
                for _ in range(lot)
            ]  # fmt: skip
            body = json.dumps({"events": events})
            headers = {"content-type": "application/json"}
            client.post("/v1/events", content=body, headers=headers).raise_for_status()
            due += lot / EVENTS_RATE
            time.sleep(max(due - time.monotonic(), 0))


if __name__ == "__main__":
    sys.exit(main())
