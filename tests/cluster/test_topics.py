"""`freshet topics` on a real broker: what it makes, what it leaves alone, what it refuses."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewTopic

from config.cli.main import main
from deploy.local.processes import free_port
from stream.kafka.names import Topics

Freshet = Callable[..., tuple[int, str]]


@pytest.fixture
def freshet(
    kafka: str,
    namespace: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Freshet:
    """Run a verb in this process, in a namespace of its own; exit code and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FRESHET_CORE__NAMESPACE", namespace)
    monkeypatch.setenv("FRESHET_KAFKA__BOOTSTRAP", kafka)

    def run(*arguments: str, **environ: str) -> tuple[int, str]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["freshet", *arguments])
            for name, value in environ.items():
                patch.setenv(name, value)
            try:
                main()
            except SystemExit as ended:
                return int(ended.code or 0), " ".join(capsys.readouterr().err.split())
        return 0, " ".join(capsys.readouterr().err.split())

    return run


@pytest.fixture
def names(namespace: str) -> Topics:
    return Topics(namespace)


@pytest.fixture
def admin(kafka: str) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=kafka)
    yield client
    client.close()


def alter(admin: KafkaAdminClient, topic: str, **config: str) -> None:
    """Change a topic and wait until the broker says so."""
    wanted = {name.replace("_", "."): value for name, value in config.items()}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, wanted)])
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = configs(admin, topic)
        if all(found[name] == value for name, value in wanted.items()):
            return
        time.sleep(0.05)
    pytest.fail(f"{topic} never had {wanted}")


def configs(admin: KafkaAdminClient, topic: str) -> dict[str, str]:
    resource = ConfigResource(ConfigResourceType.TOPIC, topic)
    found = admin.describe_configs([resource], config_filter="all")["topic"][topic]
    return {name: entry["value"] for name, entry in found.items()}


def records(kafka: str, topic: str, partitions: int) -> dict[int, list[dict[str, Any]]]:
    """Every record of a topic by partition, as JSON."""
    consumer = KafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest")
    tps = [TopicPartition(topic, number) for number in range(partitions)]
    consumer.assign(tps)
    ends = consumer.end_offsets(tps)
    found: dict[int, list[dict[str, Any]]] = {number: [] for number in range(partitions)}
    while any(consumer.position(tp) < ends[tp] for tp in tps):
        for tp, polled in consumer.poll(timeout_ms=500).items():
            found[tp.partition] += [json.loads(record.value) for record in polled]
    consumer.close()
    return found


def test_create_makes_the_topics_and_begins_them(
    freshet: Freshet, kafka: str, names: Topics, admin: KafkaAdminClient
) -> None:
    code, said = freshet("topics", "create", "--partitions", "3")
    assert (code, names.dead in said) == (0, True), said
    described = {topic["name"]: topic for topic in admin.describe_topics(list(names.all))}
    counts = {name: len(topic["partitions"]) for name, topic in described.items()}
    assert counts == {names.events: 3, names.control: 1, names.examples: 1, names.dead: 1}
    for topic in (names.events, names.control):
        found = configs(admin, topic)
        assert found["message.timestamp.type"] == "LogAppendTime"
        assert found["cleanup.policy"] == "delete"
    assert configs(admin, names.control)["retention.ms"] == "-1"
    events = records(kafka, names.events, 3)
    control = records(kafka, names.control, 1)[0]
    assert [len(found) for found in events.values()] == [1, 1, 1]
    assert all(found[0] == control[0] for found in events.values())
    assert control[0]["type"] == "manifest"
    assert control[0]["namespace"] == names.namespace
    assert control[0]["manifest"]["partitions"] == 3
    assert [record["type"] for record in control] == ["manifest", "setting"]
    assert records(kafka, names.examples, 1) == {0: []}


def test_create_again_changes_nothing(freshet: Freshet, kafka: str, names: Topics) -> None:
    assert freshet("topics", "create", "--partitions", "2")[0] == 0
    before = records(kafka, names.events, 2), records(kafka, names.control, 1)
    code, said = freshet("topics", "create", "--partitions", "2")
    assert (code, "exist already" in said) == (0, True)
    assert (records(kafka, names.events, 2), records(kafka, names.control, 1)) == before
    assert freshet("topics", "check", "--partitions", "2")[0] == 0


def test_create_goes_on_where_it_was_broken_off(
    freshet: Freshet, kafka: str, names: Topics, admin: KafkaAdminClient
) -> None:
    assert freshet("topics", "create", "--partitions", "2")[0] == 0
    admin.delete_topics([names.examples, names.dead])
    code, said = freshet("topics", "create", "--partitions", "2")
    assert code == 0, said
    assert names.examples in said and names.dead in said
    assert len(records(kafka, names.control, 1)[0]) == 2


def test_another_number_of_partitions_is_refused(freshet: Freshet, names: Topics) -> None:
    assert freshet("topics", "create", "--partitions", "2")[0] == 0
    for verb in ("create", "check"):
        code, said = freshet("topics", verb, "--partitions", "4")
        assert code == 2
        assert f"{names.events} has 2 partitions and should have 4" in said
        assert "set kafka.partitions = 2, or fill a new namespace" in said


def test_another_manifest_is_refused_by_its_keys(freshet: Freshet) -> None:
    assert freshet("topics", "create", "--partitions", "1")[0] == 0
    for verb in ("create", "check"):
        code, said = freshet("topics", verb, "--partitions", "1", FRESHET_MANIFEST__HISTORY="50")
        assert code == 2
        assert "manifest.history = 100, not 50" in said
        assert "fill a new namespace" in said


@pytest.mark.parametrize(
    ("topic", "config", "said"),
    [
        ("events", {"cleanup_policy": "compact"}, "is compacted"),
        ("examples", {"cleanup_policy": "compact"}, "is compacted"),
        ("events", {"message_timestamp_type": "CreateTime"}, "message.timestamp.type=CreateTime"),
        ("control", {"message_timestamp_type": "CreateTime"}, "message.timestamp.type=CreateTime"),
        ("control", {"retention_ms": "1000000"}, "retention.ms=1000000"),
        ("control", {"retention_bytes": "1000000"}, "retention.bytes=1000000"),
    ],
)
def test_check_refuses_what_loses_records_and_says_how_to_mend_it(
    topic: str, config: dict[str, str], said: str,
    freshet: Freshet, names: Topics, admin: KafkaAdminClient,
) -> None:  # fmt: skip
    assert freshet("topics", "create", "--partitions", "1")[0] == 0
    name = getattr(names, topic)
    alter(admin, name, **config)
    for verb in ("check", "create"):
        code, told = freshet("topics", verb, "--partitions", "1")
        assert code == 2
        assert f"{name} " in told and said in told
        assert f"kafka-configs.sh --alter --entity-type topics --entity-name {name}" in told


def test_check_names_every_missing_topic(freshet: Freshet, names: Topics) -> None:
    code, said = freshet("topics", "check")
    assert code == 2
    for name in names.all:
        assert f"{name} does not exist; run `freshet topics create`" in said


def test_a_topic_somebody_wrote_to_first_is_refused(
    freshet: Freshet, kafka: str, names: Topics, admin: KafkaAdminClient
) -> None:
    admin.create_topics(
        [NewTopic(names.events, 1, 1, topic_configs={
            "message.timestamp.type": "LogAppendTime", "retention.ms": "-1",
        })],
        wait_for_metadata=True,
    )  # fmt: skip
    producer = KafkaProducer(bootstrap_servers=kafka, acks="all")
    producer.send(names.events, b'{"type":"view","user_id":"u","item_id":"i"}').get(20)
    producer.close()
    code, said = freshet("topics", "create", "--partitions", "1")
    assert code == 2
    assert "begins with a record that is no manifest" in said
    assert records(kafka, names.control, 1) == {0: []}


def test_manifests_of_two_logs_are_refused(
    freshet: Freshet, kafka: str, names: Topics, admin: KafkaAdminClient
) -> None:
    assert freshet("topics", "create", "--partitions", "2")[0] == 0
    control = records(kafka, names.control, 1)[0]
    admin.delete_topics([names.control])
    assert freshet("topics", "create", "--partitions", "2")[0] == 0
    again = records(kafka, names.control, 1)[0]
    assert again[0] == control[0], "the log is that of `events`"
    admin.delete_topics([names.control])
    admin.create_topics(
        [NewTopic(names.control, 1, 1, topic_configs={
            "message.timestamp.type": "LogAppendTime", "retention.ms": "-1",
        })],
        wait_for_metadata=True,
    )  # fmt: skip
    producer = KafkaProducer(bootstrap_servers=kafka, acks="all")
    producer.send(names.control, json.dumps({**control[0], "log": 1}).encode()).get(20)
    producer.close()
    for verb in ("create", "check"):
        code, said = freshet("topics", verb, "--partitions", "2")
        assert code == 2
        assert "two clusters share this namespace" in said


def test_more_copies_than_brokers_are_refused(freshet: Freshet) -> None:
    code, said = freshet("topics", "create", "--replication", "3")
    assert code == 2
    assert "set kafka.replication" in said


def test_a_broker_that_is_not_there_is_said_soon(freshet: Freshet) -> None:
    address = f"127.0.0.1:{free_port()}"
    for verb in ("create", "check"):
        code, said = freshet("topics", verb, "--kafka", address)
        assert code == 1
        assert f"no Kafka broker answers at {address}" in said
        assert "Traceback" not in said
