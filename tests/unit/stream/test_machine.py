"""Anything users, catalogue, clock, crash and restart can do in any order: model = replay."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from models.answers import Asked, nobody
from models.facets import Filters
from models.model import Model
from models.settings import LearningSettings
from stream.append_window import AppendWindow
from stream.embedded import prime
from stream.files.snapshots import FolderSnapshots
from stream.learner import Learner, write
from stream.manifest import Manifest
from stream.profiles import identity
from stream.records import NewRecord
from stream.sqlite.dead_letters import SqliteDeadLetters
from stream.sqlite.log import SqliteLog

BEGIN = 1_700_000_000.0
# Small numbers, so that a short story meets every bound; the window is never left.
MANIFEST = Manifest(
    history=6, seen=8, dedup_window=4096, lateness_s=1_000.0, future_s=60.0, scoring_rate=5.0,
    user_events_per_minute=6, pair_events_per_hour=2,
)  # fmt: skip
SETTINGS = LearningSettings()
SEED = MANIFEST.seed.to_bytes(8, "little")

users = st.sampled_from(["ann", "bob", "cy d/ü?"])
items = st.sampled_from([f"i{n}" for n in range(9)])
kinds = st.sampled_from(["view", "like", "rating", "dislike", "purchase", "own_type"])


class Freshet(RuleBasedStateMachine):
    """Drives the parts that a process is made of; a crash drops them without a word."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="freshet-machine-"))
        self.now, self.ids = BEGIN, 0
        self.sent: dict[tuple[str, str], bytes] = {}
        self.late, self.controls, self.poison = 0, 0, 0
        self._start()
        body = {"type": "manifest", "manifest": msgspec.to_builtins(MANIFEST)}
        self.log.append([NewRecord(json.dumps(body).encode())])
        self._control({"type": "setting", "learning": msgspec.to_builtins(SETTINGS)})
        self.controls = 2

    def _start(self) -> None:
        self.window = AppendWindow(MANIFEST.dedup_window)
        self.log = SqliteLog(self.folder / "log.sqlite", self.window, clock=lambda: self.now)
        self.dead = SqliteDeadLetters(self.folder / "dead.sqlite")
        self.store = FolderSnapshots(self.folder / "snapshots")
        self.learner = Learner(MANIFEST, self.log, Model(SETTINGS), self.dead)
        self.learner.restore(self.store)
        prime(self.window, self.learner, self.log)

    def _control(self, body: dict[str, Any]) -> None:
        self.log.append([NewRecord(json.dumps(body).encode())])
        self.controls += 1

    def _send(self, user: str, event_id: str, body: bytes, imported: bool) -> int:
        key = identity(user, event_id, SEED)
        return self.log.append([NewRecord(body, imported, key)]).duplicates

    @rule(user=users, item=items, kind=kinds, ago=st.sampled_from([None, 0, 5, 300, 999, -59]),
          imported=st.booleans())  # fmt: skip
    def feedback(self, user: str, item: str, kind: str, ago: float | None, imported: bool) -> None:
        self.ids += 1
        event: dict[str, Any] = {
            "type": kind, "user_id": user, "item_id": item, "event_id": f"e{self.ids}",
        }  # fmt: skip
        if ago is not None:
            event["timestamp"] = self.now - ago
        if kind == "rating":
            event["value"] = 1 + self.ids % 5
        body = json.dumps(event).encode()
        assert self._send(user, event["event_id"], body, imported) == 0
        self.sent[user, event["event_id"]] = body

    @precondition(lambda self: self.sent)
    @rule(which=st.integers(0, 1_000_000))
    def duplicate(self, which: int) -> None:
        (user, event_id), body = list(self.sent.items())[which % len(self.sent)]
        assert self._send(user, event_id, body, imported=True) == 1

    @rule(user=users, item=items, ago=st.sampled_from([1_001, 1e6, -61]))
    def late_or_future(self, user: str, item: str, ago: float) -> None:
        event = {"type": "view", "user_id": user, "item_id": item, "timestamp": self.now - ago}
        self.log.append([NewRecord(json.dumps(event).encode())])
        self.late += 1

    @rule(body=st.sampled_from([b"poison", b"{}", b'{"type":"setting"}', b'{"type":"item"}']))
    def poisoned(self, body: bytes) -> None:
        self.log.append([NewRecord(body)])
        self.poison += 1

    @rule(item=items | st.just("only in the catalogue"), available=st.booleans(),
          category=st.sampled_from(["x", "y"]))  # fmt: skip
    def put_item(self, item: str, available: bool, category: str) -> None:
        body = {"item_id": item, "title": f"{item} of {category}", "categories": [category]}
        self._control({"type": "item", **body, "available": available})

    @rule(item=items)
    def delete_item(self, item: str) -> None:
        self._control({"type": "item", "item_id": item, "deleted": True})

    @rule(user=users, value=st.integers(0, 3))
    def put_user(self, user: str, value: int) -> None:
        self._control({"type": "user", "user_id": user, "attributes": {"n": value}})

    @rule(repeats=st.booleans())
    def change_setting(self, repeats: bool) -> None:
        learning = msgspec.to_builtins(LearningSettings(repeats=repeats))
        self._control({"type": "setting", "learning": learning})

    @rule(seconds=st.sampled_from([0.2, 1.0, 61.0, 3_700.0, -5.0]))
    def clock(self, seconds: float) -> None:
        self.now += seconds

    @rule(limit=st.integers(1, 40))
    def learn(self, limit: int) -> None:
        self.learner.learn(limit)

    @rule(user=users | st.just("nobody"), item=items, k=st.integers(1, 12))
    def read(self, user: str, item: str, k: int) -> None:
        model, row = self.learner.stage.model, self.learner.profiles.row(user)
        asked = Asked(row.past, row.types, k) if row is not None else nobody(k)
        before = self.learner.state_hash()
        for listed in (
            model.recommend(asked),
            model.recommend(
                Asked(asked.past, asked.types, k, Filters(category="x", exclude=[item]))
            ),
            model.trending(k, asked),
            model.similar(item, k),
        ):
            rows = [place.row for place in listed]
            assert len(rows) <= k and len(set(rows)) == len(rows)
            assert all(0 <= at < model.items and model.id_of(at) for at in rows)
        model.embedding(asked)
        assert self.learner.state_hash() == before, "reading wrote"

    @rule()
    def snapshot(self) -> None:
        pair = self.learner.capture()
        if pair is not None:
            write(self.store, pair, keep=3)

    @rule(partial=st.booleans())
    def crash_and_restore(self, partial: bool) -> None:
        """All objects go without being closed; half a snapshot may be left lying there."""
        if partial:
            (self.folder / "snapshots" / "left.partial").write_bytes(b"freshet-snapshot-1\n{")
        self._let_go()
        self._start()

    @rule(stage=st.sampled_from(["model", "profiles"]), at=st.integers(0, 10_000))
    def corrupt_newest_and_restore(self, stage: str, at: int) -> None:
        names = self.store.names(stage)
        if names:
            path = Path(names[0].path)
            data = bytearray(path.read_bytes())
            data[at % len(data)] ^= 4
            path.write_bytes(bytes(data))
        self._let_go()
        self._start()

    def _let_go(self) -> None:
        # A dead process's connections are closed by the kernel; ours are by hand.
        self.log.close()
        self.dead.close()

    @invariant()
    def what_is_learned_adds_up(self) -> None:
        if not hasattr(self, "learner"):
            return
        counts = self.learner.profiles.counts()
        del counts["capped"]
        assert sum(counts.values()) == self.learner.next_offset <= self.log.end()

    def teardown(self) -> None:
        if not hasattr(self, "learner"):
            return
        try:
            self._compare_with_the_log()
        finally:
            self._let_go()
            shutil.rmtree(self.folder)

    def _compare_with_the_log(self) -> None:
        while self.learner.learn(1_000):
            pass
        counts = self.learner.profiles.counts()
        assert counts["applied"] == len(self.sent)
        assert counts["dead_letters"] == self.late + self.poison == len(list(self.dead.letters()))
        assert counts["other"] == self.controls
        rebuilt = Learner(MANIFEST, self.log, Model(SETTINGS))
        while rebuilt.learn(7):
            pass
        assert rebuilt.state_hash() == self.learner.state_hash()


Freshet.TestCase.settings = settings(
    max_examples=20, stateful_step_count=40, deadline=None, print_blob=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
TestFreshet = Freshet.TestCase
