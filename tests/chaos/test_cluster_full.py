"""The slow faults of the cluster, behind --full: proxies, stalls, kills under load, retention."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator

import httpx
import pytest
import redis
from kafka.admin import KafkaAdminClient
from kafka.structs import TopicPartition

from tests.chaos.cluster_rig import Rig, click, eventually, running
from tests.chaos.load import Load
from tests.chaos.tcp_proxy import Proxy

pytestmark = [
    pytest.mark.timeout(1_800),
    # It leaves the sockets of refused connections to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


@pytest.fixture(scope="module")
def rig(full: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    if not full:
        pytest.skip("minutes long: --full")
    with running(tmp_path_factory.mktemp("rig"), proxies=True) as made:
        yield made


def done(rig: Rig, load: Load) -> None:
    assert not load.errors, load.errors[:3]
    rig.check(load.acknowledged)
    rig.require_fresh()


def proxy_of(proxy: Proxy | None) -> Proxy:
    assert proxy is not None
    return proxy


def test_redis_stalls_and_comes_back(rig: Rig, seed: int) -> None:
    with rig.under_load(seed) as load:
        load.wait_for(300)
        rig.redis.send(signal.SIGSTOP)
        try:
            eventually(lambda: load.degraded > 0, "the stall was not noticed")
            load.wait_for(100)
            assert rig.listed("u1")[:2] == ("trending", True)
            # Learning goes on meanwhile: stage one waits for Redis once, not at every batch.
            for _ in range(20):
                emitted = rig.examples()
                load.wait_for(1)
                eventually(lambda emitted=emitted: rig.examples() > emitted, "nothing is learned")  # type: ignore[misc]
        finally:
            rig.redis.send(signal.SIGCONT)
        eventually(rig.is_personal, "rows did not come back")
        load.wait_for(100)
    done(rig, load)


def test_redis_is_out_of_memory_and_reads_go_on(rig: Rig, seed: int) -> None:
    with rig.under_load(seed) as load, redis.Redis.from_url(rig.redis.url) as client:
        load.wait_for(300)
        eventually(rig.is_personal, "rows are not served")
        client.config_set("maxmemory", "1mb")
        try:
            load.wait_for(500)
            eventually(rig.is_personal, "lists did not go on")
            told = rig.workers[0].log
            eventually(
                lambda: b"used memory" in told.read_bytes(), "Redis took rows without memory"
            )
        finally:
            client.config_set("maxmemory", "0")
        load.wait_for(100)
    done(rig, load)


def test_a_slow_redis_costs_the_personal_rung_only(rig: Rig, seed: int) -> None:
    proxy = proxy_of(rig.redis_proxy)
    with rig.under_load(seed) as load:
        load.wait_for(300)
        proxy.delay_s = 0.2
        try:
            load.wait_for(300)
            assert rig.listed("u1")[:2] == ("trending", True)
        finally:
            proxy.delay_s = 0.0
        eventually(rig.is_personal, "rows did not come back")
        load.wait_for(100)
    done(rig, load)


def test_the_broker_is_killed_under_load(rig: Rig, seed: int) -> None:
    with rig.under_load(seed, pause_s=0.0) as load:
        for _ in range(3):
            load.wait_for(2_000)
            rig.broker.kill()
            rig.broker.start()
            rig.broker.await_ready()
        load.wait_for(2_000)
    done(rig, load)


def test_a_stalled_broker_is_answered_with_503(rig: Rig, seed: int) -> None:
    with rig.under_load(seed) as load:
        load.wait_for(300)
        rig.broker.send(signal.SIGSTOP)
        try:
            refusal = httpx.post(f"{rig.urls[0]}/v1/events", json=click("stalled"), timeout=60)
            assert refusal.status_code == 503
            assert int(refusal.headers["retry-after"]) >= 1
            time.sleep(25)
            eventually(rig.is_personal, "lists did not go on")
        finally:
            rig.broker.send(signal.SIGCONT)
        load.wait_for(300)
    done(rig, load)


def test_a_slow_broker_shows_in_the_lag_and_lists_go_on(rig: Rig, seed: int) -> None:
    proxy = proxy_of(rig.kafka_proxy)
    with rig.under_load(seed) as load:
        load.wait_for(300)
        eventually(rig.is_personal, "rows are not served")
        assert rig.metric(rig.urls[0], "freshet_visible_seconds_count") > 0
        proxy.delay_s = 2.0
        try:
            eventually(lambda: rig.metric(rig.urls[0], "freshet_lag_seconds") > 2, "no lag is told")
            eventually(rig.is_personal, "lists did not go on")
            load.wait_for_lists(20)
        finally:
            proxy.delay_s = 0.0
        load.wait_for(100)
    done(rig, load)
    eventually(lambda: rig.metric(rig.urls[0], "freshet_lag_seconds") == 0, "it stays late")


@pytest.mark.parametrize("silently", [False, True])
def test_clients_are_cut_off_from_the_broker_for_a_minute(
    rig: Rig, seed: int, silently: bool
) -> None:
    """By resets, or by a way on which every byte is lost."""
    proxy = proxy_of(rig.kafka_proxy)
    with rig.under_load(seed) as load:
        load.wait_for(300)
        eventually(rig.is_personal, "rows are not served")
        proxy.silent = silently
        if not silently:
            proxy.cut()
        try:
            eventually(lambda: load.refused > 0, "nothing was refused")
            refusal = httpx.post(f"{rig.urls[0]}/v1/events", json=click("cut off"), timeout=60)
            assert refusal.status_code == 503
            assert int(refusal.headers["retry-after"]) >= 1
            time.sleep(60)
            eventually(rig.is_personal, "lists did not go on")
        finally:
            proxy.cut()  # what lost bytes cannot go on
            proxy.silent = False
            proxy.mend()
        load.wait_for(300)
    done(rig, load)


def test_workers_come_go_and_are_killed_under_load(rig: Rig, seed: int) -> None:
    dice = random.Random(seed)
    with rig.under_load(seed, pause_s=0.0) as load:
        second = rig.add_worker()
        for _ in range(8):
            load.wait_for(1_000)
            worker = dice.choice([rig.workers[0], second])
            if dice.random() < 0.3:
                worker.stop()
            elif dice.random() < 0.5:
                # A zombie: longer away than its session lasts.
                worker.send(signal.SIGSTOP)
                time.sleep(5)
                worker.send(signal.SIGCONT)
                continue
            else:
                worker.kill()
            time.sleep(dice.expovariate(1))
            worker.start()
        load.wait_for(1_000)
    done(rig, load)
    second.stop()


def test_events_sent_up_to_three_times_have_one_effect(rig: Rig, seed: int) -> None:
    with rig.under_load(seed, repeats=0.5) as load:
        load.wait_for(4_000)
        rig.workers[0].kill()
        rig.workers[0].start()
        load.wait_for(2_000)
    assert not load.errors, load.errors[:3]
    assert rig.check(load.acknowledged)["duplicates"] > len(load.acknowledged) // 2


def test_retention_beyond_the_snapshot_is_refused_loudly(rig: Rig, seed: int) -> None:
    with rig.under_load(seed) as load:
        load.wait_for(500)
    rig.check(load.acknowledged)
    worker = rig.workers[0]
    worker.kill()
    with rig.under_load(seed) as load:
        load.wait_for(500)
    admin = KafkaAdminClient(bootstrap_servers=rig.broker.bootstrap)
    topic = rig.parts().topics.events
    at = TopicPartition(topic, 0)
    try:
        admin.delete_records({at: -1})
    finally:
        admin.close()
    worker.start()
    eventually(lambda: worker.restarts > 1, "the worker went on over a hole")
    assert "PositionLost" in worker.log.read_text("utf-8", "replace")
    eventually(rig.is_personal, "lists did not go on")
