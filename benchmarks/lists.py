"""Lists asked for in other ways than one by one: a thousand users at once, and explained."""

from __future__ import annotations

import random
import statistics
import time

import httpx

from benchmarks.record import Figure

CROWD, RUNS, EXPLAINED = 1_000, 5, 200


def figures(url: str, users: int) -> list[Figure]:
    """Of a server that holds users u0 to u`users`."""
    chance = random.Random(6)
    with httpx.Client(base_url=url, timeout=60) as client:
        batches = [_batch(client, chance, users) for _ in range(RUNS + 1)][1:]
        explained = [_explained(client, chance, users) for _ in range(EXPLAINED)]
    return [
        Figure("batches of 1,000 users", statistics.median(batches), None, "lists/s"),
        Figure("explain=true, c=1, p50", statistics.median(explained), None, "ms", "lower"),
    ]


def _batch(client: httpx.Client, chance: random.Random, users: int) -> float:
    body = {"user_ids": [f"u{chance.randrange(users)}" for _ in range(CROWD)]}
    began = time.perf_counter()
    answer = client.post("/v1/recommendations:batch", json=body).raise_for_status()
    assert len(answer.json()["lists"]) == CROWD
    return CROWD / (time.perf_counter() - began)


def _explained(client: httpx.Client, chance: random.Random, users: int) -> float:
    target = f"/v1/users/u{chance.randrange(users)}/recommendations"
    began = time.perf_counter()
    client.get(target, params={"explain": "true"}).raise_for_status()
    return (time.perf_counter() - began) * 1e3
