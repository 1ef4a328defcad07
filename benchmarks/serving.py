"""Ingest, learning, latency and freshness of the embedded mode over HTTP, one server process.

The load comes from this process, on the same machine: `python -m benchmarks.serving`.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from benchmarks.record import Figure, record
from benchmarks.server import server

ITEMS, USERS, BATCH = 1_682, 5_000, 100
BURST_EVENTS, STEADY_S = 60_000, 20


def main() -> int:
    chance = random.Random(1)
    started = time.monotonic()
    with server() as url:
        ready_s = time.monotonic() - started
        with httpx.Client(base_url=url, timeout=60) as client:
            put_items(client, ITEMS)
            burst, learned = measure_burst(url, client, chance)
            recommend, freshness = measure_steady(url, client, chance)
    return 0 if record("serving", figures(ready_s, burst, learned, recommend, freshness)) else 1


def figures(
    ready_s: float, burst: float, learned: float, recommend: list[float], freshness: list[float]
) -> list[Figure]:
    return [
        Figure("start to ready, installed", ready_s, 5, "s", "lower"),
        Figure("ingest over HTTP, batches of 100, durable", burst, 10_000, "events/s"),
        Figure("learning, scoring at its default", learned, 10_000, "events/s"),
        Figure("recommendations at 1,000 events/s, p50", median(recommend), 5, "ms", "lower"),
        Figure("recommendations at 1,000 events/s, p99", at(recommend, 0.99), 20, "ms", "lower"),
        Figure("click to own next list, p50", median(freshness), 20, "ms", "lower"),
        Figure("click to own next list, p99", at(freshness, 0.99), 100, "ms", "lower"),
    ]


def put_items(client: httpx.Client, count: int) -> None:
    items = [
        {"item_id": f"i{n}", "title": f"item {n}", "categories": [f"c{n % 20}"]}
        for n in range(count)
    ]
    for start in range(0, count, 1_000):
        client.put("/v1/items", json={"items": items[start : start + 1_000]}).raise_for_status()


def event(chance: random.Random, users: int = USERS) -> dict[str, str]:
    """An event with a taste in it: users and items fall into 20 groups."""
    user = chance.randrange(users)
    item = min(int(chance.paretovariate(0.8)), ITEMS // 20 - 1) * 20 + user % 20
    return {"type": "view", "user_id": f"u{user}", "item_id": f"i{item}"}


def measure_burst(url: str, client: httpx.Client, chance: random.Random) -> tuple[float, float]:
    """(accepted events/s, learned events/s), four connections, bodies made beforehand."""
    bodies = [
        json.dumps({"events": [event(chance) for _ in range(BATCH)]})
        for _ in range(BURST_EVENTS // BATCH)
    ]
    headers = {"content-type": "application/json"}
    with httpx.Client(base_url=url, timeout=60) as shared, ThreadPoolExecutor(4) as pool:
        start = time.monotonic()
        answers = pool.map(lambda b: shared.post("/v1/events", content=b, headers=headers), bodies)
        positions = [answer.raise_for_status().json()["position"] for answer in answers]
        accepted_s = time.monotonic() - start
    last = max(positions, key=lambda token: int(token.rsplit("-", 1)[1]))
    while True:
        query = {"after": last, "wait_ms": 5000}
        if not client.get("/v1/users/u1/recommendations", params=query).json()["degraded"]:
            break
    return BURST_EVENTS / accepted_s, BURST_EVENTS / (time.monotonic() - start)


def measure_steady(
    url: str, client: httpx.Client, chance: random.Random
) -> tuple[list[float], list[float]]:
    """(request times, click-to-list times) in ms at a steady 1,000 events/s."""
    stop = threading.Event()
    producer = threading.Thread(target=produce, args=(url, stop))
    producer.start()
    recommend, freshness = [], []
    end = time.monotonic() + STEADY_S
    while time.monotonic() < end:
        user = f"u{chance.randrange(USERS)}"
        start = time.perf_counter()
        client.get(f"/v1/users/{user}/recommendations").raise_for_status()
        recommend.append((time.perf_counter() - start) * 1e3)
        click = {**event(chance), "user_id": user}
        start = time.perf_counter()
        position = client.post("/v1/events", json=click).json()["position"]
        client.get(f"/v1/users/{user}/recommendations", params={"after": position})
        freshness.append((time.perf_counter() - start) * 1e3)
        time.sleep(0.01)
    stop.set()
    producer.join()
    return recommend, freshness


def produce(url: str, stop: threading.Event) -> None:
    chance = random.Random(2)
    with httpx.Client(base_url=url, timeout=60) as client:
        next_at = time.monotonic()
        while not stop.is_set():
            events = [event(chance) for _ in range(BATCH)]
            client.post("/v1/events", json={"events": events}).raise_for_status()
            next_at += BATCH / 1_000
            time.sleep(max(next_at - time.monotonic(), 0))


def median(values: list[float]) -> float:
    return statistics.median(values)


def at(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


if __name__ == "__main__":
    sys.exit(main())
