"""The kernels of stage one against a plain model of the same rules."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.examples import CAPPED, HISTORY, SCORED
from models.index import fingerprint
from models.vectors import mix
from stream.examples import ExampleBatch
from stream.manifest import Manifest
from stream.profiles import Profiles, identity
from stream.records import LogRecord

BEGIN = 1_700_000_000.0
SMALL = Manifest(
    history=5, seen=6, dedup_window=8, lateness_s=500.0, future_s=20.0, scoring_rate=3.0,
    user_events_per_minute=4, pair_events_per_hour=2,
)  # fmt: skip


@dataclass
class Entry:
    key: int
    time: float
    value: float
    kind: int
    hour: int
    count: int


@dataclass
class User:
    history: list[Entry] = field(default_factory=list)  # oldest first
    seen: dict[int, int] = field(default_factory=dict)
    minute: tuple[int, int] = (0, 0)
    counts: dict[int, int] = field(default_factory=dict)


class Reference:
    """Stage one in plain Python: dicts and lists, one event after the other."""

    def __init__(self, manifest: Manifest) -> None:
        self.m = manifest
        self.seed = manifest.seed.to_bytes(8, "little")
        self.types: list[str] = []
        self.users: dict[str, User] = {}
        self.generations: list[set[int]] = [set(), set()]
        self.second = (0, 0, 0)

    def learn(self, record: LogRecord) -> Any:
        event = msgspec.json.decode(record.body)
        kind = self._number(event["type"])
        received, m = record.received_at, self.m
        time = event.get("timestamp", received)
        if not record.imported and time < received - m.lateness_s:
            return "late"
        if not record.imported and time > received + m.future_s:
            return "future"
        key = identity(event["user_id"], event.get("event_id") or f"@0:{record.offset}", self.seed)
        if not self._is_new(key):
            return "duplicate"
        time = min(time, received + m.future_s)
        user = self.users.setdefault(event["user_id"], User())
        item = fingerprint(event["item_id"], self.seed)
        value = event.get("value", float("nan"))
        scored = self._is_scored(key, received)
        past = [e for e in reversed(user.history) if e.time <= time][:HISTORY]
        example = (
            item, key, kind, repr(float(value)), time, user.seen.get(item, 0),
            [(e.key, e.time, e.kind, repr(e.value)) for e in past],
            list(user.seen.items()) if scored else [],
        )  # fmt: skip
        capped = self._touch(user, record, item, time, float(np.float32(value)), kind)
        self._see(user, item, kind)
        user.counts[kind] = user.counts.get(kind, 0) + 1
        return (*example, SCORED * scored + CAPPED * (capped and not record.imported))

    def _number(self, name: str) -> int:
        if name not in self.types:
            self.types.append(name)
        return self.types.index(name)

    def _is_new(self, key: int) -> bool:
        if any(key in generation for generation in self.generations):
            return False
        self.generations[-1].add(key)
        if len(self.generations[-1]) == self.m.dedup_window:
            self.generations = [self.generations[-1], set()]
        return True

    def _is_scored(self, key: int, received: float) -> bool:
        second, here, before = self.second
        if int(received) != second:
            before, here = here if int(received) == second + 1 else 0, 0
        self.second = int(received), here + 1, before
        draw = (int(mix(np.uint64(key))) >> 11) * 2.0**-53
        return draw * max(here + 1, before) < self.m.scoring_rate

    def _touch(
        self, user: User, record: LogRecord, item: int, time: float, value: float, kind: int
    ) -> bool:
        one, minute = int(not record.imported), int(record.received_at // 60)
        user.minute = minute, one + (user.minute[1] if user.minute[0] == minute else 0)
        busy, hour = user.minute[1] > self.m.user_events_per_minute, minute // 60
        old = next((e for e in user.history if e.key == item), None)
        if old is not None:
            count = one + (old.count if old.hour == hour else 0)
            old.hour, old.count = hour, count
            if old.time <= time:
                user.history.remove(old)
                self._place(user, Entry(item, time, value, kind, hour, count))
            return busy or count > self.m.pair_events_per_hour
        if len(user.history) == self.m.history:
            if user.history[0].time > time:
                return busy
            del user.history[0]
        self._place(user, Entry(item, time, value, kind, hour, one))
        return busy

    @staticmethod
    def _place(user: User, entry: Entry) -> None:
        at = len(user.history)
        while at and user.history[at - 1].time > entry.time:
            at -= 1
        user.history.insert(at, entry)

    def _see(self, user: User, item: int, kind: int) -> None:
        if item not in user.seen and len(user.seen) == self.m.seen:
            del user.seen[next(iter(user.seen))]
        user.seen[item] = user.seen.get(item, 0) | 1 << kind


def told_by(profiles: Profiles, records: list[LogRecord]) -> dict[int, Any]:
    """What the kernels say of each record, in the reference's words."""
    emitted = profiles.step(records)
    told: dict[int, Any] = {d.offset: d.reason for d in emitted.dead}
    for piece in emitted.pieces:
        assert isinstance(piece, ExampleBatch)
        e, p = piece.examples, piece.examples.past
        for at, position in enumerate(piece.positions.tolist()):
            past = slice(p.history_start[at], p.history_start[at + 1])
            seen = slice(p.seen_start[at], p.seen_start[at + 1])
            told[position] = (
                e.item_key[at], e.event_key[at], e.type[at], repr(float(e.value[at])), e.time[at],
                e.prior[at],
                list(zip(
                    p.history_key[past].tolist(), p.history_time[past].tolist(),
                    p.history_type[past].tolist(), map(repr, p.history_value[past].tolist()),
                    strict=True,
                )),
                list(zip(p.seen_key[seen].tolist(), p.seen_mask[seen].tolist(), strict=True)),
                e.flags[at],
            )  # fmt: skip
    return {r.offset: told.get(r.offset, "duplicate") for r in records}


moves = st.tuples(
    st.sampled_from("abc"),  # user
    st.sampled_from("klmnopqr"),  # item
    st.sampled_from(["view", "like", "rating", "dislike"]),
    st.sampled_from([0.0, 0.0, 0.1, 0.3, 1.0, 20.0, 70.0, 4_000.0, -3_600.0]),  # since the last
    st.sampled_from([None, None, 0.0, 1.0, 50.0, 499.0, 501.0, 9_000.0, -10.0, -20.0, -21.0]),
    st.sampled_from([None, None, None, "1", "2", "3", "4"]),
    st.booleans(),  # imported
)


def written(story: list[Any]) -> list[LogRecord]:
    now, records = BEGIN, list[LogRecord]()
    for user, item, kind, pause, ago, event_id, imported in story:
        now += pause
        body = {"type": kind, "user_id": user, "item_id": item}
        if ago is not None:
            body["timestamp"] = now - ago
        if event_id is not None:
            body["event_id"] = event_id
        if kind == "rating":
            body["value"] = 3.7
        records.append(LogRecord(len(records), now, imported, msgspec.json.encode(body)))
    return records


@settings(max_examples=150, deadline=None)
@given(st.lists(moves, max_size=120), st.integers(1, 40))
def test_the_kernels_do_what_the_plain_model_does(story: list[Any], size: int) -> None:
    records, reference, profiles = written(story), Reference(SMALL), Profiles(SMALL)
    for at in range(0, len(records), size):
        batch = records[at : at + size]
        assert told_by(profiles, batch) == {r.offset: reference.learn(r) for r in batch}
    assert profiles.types == reference.types
    for name, user in reference.users.items():
        row = profiles.row(name)
        assert row is not None
        assert row.past.history_key.tolist() == [e.key for e in reversed(user.history)]
        assert row.past.history_time.tolist() == [e.time for e in reversed(user.history)]
        seen = dict(zip(row.past.seen_key.tolist(), row.past.seen_mask.tolist(), strict=True))
        assert seen == user.seen
        assert row.counts == {reference.types[k]: n for k, n in user.counts.items()}
