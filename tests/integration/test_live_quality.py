"""Live quality and drift are functions of the log: by any batches, after a restart, rebuilt."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest

from models.impressions import Outcomes
from models.learned import Learned
from models.live import PERIOD
from models.model import Model
from models.settings import Drift, LearningSettings
from stream.examples import ExampleBatch
from stream.manifest import Manifest
from stream.model_stage import ModelStage
from stream.profiles import Profiles
from stream.records import LogRecord

START = 1_700_000_000.0
CHANGE = 2_100  # the event from which on everybody buys


class Watched:
    """Both stages over a log in memory, and what was scored."""

    def __init__(self, drift: Drift | None = None) -> None:
        manifest = Manifest(scoring="all", dedup_window=1024, user_events_per_minute=10**6)
        settings = LearningSettings(drift=drift or Drift(), repeats=True)
        self.profiles = Profiles(manifest)
        self.stage = ModelStage(Model(settings, manifest.seed))
        self.places: list[int] = []
        self.errors: list[float] = []
        self.drifts: list[tuple[int, str, str]] = []

    @property
    def model(self) -> Model:
        return self.stage.model

    def learn(self, records: list[LogRecord], size: int = 10_000) -> Watched:
        for at in range(0, len(records), size):
            for piece in self.profiles.step(records[at : at + size]).pieces:
                self.stage.apply(0, piece, self._note)
        return self

    def _note(self, batch: ExampleBatch, learned: Learned) -> None:
        self.places += [place for place in learned.scores.place.tolist() if place >= 0]
        self.errors += [told - given for _, given, told in learned.ratings]
        for drift in learned.drifts:
            self.drifts.append((int(batch.positions[drift.at]), drift.detector, drift.signal))

    def report(self) -> dict[str, Any]:
        return self.model.live.report(self.model.items, self.model.settings)


def log(events: int, first: int = 0) -> list[LogRecord]:
    """Thirty users over forty items; types change at CHANGE, and some carry a list's id."""
    records = []
    for at in range(first, first + events):
        user, item = at * 7 % 30, (at * at + at * 13) % 40
        body: dict[str, Any] = {
            "type": "purchase" if at >= CHANGE else ("rating" if at % 5 == 0 else "view"),
            "user_id": f"u{user}", "item_id": f"i{item}", "timestamp": START + 60 * at,
        }  # fmt: skip
        if body["type"] == "rating":
            body["value"] = 1 + at % 4
        if at % 10 == 0:
            body["recommendation_id"] = f"r{at}"
        records.append(LogRecord(at, START + 60 * at, False, msgspec.json.encode(body)))
    return records


@pytest.fixture(scope="module")
def watched() -> Watched:
    return Watched().learn(log(3_000))


def test_figures_are_those_of_the_scored_sample(watched: Watched) -> None:
    everything = watched.report()["windows"]["all"]
    places, errors = watched.places, watched.errors
    n = len(places)
    assert everything["samples"] == 3_000 and everything["scored"] == n == 3_000
    for k in (10, 20):
        hits = [place for place in places if place < k]
        assert everything[f"hr@{k}"] == everything[f"recall@{k}"] == pytest.approx(len(hits) / n)
        assert everything[f"precision@{k}"] == pytest.approx(len(hits) / n / k)
        gains = sum(1 / math.log2(place + 2) for place in hits)
        assert everything[f"ndcg@{k}"] == pytest.approx(gains / n)
        assert everything[f"mrr@{k}"] == pytest.approx(sum(1 / (p + 1) for p in hits) / n)
    assert everything["rmse"] == pytest.approx(
        math.sqrt(sum(e * e for e in errors) / len(errors)), rel=1e-5
    )
    assert everything["mae"] == pytest.approx(sum(map(abs, errors)) / len(errors), rel=1e-5)
    assert everything["coverage@20"] == 1.0
    assert 0 < everything["novelty"] < 10


def test_a_rolling_window_holds_the_newest_samples(watched: Watched) -> None:
    window = watched.report()["windows"]["1000"]
    newest = watched.places[-1_000:]
    assert window["samples"] == window["scored"] == 1_000
    assert window["hr@10"] == pytest.approx(sum(place < 10 for place in newest) / 1_000)
    assert watched.report()["windows"]["10000"]["scored"] == 3_000


def test_slices_add_up(watched: Watched) -> None:
    for window in watched.report()["windows"].values():
        for pair in (("new_users", "warm_users"), ("new_items", "known_items")):
            assert sum(window["slices"][name]["scored"] for name in pair) == window["scored"]
        assert sum(one["scored"] for one in window["sources"].values()) == window["scored"]
        assert window["served_by"]["personal"]["scored"] == 0
        assert window["served_by"]["personal"]["hr@10"] is None
    assert watched.report()["windows"]["all"]["slices"]["new_items"]["scored"] > 0


def test_actions_are_counted_by_type(watched: Watched) -> None:
    windows = watched.report()["windows"]
    everything, newest = windows["all"]["event_types"], windows["1000"]["event_types"]
    assert sum(kind["events"] for kind in everything.values()) == 3_000
    assert sum(kind["attributed"] for kind in everything.values()) == 300
    assert newest["purchase"]["events"] == 900
    assert everything["purchase"]["ctr"] is None, "no impression is known yet"


def shown(lists: int, length: int) -> Outcomes:
    """Lists that nobody took anything from."""
    n = lists * length
    return Outcomes(
        np.arange(0, n + 1, length), np.zeros(lists, np.uint8), np.zeros(n, np.uint64),
        np.zeros(n, np.uint8), np.ones(n, np.float32), np.zeros(n, np.float32),
        np.zeros(n, np.uint16),
    )  # fmt: skip


def test_ctr_and_conversion_are_of_what_was_shown() -> None:
    watched = Watched().learn(log(50))
    watched.model.live.quality.note_shown(shown(lists=10, length=20))
    view = watched.report()["windows"]["all"]["event_types"]["rating"]
    assert view["attributed"] == 5
    assert (view["ctr"], view["conversion"]) == (5 / 200, 0.5)


def test_trend_is_oldest_first(watched: Watched) -> None:
    trend = watched.report()["trend"]
    assert len(trend) == 40
    last = watched.places[-75:]
    assert trend[-1] == pytest.approx(sum(place < 20 for place in last) / 75)


def test_a_drift_is_found_at_its_position(watched: Watched) -> None:
    [position] = [at for at, detector, signal in watched.drifts if signal == "event_types"]
    assert CHANGE < position <= CHANGE + 200
    [told] = [d for d in watched.report()["drifts"] if d["signal"] == "event_types"]
    assert told == {
        "detector": "js", "signal": "event_types", "example": position + 1, "partition": 0,
        "position": position, "timestamp": START + 60 * position,
    }  # fmt: skip
    assert watched.model.live.drifts.counts()["js", "event_types"] == 1


ACTING = Drift(action="shorter_half_lives", duration=PERIOD // 2, strength=8.0)


@pytest.mark.parametrize("action", ["note", "shorter_half_lives", "higher_learning_rate"])
def test_what_a_drift_does_is_the_same_by_any_batches(action: Any) -> None:
    drift = Drift(action=action, duration=700, strength=4.0)
    records = log(3_300)
    whole = Watched(drift).learn(records)
    parts = Watched(drift).learn(records, size=97)
    assert parts.model.digest() == whole.model.digest()
    assert parts.drifts == whole.drifts
    assert parts.report() == whole.report()


def test_a_drift_makes_learning_quicker_for_a_while_and_only_then() -> None:
    acting, noting = Watched(ACTING), Watched()
    settings = acting.model.settings
    quick, pace = [], set()
    for at in range(0, 7_000, 100):
        for watched in (acting, noting):
            watched.learn(log(100, at))
        pace.add(acting.model.live.paced(settings).popularity.fast_half_life)
        if acting.model.live.is_acting():
            quick.append(at + 100)
            assert acting.report()["drift"]["acting_until"] > at
    assert quick and quick[-1] < 7_000, "it ends"
    assert pace == {1_000.0, 125.0}
    assert acting.model.digest() != noting.model.digest()
    assert not noting.model.live.is_acting()


@pytest.mark.parametrize("at", [2_000, 2_300, 3_100])
def test_a_restart_changes_nothing(at: int) -> None:
    whole = Watched(ACTING).learn(log(4_200))
    before = Watched(ACTING).learn(log(at))
    tables, objects = before.model.dump()
    after = Watched()
    after.profiles, after.stage.marks = before.profiles, before.stage.marks
    after.model.load(tables, objects)
    assert after.report() == before.report()
    after.learn(log(4_200 - at, at))
    assert after.model.digest() == whole.model.digest()
    assert after.report() == whole.report()


def test_nothing_learned_is_an_answer_too() -> None:
    report = Watched().report()
    assert report["windows"]["all"]["hr@10"] is None
    assert report["windows"]["1000"]["coverage@20"] is None
    assert report["trend"] == [] and report["drifts"] == []
