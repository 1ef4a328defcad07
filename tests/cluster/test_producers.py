"""What is produced arrives whole, once, in order and in its user's partition, whoever sends it."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import subprocess
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from kafka import KafkaConsumer, TopicPartition
from typer.testing import CliRunner

from config.cli.verbs import VERBS, command_line
from deploy.local.kafka import Broker, jars
from models.settings import LearningSettings
from producers import live
from producers.cursor import Cursor, identity
from producers.errors import IngestRefused, SinkUnavailable
from producers.kafka_sink import KafkaSink, find_log
from producers.publisher import Publisher
from producers.shoppers import Crowd
from stream.errors import LogUnavailable
from stream.examples import DeadLetter
from stream.kafka import topics
from stream.kafka.appender import KafkaAppender
from stream.kafka.dead_letters import KafkaDeadLetters, from_record, to_record
from stream.kafka.envelopes import IMPORT, partition_of, unpack
from stream.kafka.errors import BrokerUnreachable, TopicsDiffer
from stream.kafka.layout import Layout
from stream.kafka.names import Topics
from stream.kafka.positions import position_of
from stream.kafka.security import Link
from stream.manifest import Manifest
from stream.service import Checked

PARTITIONS = 4
MANIFEST = Manifest(partitions=PARTITIONS)
USERS = [f"user-{n}" for n in range(40)]
Made = tuple[Link, Topics]


def create(bootstrap: str, namespace: str) -> Made:
    link, names = Link(bootstrap), Topics(namespace)
    topics.create(link, names, Layout(partitions=PARTITIONS), MANIFEST, LearningSettings())
    return link, names


@pytest.fixture
def made(kafka: str, namespace: str) -> Made:
    """A namespace with its topics."""
    return create(kafka, namespace)


def records(link: Link, topic: str) -> Iterator[Any]:
    """All records of a topic but the manifests and settings, partition by partition."""
    consumer = KafkaConsumer(enable_auto_commit=False, **link.options())
    try:
        places = [TopicPartition(topic, p) for p in sorted(consumer.partitions_for_topic(topic))]
        for place in places:
            consumer.assign([place])
            consumer.seek_to_beginning(place)
            end = consumer.end_offsets([place])[place]
            while consumer.position(place) < end:
                for record in consumer.poll(timeout_ms=5_000).get(place, []):
                    if (
                        b'"type":"manifest"' not in record.value
                        and b'"learning"' not in record.value
                    ):
                        yield record
    finally:
        consumer.close()


def bodies(link: Link, topic: str) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """(partition, position, event) of every event."""
    for record in records(link, topic):
        for index, body in enumerate(unpack(record.value)):
            yield record.partition, position_of(record.offset, index), json.loads(body)


def views(count: int, name: str = "e") -> list[dict[str, Any]]:
    return [
        {
            "type": "view", "user_id": USERS[n % len(USERS)], "item_id": f"i{n % 7}",
            "event_id": f"{name}:{n}", "theirs": {"ü": [n]},
        }
        for n in range(count)
    ]  # fmt: skip


def require_in_order(link: Link, topic: str, sent: list[dict[str, Any]]) -> None:
    """Every event once and whole, in its user's partition, in the order in which it was sent."""
    found = list(bodies(link, topic))
    assert all(partition_of(event["user_id"], PARTITIONS) == p for p, _, event in found)
    place = {event["event_id"]: n for n, event in enumerate(sent)}
    for partition in range(PARTITIONS):
        order = [place[event["event_id"]] for p, _, event in found if p == partition]
        assert order == sorted(order)
    by_id = {event["event_id"]: event for _, _, event in found}
    assert len(found) == len(sent)
    assert by_id == {event["event_id"]: event for event in sent}


def sink_of(made: Made, imported: bool = False) -> KafkaSink:
    link, names = made
    return KafkaSink(link, find_log(link, names, PARTITIONS), MANIFEST, imported=imported)


def test_a_sinks_events_arrive_whole_and_in_order(made: Made) -> None:
    link, names = made
    sent = views(1_500)
    with sink_of(made) as sink:
        assert sink.send(sent[:1_000]) == (1_000, 0)
        assert sink.send(sent[1_000:]) == (500, 0)
    require_in_order(link, names.events, sent)
    envelopes = list(records(link, names.events))
    assert len(envelopes) < 40 and not any(record.headers for record in envelopes)


def test_imports_are_marked_and_people_go_where_their_events_go(made: Made) -> None:
    link, names = made
    with sink_of(made, imported=True) as sink:
        sink.put_items([{"item_id": "a", "title": "Ä"}, {"item_id": "b", "available": False}])
        sink.put_users([{"user_id": "ada", "attributes": {"name": "Ada"}}])
        sink.send([{"type": "view", "user_id": "ada", "item_id": "a", "event_id": "1",
                    "timestamp": 1_000.0}])  # fmt: skip
    assert [event["item_id"] for _, _, event in bodies(link, names.control)] == ["a", "b"]
    user, event = records(link, names.events)
    assert user.partition == event.partition == partition_of("ada", PARTITIONS)
    assert (user.headers, event.headers) == ([], [(IMPORT, b"1")])
    assert json.loads(user.value)["type"] == "user"


def test_what_is_wrong_is_refused_whole_with_its_name(made: Made) -> None:
    link, names = made
    with sink_of(made) as sink:
        with pytest.raises(IngestRefused, match="item_id: is required"):
            sink.send([*views(3), {"type": "view", "user_id": "a"}])
        with pytest.raises(IngestRefused, match="must stay below"):
            sink.send([*views(3), {**views(1)[0], "theirs": "x" * 1_100_000}])
        with pytest.raises(IngestRefused, match="timestamp"):
            sink.send([{**views(1)[0], "timestamp": 5.0}])
    assert list(records(link, names.events)) == []


def test_topics_that_are_not_right_and_brokers_that_are_not_there(made: Made) -> None:
    link, names = made
    with pytest.raises(TopicsDiffer, match="4 partitions"):
        find_log(link, names, 12)
    with pytest.raises(TopicsDiffer, match="does not exist"):
        find_log(link, Topics("nobody"), PARTITIONS)
    with pytest.raises(BrokerUnreachable):
        find_log(Link("127.0.0.1:1"), names, PARTITIONS)


def test_single_events_of_kafkas_console_producer(made: Made) -> None:
    link, names = made
    sent = views(60)
    lines = "".join(f"{event['user_id']}\t{json.dumps(event)}\n" for event in sent)
    subprocess.run(
        [
            "java", "-Xmx128m", "-cp", f"{jars()}/*", "org.apache.kafka.tools.ConsoleProducer",
            "--bootstrap-server", link.bootstrap, "--topic", names.events,
            "--property", "parse.key=true",
        ],
        input=lines, text=True, check=True, capture_output=True, timeout=150,
    )  # fmt: skip
    require_in_order(link, names.events, sent)


@pytest.mark.parametrize("partitioner", ["consistent_random", "murmur2_random"])
def test_single_events_of_librdkafka(made: Made, partitioner: str) -> None:
    link, names = made
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": link.bootstrap, "partitioner": partitioner}
    )
    sent = views(60)
    for event in sent:
        producer.produce(names.events, json.dumps(event), key=event["user_id"])
    assert producer.flush(20) == 0
    if partitioner == "murmur2_random":
        require_in_order(link, names.events, sent)
        return
    found = list(bodies(link, names.events))
    assert sorted(e["event_id"] for _, _, e in found) == sorted(e["event_id"] for e in sent)
    strayed = sum(partition_of(e["user_id"], PARTITIONS) != p for p, _, e in found)
    assert strayed > 0, "these are the ones stage one sends on"


def command(made: Made, arguments: list[str]) -> Any:
    """Run `freshet` in a namespace."""
    environ = {
        "FRESHET_CORE__NAMESPACE": made[1].namespace,
        "FRESHET_KAFKA__PARTITIONS": str(PARTITIONS),
    }
    return CliRunner().invoke(command_line(VERBS), arguments, env=environ)


def ingest(made: Made, file: Path) -> Any:
    return command(
        made, ["ingest", str(file), "--format", "events", "--kafka", made[0].bootstrap, "--json"]
    )


def test_an_ingest_goes_on_where_it_was_stopped(made: Made, tmp_path: Path) -> None:
    link, names = made
    file = tmp_path / "events.jsonl"
    lines = [json.dumps(event) for event in views(2_500)]
    file.write_text("\n".join([*lines[:2_200], "broken", *lines[2_200:]]))
    stopped = ingest(made, file)
    assert stopped.exit_code != 0
    before = len(list(bodies(link, names.events)))
    assert before == 2_000
    cursor = tmp_path / ".events.jsonl.freshet-cursor"
    assert cursor.exists()
    # Another file, and a log created anew, begin at the start; the same ones go on.
    file.write_text("\n".join([*lines[:2_200], *lines[2_200:]]))
    state = json.loads(cursor.read_text())
    assert Cursor(file, state["log"]).reached["events"] == 0
    state["file"] = identity(file)
    cursor.write_text(json.dumps(state))
    assert Cursor(file, "another log").reached["events"] == 0
    done = ingest(made, file)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["events"] == 500
    assert not cursor.exists()
    require_in_order(link, names.events, views(2_500))


def test_shoppers_fill_a_shop_and_go_on(made: Made) -> None:
    link, names = made
    done = command(
        made,
        ["shoppers", "--kafka", link.bootstrap, "--products", "50", "--people", "20",
         "--events", "300", "--rate", "2000"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert len(list(records(link, names.control))) == 50
    found = [event for _, _, event in bodies(link, names.events)]
    people = [event for event in found if event["type"] == "user"]
    events = [event for event in found if event["type"] != "user"]
    assert (len(people), len(events)) == (20, 300)
    assert len({event["event_id"] for event in events}) == 300
    assert {"view", "purchase"} <= {event["type"] for event in events}


# The API tier's appender.


def checked(events: list[dict[str, Any]]) -> list[Checked]:
    return [Checked(json.dumps(e).encode(), e["user_id"], e["event_id"]) for e in events]


async def appending(
    made: Made, use: Callable[[KafkaAppender], Awaitable[None]], timeout_s: float = 5.0
) -> None:
    link, names = made
    appender = KafkaAppender(link, names, MANIFEST, timeout_s=timeout_s)
    await appender.start()
    try:
        await use(appender)
    finally:
        await appender.stop()


def test_an_appenders_events_lie_where_its_receipts_say(made: Made) -> None:
    link, names = made
    sent = views(900)
    ends: dict[str, dict[int, int]] = {}

    async def use(appender: KafkaAppender) -> None:
        async def one(at: int) -> None:
            part = sent[at : at + 30]
            receipt = await appender.append_feedback(checked(part), False)
            assert (receipt.accepted, receipt.duplicates) == (30, 0)
            ends.update({event["event_id"]: receipt.positions for event in part})

        # One after the other for order, the last ones at once for company in envelopes.
        for at in range(0, 300, 30):
            await one(at)
        await asyncio.gather(*(one(at) for at in range(300, 900, 30)))

    asyncio.run(appending(made, use))
    require_in_order(link, names.events, sent)
    last: dict[tuple[int, int], int] = {}
    for partition, position, event in bodies(link, names.events):
        key = partition, ends[event["event_id"]][partition]
        assert position < key[1]
        last[key] = max(position, last.get(key, 0))
    assert all(position + 1 == end for (_, end), position in last.items())


def test_an_appender_counts_repeats_and_marks_imports(made: Made) -> None:
    link, names = made

    async def use(appender: KafkaAppender) -> None:
        first = await appender.append_feedback(checked(views(10)), False)
        again = await appender.append_feedback(checked(views(12)), True)
        assert (first.accepted, first.duplicates) == (10, 0)
        assert (again.accepted, again.duplicates) == (2, 10)
        nothing = await appender.append_feedback([], False)
        assert (nothing.accepted, nothing.positions) == (0, {0: 0})

    asyncio.run(appending(made, use))
    imported = [r for r in records(link, names.events) if (IMPORT, b"1") in r.headers]
    assert sum(len(unpack(record.value)) for record in imported) == 12


def test_an_appender_sends_items_to_control_and_people_to_their_partition(made: Made) -> None:
    link, names = made
    item = b'{"type":"item","item_id":"a"}'
    user = b'{"type":"user","user_id":"ada","attributes":{}}'

    async def use(appender: KafkaAppender) -> None:
        receipt = await appender.append_control([item, user, item])
        assert receipt.accepted == 3
        assert set(receipt.positions) == {PARTITIONS, partition_of("ada", PARTITIONS)}

    asyncio.run(appending(made, use))
    assert [record.value for record in records(link, names.control)] == [item, item]
    [kept] = records(link, names.events)
    assert (kept.partition, kept.value) == (partition_of("ada", PARTITIONS), user)


def test_an_appender_refuses_to_start_without_its_topics(made: Made) -> None:
    link, names = made

    async def starts(link: Link, names: Topics, manifest: Manifest) -> None:
        await KafkaAppender(link, names, manifest).start()

    with pytest.raises(TopicsDiffer, match="4 partitions"):
        asyncio.run(starts(link, names, Manifest(partitions=12)))
    with pytest.raises(TopicsDiffer, match="does not exist"):
        asyncio.run(starts(link, Topics("nobody"), MANIFEST))
    with pytest.raises(BrokerUnreachable):
        asyncio.run(starts(Link("127.0.0.1:1"), names, MANIFEST))


def publish(link: Link, names: Topics, sent: list[dict[str, Any]]) -> int:
    """Send at about 1,000 events a second; return how many were acknowledged."""
    with Publisher(link, envelope=20) as publisher:
        for event in sent:
            partition = partition_of(event["user_id"], PARTITIONS)
            publisher.add(names.events, partition, json.dumps(event).encode())
            time.sleep(0.001)
        publisher.flush(60)
        return publisher.acknowledged


async def append_until(
    appender: KafkaAppender, back: threading.Event, accepted: list[str], refused: list[str]
) -> None:
    """Append event by event until `back`, then what was refused until all is accepted."""

    async def send(event: dict[str, Any]) -> None:
        try:
            await appender.append_feedback(checked([event]), False)
            accepted.append(event["event_id"])
        except LogUnavailable as error:
            assert error.retry_after_s > 0
            refused.append(event["event_id"])

    sending = []
    for event in itertools.takewhile(lambda _: not back.is_set(), views(50_000)):
        sending.append(asyncio.create_task(send(event)))
        await asyncio.sleep(0.003)
    await asyncio.gather(*sending)
    for event in views(40, "after"):
        while event["event_id"] not in accepted:
            await send(event)
            await asyncio.sleep(0.02)


@pytest.mark.full
def test_a_killed_broker_costs_nothing(new_broker: Callable[..., Broker]) -> None:
    seed = random.randrange(1_000)
    print(f"seed {seed}")
    broker = new_broker()
    for_publisher = create(broker.bootstrap, "one")
    for_appender = create(broker.bootstrap, "two")
    sent = views(3_000)
    accepted: list[str] = []
    refused: list[str] = []
    back = threading.Event()

    async def use(appender: KafkaAppender) -> None:
        await append_until(appender, back, accepted, refused)

    with ThreadPoolExecutor(2) as pool:
        acknowledged = pool.submit(publish, *for_publisher, sent)
        done = pool.submit(lambda: asyncio.run(appending(for_appender, use, timeout_s=0.5)))
        time.sleep(0.7 + random.Random(seed).random())
        # From the thread that lives on: a server ends with the thread that started it.
        broker.kill()
        time.sleep(0.7)
        broker.start()
        broker.await_ready()
        back.set()
        done.result(60)
        assert acknowledged.result(60) == len(sent)
    require_in_order(*events_of(for_publisher), sent)
    stored = [event["event_id"] for _, _, event in bodies(*events_of(for_appender))]
    assert refused, "the broker was away for longer than an append may take"
    assert set(accepted) <= set(stored)
    assert len(accepted) > 100
    once = [event_id for event_id in stored if event_id not in set(refused)]
    assert len(once) == len(set(once)), "what was accepted at once lies in the log once"


def events_of(made: Made) -> tuple[Link, str]:
    return made[0], made[1].events


# Dead letters.


def letter(position: int, partition: int = 0) -> DeadLetter:
    return DeadLetter(
        partition, position, "malformed", "ist kein JSON: ü", b"\x00\xff", 1.7e9 + 0.25
    )


def test_a_letters_record_holds_all_of_it() -> None:
    value, headers = to_record(letter(7, 3), 2)
    assert value == b"\x00\xff"
    assert from_record(value, headers) == (letter(7, 3), 2)
    assert to_record(letter(7, 3), 2) == (value, headers)
    theirs = (("traceparent", b"00-1-2-03"), ("source", b"till 4"))
    kept = replace(letter(7, 3), headers=theirs)
    assert from_record(*to_record(kept)) == (kept, 1)
    with pytest.raises(ValueError, match="freshet-partition"):
        from_record(value, [])


def test_letters_in_a_topic_are_kept_once_and_in_order(made: Made) -> None:
    link, names = made
    letters = KafkaDeadLetters(link, names.dead)
    assert list(letters.letters()) == []
    letters.put([letter(9), letter(2, 1), letter(2)])
    letters.put([letter(9)])
    letters.mark_replayed(0, 9)
    letters.drop(1, 2)
    letters.put([letter(2, 1)])
    stored = list(KafkaDeadLetters(link, names.dead).letters())
    letters.close()
    assert [kept.letter for kept in stored] == [letter(2), letter(9)]
    assert [kept.attempt for kept in stored] == [1, 2]
    assert stored[0].replayed_at is None and stored[1].replayed_at is not None
    assert all(kept.written_at > 1.6e9 for kept in stored)


def test_letters_are_listed_replayed_and_dropped_by_the_command(made: Made) -> None:
    link, names = made
    letters = KafkaDeadLetters(link, names.dead)
    [event] = views(1)
    theirs = (("traceparent", b"00-1-2-03"), ("source", b"till 4"))
    repaired = replace(letter(1024, 1), body=json.dumps(event).encode(), headers=theirs)
    letters.put([letter(7), repaired, letter(7, 2)])
    letters.close()

    def call(*arguments: str) -> list[dict[str, Any]]:
        done = command(made, ["dead-letters", *arguments, "--kafka", link.bootstrap])
        assert done.exit_code == 0, (done.output, done.exception)
        return [json.loads(line) for line in done.stdout.splitlines()]

    assert [(one["partition"], one["offset"]) for one in call("list", "--json")] == [
        (0, 7), (1, 1024), (2, 7)]  # fmt: skip
    assert call("show", "7", "--partition", "2", "--json")[0]["body_base64"] == "AP8="
    call("replay", "1024")
    call("drop", "7", "--partition", "0")
    assert [(one["offset"], one["attempt"]) for one in call("list", "--json")] == [
        (1024, 2),
        (7, 1),
    ]
    [(partition, _, sent)] = bodies(link, names.events)
    assert (partition, sent) == (partition_of(event["user_id"], PARTITIONS), event)
    [record] = records(link, names.events)
    assert record.headers == [(IMPORT, b"1"), *theirs], "those the record had, once more"


# The flow of shoppers.


class Away:
    """A sink that is away at some calls."""

    def __init__(self, away_at: set[int]) -> None:
        self.away_at, self.calls = away_at, 0
        self.kept: list[str] = []

    def put_items(self, items: list[dict[str, Any]]) -> None: ...

    def put_users(self, users: list[dict[str, Any]]) -> None: ...

    def send(self, events: list[dict[str, Any]]) -> tuple[int, int]:
        self.calls += 1
        if self.calls in self.away_at:
            raise SinkUnavailable("away")
        self.kept += [event["event_id"] for event in events]
        return len(events), 0


def test_a_flow_waits_for_its_sink_and_leaves_nothing_out() -> None:
    sink, stop = Away({2, 3}), threading.Event()
    events = ({"event_id": str(n)} for n in range(100))
    assert live.flow(events, sink, 400.0, stop) == 100
    assert sink.kept == [str(n) for n in range(100)]
    stop.set()
    assert live.flow(iter([{"event_id": "x"}]), sink, 400.0, stop) == 0


def test_visits_have_ids_of_their_own() -> None:
    items = live.shop(30, 7)
    one, other = (live.visits(Crowd(items, 5, 7), live.alone) for _ in range(2))
    ids = {next(events)["event_id"] for _ in range(20) for events in (one, other)}
    assert len(ids) == 40
