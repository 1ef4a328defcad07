"""Live quality and drift are functions of the log: by any batches, after a restart, rebuilt."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest

from models.drift import EFFECTS, Effect
from models.drift import Drift as Found
from models.examples import types_of
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
        self.rungs: list[int] = []  # of the lists that scored events name

    @property
    def model(self) -> Model:
        return self.stage.model

    def learn(self, records: list[LogRecord], size: int = 10_000) -> Watched:
        for at in range(0, len(records), size):
            for piece in self.profiles.step(records[at : at + size]).pieces:
                self.stage.apply(0, piece, self._note)
        return self

    def _note(self, batch: ExampleBatch, learned: Learned) -> None:
        places = learned.scores.place.tolist()
        self.places += [place for place in places if place >= 0]
        self.rungs += [rung for rung in batch.lists.rung.tolist() if rung >= 0]
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
    meaning = types_of(["click"], watched.model.settings.events)
    watched.model.live.quality.note_shown(shown(lists=10, length=20), meaning)
    view = watched.report()["windows"]["all"]["event_types"]["rating"]
    assert view["attributed"] == 5
    assert (view["ctr"], view["conversion"]) == (5 / 200, 0.5)


RUNGS = ("personal", "session", "trending")


def visits(lists: int) -> list[LogRecord]:
    """Lists of eight items from a rung each, their first item taken from two in three of them."""
    bodies: list[dict[str, Any]] = []
    for n in range(lists):
        user, time, name = f"u{n % 30}", START + 400 * n, f"r{n}"
        listed = [{"item_id": f"i{(n + at) % 40}", "place": at} for at in range(8)]
        bodies.append({
            "type": "impression", "user_id": user, "timestamp": time, "recommendation_id": name,
            "served_by": RUNGS[n % 3], "items": listed,
        })  # fmt: skip
        if n % 3 < 2:
            taken = {"type": "click", "user_id": user, "item_id": f"i{n % 40}"}
            bodies.append({**taken, "timestamp": time + 5, "recommendation_id": name})
    return [
        LogRecord(at, body["timestamp"], False, msgspec.json.encode(body))
        for at, body in enumerate(bodies)
    ]


def test_events_and_lists_are_told_by_the_rung_that_served_them() -> None:
    watched = Watched().learn(visits(300))
    everything = watched.report()["windows"]["all"]
    served = everything["served_by"]
    assert [served[rung]["scored"] for rung in (*RUNGS, "static")] == [100, 100, 0, 0]
    assert everything["scored"] == 200 == len(watched.rungs)
    for number, rung in enumerate(RUNGS[:2]):
        hits = [
            place < 10
            for place, of in zip(watched.places, watched.rungs, strict=True)
            if of == number
        ]
        assert served[rung]["hr@10"] == pytest.approx(sum(hits) / 100)
    assert 90 < served["personal"]["lists"] < 100, "the newest are not closed yet"
    for rung, share in zip(RUNGS, (1 / 8, 1 / 8, 0.0), strict=True):
        told = served[rung]
        assert told["shown"] == 8 * told["lists"]
        assert told["taken"] == pytest.approx(share * told["shown"])
        assert told["ctr"] == pytest.approx(share)
    assert served["static"]["ctr"] is None
    assert Watched().learn(visits(300), size=7).report() == watched.report()


def test_the_newest_lists_make_up_a_window() -> None:
    windows = Watched().learn(visits(3_300)).report()["windows"]
    newest, everything = windows["1000"]["served_by"], windows["all"]["served_by"]
    assert newest["personal"]["ctr"] == pytest.approx(1 / 8)
    assert 580 < newest["personal"]["lists"] < 620
    assert 1_080 < everything["personal"]["lists"] < 1_100


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
        "detector": "js", "signal": "event_types", "effect": "changed", "size": told["size"],
        "example": position + 1, "partition": 0, "position": position,
        "timestamp": START + 60 * position,
    }  # fmt: skip
    assert 0.3 < told["size"] < 0.6, "told as soon as it is large"
    counts = watched.model.live.drifts.counts()
    assert counts["js", "event_types", "changed"] == 1
    assert counts["js", "event_types", "slight"] == 0


def bursts(events: int) -> list[LogRecord]:
    """Sixty people, half of whom only ever buy; whoever comes does fifty things in a row."""
    random = np.random.default_rng(11)
    people = np.repeat(random.integers(0, 60, events // 50), 50)
    items = random.integers(0, 40, events)
    return [
        LogRecord(
            at, START + 20 * at, False,
            msgspec.json.encode({
                "type": "purchase" if person % 2 else "view", "user_id": f"u{person}",
                "item_id": f"i{item}", "timestamp": START + 20 * at,
            }),
        )
        for at, (person, item) in enumerate(zip(people.tolist(), items.tolist(), strict=True))
    ]  # fmt: skip


def test_what_one_person_does_in_a_row_is_no_drift() -> None:
    assert Watched().learn(bursts(3_000)).drifts == []


def test_a_young_catalogue_finding_its_bestsellers_is_no_drift(watched: Watched) -> None:
    assert {signal for _, _, signal in watched.drifts}.isdisjoint({"popularity", "scores"})


def crowd(events: int) -> list[LogRecord]:
    """Three hundred people who go on as they always have, over a thousand items."""
    random = np.random.default_rng(1)
    weights = (np.arange(1_000) + 6.0) ** -0.9
    items = random.choice(1_000, events, p=weights / weights.sum()).tolist()
    kinds = random.choice(["view", "purchase", "rating"], events, p=[0.7, 0.1, 0.2]).tolist()
    records = []
    for at, user in enumerate(random.integers(0, 300, events).tolist()):
        body = {
            "type": kinds[at], "user_id": f"u{user}", "item_id": f"i{items[at]}",
            "timestamp": START + 30 * at, "value": int(random.integers(1, 6)),
        }  # fmt: skip
        records.append(LogRecord(at, START + 30 * at, False, msgspec.json.encode(body)))
    return records


@pytest.mark.full
def test_a_crowd_that_does_not_change_raises_one_alarm_a_detector_at_most() -> None:
    watched = Watched().learn(crowd(40_000))
    found = [(detector, signal) for _, detector, signal in watched.drifts]
    assert len(found) == len(set(found)), found


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


@pytest.mark.parametrize("effect", EFFECTS)
def test_learning_becomes_quicker_after_a_drift_that_is_serious(
    monkeypatch: pytest.MonkeyPatch, effect: Effect
) -> None:
    watched = Watched(ACTING)

    def watch(signal: str, at: Any, *_: object) -> list[Found]:
        return [Found(int(at[0]), "adwin", signal, effect, 0.2)] if signal == "hit_rate" else []

    monkeypatch.setattr(watched.model.live.drifts, "watch", watch)
    watched.learn(log(PERIOD))
    assert watched.model.live.is_acting() == (effect in ("worse", "changed"))


@pytest.mark.parametrize("size", [1_000, 37])
def test_quality_is_judged_by_few_samples_of_each_person(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    watched, seen = Watched(), 0

    def watch(signal: str, at: Any, *_: object) -> list[Found]:
        nonlocal seen
        seen += len(at) if signal == "hit_rate" else 0
        return []

    monkeypatch.setattr(watched.model.live.drifts, "watch", watch)
    watched.learn(log(1_000), size)
    assert seen == 30 * 4, "of thirty people"
    watched.learn(log(1_000, 1_000), size)
    assert seen == 30 * 8


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
