"""Settings that learning depends on, in a cluster: applied by one verb, agreed on by all."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from kafka import KafkaProducer, TopicPartition

from config.cli.main import main
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

Freshet = Callable[..., tuple[int, str]]

OTHER = {"FRESHET_LEARNING__REPEATS": "true", "FRESHET_LEARNING__RANKER__LEARNING_RATE": "0.002"}
OTHER_KEYS = ["learning.ranker.learning_rate", "learning.repeats"]
SENTENCES = {"FRESHET_LEARNING__CONTENT__TEXT": "sentences"}


@pytest.fixture
def cluster(kafka: str, redis_url: str, tmp_path: Path) -> Iterator[Cluster]:
    with running(kafka, redis_url, tmp_path) as made:
        yield made


@pytest.fixture
def freshet(
    kafka: str, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Freshet:  # fmt: skip
    """Run a verb in this process, in a namespace of its own; exit code and what was said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FRESHET_CORE__NAMESPACE", namespace)
    monkeypatch.setenv("FRESHET_KAFKA__BOOTSTRAP", kafka)
    monkeypatch.setenv("FRESHET_KAFKA__PARTITIONS", "2")

    def run(*arguments: str, **environ: str) -> tuple[int, str]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["freshet", *arguments])
            for name, value in environ.items():
                patch.setenv(name, value)
            try:
                main()
            except SystemExit as ended:
                told = capsys.readouterr()
                return int(ended.code or 0), told.out or told.err
        raise AssertionError("a verb ends by SystemExit")

    assert run("topics", "create")[0] == 0
    return run


def test_a_process_whose_settings_differ_does_not_start(freshet: Freshet) -> None:
    for verb in ("worker", "api"):
        code, said = freshet(verb, **OTHER)
        assert code == 2
        assert all(key in said for key in [*OTHER_KEYS, "settings apply"])


def test_what_a_namespace_was_begun_with_cannot_differ(freshet: Freshet) -> None:
    for name, value, key in (
        ("FRESHET_MANIFEST__HISTORY", "50", "manifest.history"),
        ("FRESHET_KAFKA__PARTITIONS", "5", "kafka.partitions"),
    ):
        for arguments in (["worker"], ["api"], ["settings", "apply"]):
            code, said = freshet(*arguments, **{name: value})
            assert (code, key in said) == (2, True)
    dims = {"FRESHET_LEARNING__EMBEDDINGS__DIMS": "32"}
    code, said = freshet("settings", "apply", **dims)
    assert (code, "learning.embeddings.dims" in said) == (2, True)


def test_only_a_difference_is_appended(freshet: Freshet) -> None:
    apply = ("settings", "apply", "--json")
    assert json.loads(freshet(*apply)[1]) == {"changed": []}
    assert json.loads(freshet(*apply, **OTHER)[1]) == {"changed": OTHER_KEYS}
    assert json.loads(freshet(*apply, **OTHER)[1]) == {"changed": []}
    code, said = freshet("worker")
    assert (code, "learning.repeats" in said) == (2, True)


def test_a_rebuild_repeats_what_was_applied(cluster: Cluster) -> None:
    api = cluster.api()
    send(api, events(0, 50))
    put(api, ["Rain jacket", "Sofa, three seats", "Coffee grinder", "Desk lamp"])
    cluster.environment.update(OTHER, **SENTENCES)
    cluster.verb("settings", "apply")
    cluster.start("worker")  # it starts under what is in force now
    send(api, events(50, 100))
    put(api, ["Comfortable couch"])
    state = {"applied": 0}

    def learned() -> bool:
        state.update(cluster.state())
        return state["applied"] == 100 and state["unlearned"] == 0

    eventually(learned)
    replicas = [api, cluster.api()]  # one that ran when the setting changed, and a later one
    eventually(
        lambda: {most_like(one, "Comfortable couch") for one in replicas} == {"Sofa, three seats"}
    )
    rebuilt = json.loads(cluster.verb("rebuild", "--kafka", cluster.bootstrap, "--json"))
    assert rebuilt == state


def put(api: httpx.Client, titles: list[str]) -> None:
    """Items that are called as they are titled."""
    items = [{"item_id": title, "title": title} for title in titles]
    assert api.put("/v1/items", json={"items": items}).status_code == 202


def most_like(api: httpx.Client, item_id: str) -> str:
    similar = api.get(f"/v1/items/{quote(item_id)}/similar", params={"k": 1}).json()["items"]
    return similar[0]["item_id"] if similar else ""


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
