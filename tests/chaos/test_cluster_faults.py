"""Faults of the cluster, one after the other on one set of processes; each ends in the oracle."""

from __future__ import annotations

import dataclasses
import functools
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from tests.chaos.cluster_rig import Rig, click, eventually, running
from tests.chaos.load import Load

pytestmark = [
    pytest.mark.timeout(900),
    # It leaves the sockets of refused connections to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with running(tmp_path_factory.mktemp("rig")) as made:
        yield made


@pytest.fixture
def load(rig: Rig, seed: int) -> Load:
    return rig.under_load(seed)


def test_an_api_process_is_killed_and_the_other_serves(rig: Rig, load: Load) -> None:
    with load:
        load.wait_for(300)
        rig.apis[0].kill()
        load.wait_for(300)
        load.wait_for_lists(50)
        assert load.gone > 0
        rig.apis[0].start()
        rig.await_api(0)
        load.wait_for(100)
    assert not load.errors, load.errors[:3]
    rig.check(load.acknowledged)


def test_without_redis_the_next_rung_answers_and_events_are_taken(rig: Rig, load: Load) -> None:
    with load:
        load.wait_for(200)
        eventually(rig.is_personal, "rows are not served")
        rig.redis.stop()
        load.wait_for(200)
        served_by, degraded, items = rig.listed("u1")
        assert (served_by, degraded) == ("trending", True)
        assert items
        assert load.refused == 0
        rig.redis.start()
        rig.redis.await_ready()
        eventually(rig.is_personal, "rows did not come back")
        load.wait_for(100)
    assert not load.errors, load.errors[:3]
    assert load.degraded > 0
    rig.check(load.acknowledged)
    rig.require_fresh()


def test_redis_is_killed_and_emptied_and_all_is_as_before(rig: Rig, load: Load) -> None:
    with load:
        load.wait_for(200)
        rig.redis.kill()
        load.wait_for(100)
        rig.redis.start()
        rig.redis.await_ready()
        load.wait_for(100)
    assert not load.errors, load.errors[:3]
    rig.check(load.acknowledged)
    eventually(rig.is_personal, "rows did not come back")
    rig.require_fresh()
    before, embeddings = rig.healthy_lists(), embeddings_of(rig)
    with redis.Redis.from_url(rig.redis.url) as client:
        client.flushall()
    eventually(lambda: rig.lists() == before, "lists are not as they were before")
    assert embeddings_of(rig) == embeddings
    rig.require_fresh()


@pytest.mark.full
def test_without_a_broker_posts_are_refused_and_lists_go_on(rig: Rig, load: Load) -> None:
    with load:
        load.wait_for(200)
        eventually(rig.is_personal, "rows are not served")
        rig.broker.stop()
        eventually(lambda: load.refused > 0, "nothing was refused")
        refusal = httpx.post(f"{rig.urls[0]}/v1/events", json=click("refused"), timeout=30)
        assert refusal.status_code == 503
        assert int(refusal.headers["retry-after"]) >= 1
        eventually(rig.is_personal, "lists did not go on")
        load.wait_for_lists(20)
        rig.broker.start()
        rig.broker.await_ready()
        load.wait_for(200)
    assert not load.errors, load.errors[:3]
    rig.check(load.acknowledged)
    rig.require_fresh()


def test_wrong_commits_change_nothing(rig: Rig, load: Load) -> None:
    with load:
        load.wait_for(200)
        rig.workers[0].stop()
        rig.commit(5)
        load.wait_for(100)
        rig.workers[0].start()
        load.wait_for(100)
    assert not load.errors, load.errors[:3]
    rig.check(load.acknowledged)
    rig.require_fresh()


def test_events_out_of_order_within_the_bound_count_the_same(rig: Rig) -> None:
    """Some users' events in order, others' the same but shuffled; then one that is too late."""
    now, dice = time.time(), random.Random(22)
    kinds = [dice.choice(["view", "like", "purchase"]) for _ in range(60)]
    sent = [
        {
            "type": kind, "item_id": f"i{n}", "event_id": f"order-{n}",
            "timestamp": now - 86_400 + 600 * n,
        }
        for n, kind in enumerate(kinds)
    ]  # fmt: skip
    shuffled = dice.sample(sent, len(sent))
    for user_id, events in (("orderly", sent), ("shuffled", shuffled)):
        for start in range(0, len(events), 7):
            batch = [{**event, "user_id": user_id} for event in events[start : start + 7]]
            answer = httpx.post(f"{rig.urls[0]}/v1/events", json={"events": batch}, timeout=30)
            assert answer.status_code == 202, answer.text
    told = [known(rig, user_id, len(sent)) for user_id in ("orderly", "shuffled")]
    assert told[0]["counts"] == told[1]["counts"]
    late = {**click("late"), "timestamp": now - 31 * 86_400}
    answer = httpx.post(f"{rig.urls[0]}/v1/events", json=late, timeout=30)
    assert answer.status_code == 422 and "timestamp" in answer.text


def is_told(url: str, told: dict[str, Any]) -> bool:
    """Ask for it; False where Redis is too late for a request."""
    answer = httpx.get(url, timeout=60)
    told.update(answer.json())
    return answer.status_code == 200


def embeddings_of(rig: Rig) -> list[Any]:
    """What every API process tells of some users' embeddings."""
    found = []
    for url in rig.urls:
        for number in range(5):
            address, told = f"{url}/v1/users/u{number}/embedding", dict[str, Any]()
            eventually(functools.partial(is_told, address, told), "no embedding is told")
            found.append(told["embedding"])
    return found


def known(rig: Rig, user_id: str, events: int) -> dict[str, Any]:
    """A user as the API tells of them, once so many of their events are learned."""
    found: dict[str, Any] = {}

    def learned() -> bool:
        answer = httpx.get(f"{rig.urls[1]}/v1/users/{user_id}", timeout=60)
        found.update(answer.json())
        return answer.status_code == 200 and sum(found["counts"].values()) == events

    eventually(learned, f"{user_id}: not all events are learned")
    return found


def test_the_oracle_notices_what_it_is_there_for(rig: Rig, load: Load) -> None:
    with load:
        load.wait_for(50)
        store = rig.parts().snapshots(read_only=True)
        eventually(lambda: len(store.names("profiles.0")) > 1, "no snapshots were written")
    rig.check(load.acknowledged)
    rig.workers[0].stop()
    with pytest.raises(AssertionError, match="lost"):
        rig.check(load.acknowledged | {("u1", "never sent")})
    learn_twice(rig)
    with pytest.raises(AssertionError, match="learned twice"):
        rig.check(load.acknowledged)


def learn_twice(rig: Rig) -> None:
    """Let the newest snapshot claim the place of the one before: what came between comes again."""
    store = rig.parts().snapshots()
    names = store.names("profiles.0")[:2]
    newest, older = (store.read(name) for name in names)
    for name in names:
        Path(name.path).unlink()
    store.write(dataclasses.replace(newest, position=older.position, witness=older.witness))
