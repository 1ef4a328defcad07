"""What a worker tells of its lag, its ages and its counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from config.cli.worker_metrics import WorkerMetrics
from stream.cluster.freshness import RECEIVED_HEADER, Ages, Lags, received_ms
from stream.faust.feed import Counts
from stream.source import TP, SourceRecord

EVENTS, OTHER = TP("events", 3), TP("events", 4)


def record(timestamp_ms: int, *headers: tuple[str, bytes]) -> SourceRecord:
    return SourceRecord(EVENTS, 0, timestamp_ms, None, b"", headers)


def test_an_example_is_as_old_as_its_event() -> None:
    assert received_ms(record(5_000)) == 5_000
    assert received_ms(record(5_000, (RECEIVED_HEADER, b"4000"))) == 4_000
    assert received_ms(record(5_000, (RECEIVED_HEADER, b"soon"))) == 5_000


def test_lag_is_the_age_of_what_was_handled_last() -> None:
    ages, lags = Ages(), Lags()
    ages.last[EVENTS] = 90.0
    assert lags.seconds({EVENTS: 5}, {EVENTS: 9}, ages, 100.0) == {EVENTS: 10.0}
    assert lags.seconds({EVENTS: 9}, {EVENTS: 9}, ages, 101.0) == {EVENTS: 0.0}


def test_a_quiet_hour_is_no_lag() -> None:
    ages, lags = Ages(), Lags()
    ages.last[EVENTS] = 1.0
    lags.seconds({EVENTS: 9}, {EVENTS: 9}, ages, 3_600.0)
    assert lags.seconds({EVENTS: 9}, {EVENTS: 10}, ages, 3_602.0) == {EVENTS: 2.0}


def test_a_partition_never_handled_is_late_from_the_first_look() -> None:
    ages, lags = Ages(), Lags()
    assert lags.seconds({EVENTS: None}, {EVENTS: 10}, ages, 100.0) == {}
    assert lags.seconds({EVENTS: None}, {EVENTS: 10}, ages, 107.0) == {EVENTS: 7.0}
    assert lags.seconds({}, {OTHER: 10}, ages, 107.0) == {}


class Source:
    def __init__(self) -> None:
        self.counts = Counts(refused=2)
        self.positions = {EVENTS: 7, OTHER: None}

    def ends(self) -> dict[TP, int]:
        return {EVENTS: 9}


class Handler:
    def __init__(self) -> None:
        self.ages = Ages()
        self.ages.observe_all([record(0)])

    def status(self) -> dict[str, dict[str, float]]:
        return {"duplicates": {"3": 4.0}, "rows_waiting": {"3": 1.0}}


@dataclass
class Member:
    group: str
    source: Any = field(default_factory=Source)
    handler: Any = field(default_factory=Handler)


def test_metrics_of_two_stages() -> None:
    registry = CollectorRegistry()
    registry.register(WorkerMetrics([Member("one"), Member("two")]))  # type: ignore[list-item]
    lines = generate_latest(registry).decode().splitlines()
    assert 'freshet_worker_position{partition="3",topic="events"} 7.0' in lines
    assert 'freshet_worker_lag_records{partition="3",topic="events"} 2.0' in lines
    assert 'freshet_worker_duplicates_total{group="two",partition="3"} 4.0' in lines
    assert 'freshet_worker_rows_waiting{group="one",partition="3"} 1.0' in lines
    assert 'freshet_learned_seconds_count{group="one"} 1.0' in lines
    assert 'freshet_worker_refused_total{group="one"} 2.0' in lines
