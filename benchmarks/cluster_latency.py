"""Clicks beside a steady load, seen through two API processes."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from benchmarks import serving
from benchmarks.rig import Cluster

RATE, BATCH, WARM_S, STEADY_S, PROBE_S = 500, 50, 5.0, 15.0, 0.05
# How often another process is asked whether it has learned the click.
_LOOK_S = 0.004
_GIVE_UP_S = 10.0

Times = dict[str, list[float]]


def measure(cluster: Cluster) -> Times:
    """Milliseconds: `own` and `others` from the answer to the click, `recommend` of a request.

    Clicks go to one process and are looked for in the other.
    """
    cluster.worker()
    one, two = cluster.api(), cluster.api()
    with (
        httpx.Client(base_url=one, timeout=30) as first,
        httpx.Client(base_url=two, timeout=30) as second,
    ):
        serving.put_items(first, serving.ITEMS)
        stop = threading.Event()
        load = threading.Thread(target=_load, args=(one, stop))
        load.start()
        try:
            _await_first(first, second)
            time.sleep(WARM_S)
            return _probe(first, second)
        finally:
            stop.set()
            load.join()


def _await_first(first: httpx.Client, second: httpx.Client) -> None:
    """Wait until a click comes through at all: workers are up and kernels are loaded."""
    end = time.monotonic() + 120
    position = first.post("/v1/events", json=_click("warm", 0)).json()["position"]
    while time.monotonic() < end:
        if not _list(second, "warm", position).json()["degraded"]:
            return
    raise SystemExit("no click comes through")


def _probe(first: httpx.Client, second: httpx.Client) -> Times:
    found: Times = {"own": [], "others": [], "recommend": []}
    chance = random.Random(3)
    end, number = time.monotonic() + STEADY_S, 0
    with ThreadPoolExecutor(1) as watching:
        while time.monotonic() < end:
            number += 1
            user = f"u{chance.randrange(serving.USERS)}"
            start = time.perf_counter()
            second.get(f"/v1/users/{user}/recommendations").raise_for_status()
            found["recommend"].append(_ms_since(start))
            prober = f"prober-{number}"
            position = first.post("/v1/events", json=_click(prober, number)).json()["position"]
            accepted = time.perf_counter()
            other = watching.submit(_await_learned, str(second.base_url), prober, accepted)
            _list(second, prober, position).raise_for_status()
            found["own"].append(_ms_since(accepted))
            found["others"].append(other.result())
            time.sleep(PROBE_S)
    return found


def _await_learned(url: str, user_id: str, accepted: float) -> float:
    """Milliseconds until the process has learned from this user: others' lists know of it."""
    after = 0
    with httpx.Client(base_url=url, timeout=30) as client:
        while _ms_since(accepted) < _GIVE_UP_S * 1e3:
            answer = client.get("/page/activity", params={"after": after}).json()
            after = answer["next"]
            if any(entry["user_id"] == user_id for entry in answer["activity"]):
                break
            time.sleep(_LOOK_S)
    return _ms_since(accepted)


def _list(client: httpx.Client, user_id: str, position: str) -> httpx.Response:
    query = {"after": position, "wait_ms": "5000"}
    return client.get(f"/v1/users/{user_id}/recommendations", params=query)


def _click(user_id: str, number: int) -> dict[str, str]:
    return {"type": "like", "user_id": user_id, "item_id": f"i{number % serving.ITEMS}"}


def _load(url: str, stop: threading.Event) -> None:
    chance = random.Random(2)
    with httpx.Client(base_url=url, timeout=60) as client:
        next_at = time.monotonic()
        while not stop.is_set():
            events = [serving.event(chance) for _ in range(BATCH)]
            client.post("/v1/events", json={"events": events}).raise_for_status()
            next_at += BATCH / RATE
            time.sleep(max(next_at - time.monotonic(), 0))


def _ms_since(start: float) -> float:
    return (time.perf_counter() - start) * 1e3


def at(values: list[float], share: float) -> float:
    return serving.at(values, share)
