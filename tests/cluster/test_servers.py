"""The test servers themselves: a broker and a Redis outlive kill -9 with what they held."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic

from deploy.local.kafka import Broker
from deploy.local.redis import Redis


@pytest.mark.full
def test_a_killed_broker_comes_back_with_its_records(new_broker: Callable[..., Broker]) -> None:
    broker = new_broker()
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    admin.create_topics([NewTopic("t", 1, 1)])
    admin.close()
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap, acks="all")
    producer.send("t", b"kept").get(20)
    producer.close()
    broker.kill()
    assert not broker.running()
    broker.start()
    broker.await_ready()
    consumer = KafkaConsumer(
        "t", bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest",
        consumer_timeout_ms=20_000,
    )  # fmt: skip
    assert next(consumer).value == b"kept"
    consumer.close()


def test_a_killed_redis_comes_back_with_its_keys(new_redis: Callable[..., Redis]) -> None:
    server = new_redis()
    with redis.Redis.from_url(server.url) as client:
        client.set("a", "1")
    server.kill()
    server.start()
    server.await_ready()
    with redis.Redis.from_url(server.url) as client:
        assert client.get("a") == b"1"


def test_session_servers_answer(kafka: str, redis_url: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    assert isinstance(admin.list_topics(), list)
    admin.close()
    with redis.Redis.from_url(redis_url) as client:
        assert client.ping()
