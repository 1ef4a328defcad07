"""Settings that learning depends on, in a cluster: applied by one verb, agreed on by all."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaProducer, TopicPartition

from models.settings import Content, LearningSettings
from stream.errors import ManifestMismatch
from stream.kafka import settings_log
from stream.kafka.envelopes import pack
from stream.kafka.layout import Layout
from stream.kafka.names import Topics
from stream.kafka.security import Link
from stream.kafka.topics import create
from stream.manifest import Manifest
from stream.setting import setting_record
from tests.cluster.test_cluster import Cluster, events, eventually, running, send

_GUARD_S = 60.0
OTHER = {"FRESHET_LEARNING__REPEATS": "true", "FRESHET_LEARNING__RANKER__LEARNING_RATE": "0.002"}
OTHER_KEYS = ["learning.ranker.learning_rate", "learning.repeats"]


@pytest.fixture
def cluster(kafka: str, redis_url: str, tmp_path: Path) -> Iterator[Cluster]:
    with running(kafka, redis_url, tmp_path) as made:
        yield made


def refused(cluster: Cluster, *arguments: str) -> str:
    """What a verb says that must end with 2, at once and by itself."""
    command = [sys.executable, "-m", "config.cli.main", *arguments]
    done = subprocess.run(
        command, env=cluster.environment, capture_output=True, text=True, timeout=_GUARD_S
    )
    assert done.returncode == 2, done.stderr
    return done.stderr


def test_a_process_whose_settings_differ_starts_once_they_are_applied(cluster: Cluster) -> None:
    assert json.loads(cluster.verb("settings", "apply", "--json")) == {"changed": []}
    agreed = dict(cluster.environment)
    cluster.environment.update(OTHER)
    for verb in ("worker", "api"):
        told = refused(cluster, verb)
        assert all(key in told for key in OTHER_KEYS)
        assert "settings apply" in told
    assert json.loads(cluster.verb("settings", "apply", "--json")) == {"changed": OTHER_KEYS}
    assert json.loads(cluster.verb("settings", "apply", "--json")) == {"changed": []}
    cluster.start("worker")
    send(cluster.api(), events(0, 50))
    eventually(lambda: cluster.state()["unlearned"] == 0)
    state = cluster.state()
    assert state["applied"] == 50
    rebuilt = json.loads(cluster.verb("rebuild", "--kafka", cluster.bootstrap, "--json"))
    assert rebuilt == state
    cluster.environment.clear()
    cluster.environment.update(agreed)
    assert "learning.repeats" in refused(cluster, "worker")


def test_what_a_namespace_was_begun_with_cannot_differ(cluster: Cluster) -> None:
    for name, value, said in (
        ("FRESHET_MANIFEST__HISTORY", "50", "manifest.history"),
        ("FRESHET_KAFKA__PARTITIONS", "5", "kafka.partitions"),
    ):
        before = cluster.environment.get(name)
        cluster.environment[name] = value
        assert said in refused(cluster, "worker")
        assert said in refused(cluster, "settings", "apply")
        cluster.environment.pop(name)
        if before is not None:
            cluster.environment[name] = before
    cluster.environment["FRESHET_LEARNING__EMBEDDINGS__DIMS"] = "32"
    assert "learning.embeddings.dims" in refused(cluster, "settings", "apply")


@pytest.fixture
def control(kafka: str, namespace: str) -> TopicPartition:
    names = Topics(namespace)
    create(Link(kafka), names, Layout(partitions=1), Manifest(), LearningSettings())
    return TopicPartition(names.control, 0)


def test_the_newest_setting_is_found_wherever_it_lies(kafka: str, control: TopicPartition) -> None:
    link, changed = Link(kafka), LearningSettings(repeats=True)
    assert settings_log.newest(link, control) == LearningSettings()
    item = b'{"type":"item","item_id":"a","title":"setting"}'
    append(kafka, control, [item] * 3_000 + [pack([item, setting_record(changed)])])
    append(kafka, control, [b'{"type":"setting","learning":{"repeats":3}}', b"no json"])
    assert settings_log.newest(link, control) == changed
    append(kafka, control, [item] * 8_000)
    assert settings_log.newest(link, control) == changed
    assert settings_log.apply(link, control, changed) == []
    assert settings_log.apply(link, control, LearningSettings()) == ["learning.repeats"]
    assert settings_log.newest(link, control) == LearningSettings()
    with pytest.raises(ManifestMismatch, match=r"learning\.content\.dims"):
        settings_log.apply(link, control, LearningSettings(content=Content(dims=32)))


def append(kafka: str, control: TopicPartition, values: list[bytes]) -> None:
    producer = KafkaProducer(bootstrap_servers=kafka, acks="all")
    for value in values:
        producer.send(control.topic, value, partition=0)
    producer.flush()
    producer.close()
