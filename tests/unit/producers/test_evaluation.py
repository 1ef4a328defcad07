"""Evaluation on small data: no leaks, no division by zero, and lags that are what they say."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from models.settings import LearningSettings
from producers.errors import OptionError, ReadError
from producers.evaluate import Evaluation, Foretold, Prepared, prepare
from producers.evaluate.ablation import without_sources
from producers.evaluate.lag import Staleness, parse_lags
from producers.evaluate.tables import tables
from producers.readers import Dataset, Record
from stream.manifest import Manifest

BASELINES = ("popularity", "last-popular", "item-knn", "river-biasedmf", "river-funkmf")
Event = dict[str, Any]


def some_events(count: int, seed: int = 5) -> list[Event]:
    """Users 0–11 keep to their third of 24 items; every event a minute after the last."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(count):
        user = int(random.integers(12))
        item = int(random.integers(8)) + 8 * (user % 3)
        made.append({
            "event_id": f"e{number}", "type": "rating", "user_id": f"u{user}",
            "item_id": f"i{item}", "value": float(random.integers(1, 6)),
            "timestamp": 1e9 + 60.0 * number,
        })  # fmt: skip
    return made


def evaluated(
    events: list[Event], **options: Any
) -> tuple[dict[str, Any], Evaluation, list[Foretold]]:
    told: list[Foretold] = []
    evaluation = Evaluation(LearningSettings(), Manifest(), watch=told.append, **options)
    return evaluation.run(Dataset("some", events=iter(events))), evaluation, told


def test_what_comes_later_changes_no_earlier_place() -> None:
    events, cut = some_events(400), 250
    changed = copy.deepcopy(events)
    for number, event in enumerate(changed[cut:]):
        event["item_id"] = f"other{number % 7}"
        event["value"] = 1.0
    seen = [evaluated(these, against=BASELINES, repeats=True) for these in (events, changed)]
    (_, first, told), (_, second, told_changed) = seen
    assert first.board.all.places[:cut] == second.board.all.places[:cut]
    # The list for an event does not depend on what the event is.
    assert [one.rows for one in told[: cut + 1]] == [one.rows for one in told_changed[: cut + 1]]
    assert first.board.all.places[cut:] != second.board.all.places[cut:]
    boards = zip(first.boards().items(), second.boards().items(), strict=True)
    for (name, board), (_, other) in boards:
        assert board.all.places[:cut] == other.all.places[:cut], name
        assert board.all.errors[:cut] == other.all.errors[:cut], name


def test_baselines_are_scored_on_the_same_events() -> None:
    report, _, _ = evaluated(some_events(300), against=BASELINES)
    assert list(report["against"]) == list(BASELINES)
    for found in report["against"].values():
        assert found["scored"] == report["scored"] < report["events"] == 300
        assert [s["scored"] for s in found["slices"].values()] == [
            s["scored"] for s in report["slices"].values()
        ]
        assert found["ms_per_event"] > 0
        assert found["difference"]["hr@10"]["low"] <= found["difference"]["hr@10"]["high"]
    assert report["against"]["river-biasedmf"]["rmse"] is not None
    assert report["against"]["popularity"]["rmse"] is None


@pytest.mark.parametrize("repeats", [False, True])
def test_no_lag_is_the_plain_evaluation(repeats: bool) -> None:
    events = some_events(250)
    events[100]["event_id"] = "e99"  # a duplicate is not learned, and delays nobody
    events[100]["user_id"] = events[99]["user_id"]
    report, evaluation, _ = evaluated(events, repeats=repeats)
    assert report["events"] == 249
    lags = [*parse_lags("0,20,1h", "--lag"), *parse_lags("20", "--lag-crowd", crowd=True)]
    stale = Staleness(LearningSettings(), Manifest(), repeats=repeats)
    fresh, twenty, hour, crowd = stale.over(events, evaluation.positions, lags)
    for metric in ("scored", "hr@10", "hr@20", "ndcg@10", "mrr@20", "coverage@20"):
        assert fresh[metric] == report[metric], metric
    assert fresh["relative_ndcg@10"] == 1.0
    assert [(found["lag"], found["late"]) for found in (twenty, hour, crowd)] == [
        ("20", "all"), ("1h", "all"), ("20", "crowd"),
    ]  # fmt: skip
    assert twenty["scored"] == hour["scored"] == report["scored"]
    # An hour is sixty events here: later still than twenty.
    assert hour["coverage@20"] <= twenty["coverage@20"] <= 1


def test_a_crowd_that_is_late_leaves_the_own_history_fresh() -> None:
    events = some_events(250)
    stale = Staleness(LearningSettings(), Manifest())
    lags = [*parse_lags("60", "--lag"), *parse_lags("60", "--lag-crowd", crowd=True)]
    _, late, crowd = stale.over(events, range(250), lags)
    # Without the own history, what was just taken is listed again, and each time in vain.
    assert crowd["hr@10"] > late["hr@10"]
    # The table tells what the crowd is where a row of it is.
    report, _, _ = evaluated(events)
    notes = [list(tables({**report, "lag": rows}))[-1].note for rows in ([late], [late, crowd])]
    assert notes[0] == "" and notes[1].startswith("The crowd:")


@pytest.mark.parametrize("text", ["", "x", "10,", "-1", "1w", "1.5h"])
def test_a_lag_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="--lag: expected events or durations"):
        parse_lags(text, "--lag")


def test_nothing_to_score_is_null() -> None:
    report, _, _ = evaluated([], against=("popularity", "item-knn"))
    assert (report["events"], report["scored"]) == (0, 0)
    for metric in ("hr@10", "ndcg@10", "mrr@20", "rmse", "mae", "coverage@20"):
        assert report[metric] is None
        assert report["against"]["item-knn"][metric] is None
    assert report["against"]["popularity"]["difference"]["hr@10"] is None
    (fresh,) = Staleness(LearningSettings(), Manifest()).over([], [], [])
    assert fresh["ndcg@10"] is fresh["relative_ndcg@10"] is None


def test_one_user_has_figures_and_no_interval() -> None:
    events = [event for event in some_events(300) if event["user_id"] == "u1"]
    report, _, _ = evaluated(events, against=("popularity",))
    assert report["scored"] == len({event["item_id"] for event in events})
    ahead = report["against"]["popularity"]["difference"]["hr@10"]
    assert ahead["mean"] is not None
    assert ahead["low"] is ahead["high"] is None


def _records(times: list[float]) -> Dataset:
    lines = [
        Record("f.tsv", number + 2, {"user_id": "u", "item_id": str(number), "timestamp": at})
        for number, at in enumerate(times)
    ]
    return Dataset("f", events=iter(lines))


def test_a_file_out_of_order_is_sorted_and_said_so() -> None:
    found = prepare(_records([1.0, 3.0, 2.0, 3.0]))
    assert [event["item_id"] for event in found.events] == ["0", "2", "1", "3"]
    assert found.unsorted_at == 4
    assert prepare(_records([1.0, 1.0, 2.0])).unsorted_at is None
    with pytest.raises(ReadError, match=r"f\.tsv, line 4: expected a time no earlier"):
        prepare(_records([1.0, 3.0, 2.0, 1.0]), strict=True)
    assert isinstance(prepare(_records([1.0, 2.0]), strict=True), Prepared)


def test_a_source_is_switched_off_by_name() -> None:
    settings = without_sources(LearningSettings(), ["content", "fast"])
    assert not settings.sources.content
    assert not settings.sources.fast
    assert settings.sources.slow
    with pytest.raises(
        OptionError, match=r"--sources-off: name 1 of 1.* did you mean content\? all"
    ):
        without_sources(LearningSettings(), ["contents"])
    with pytest.raises(OptionError, match=r"--sources-off: name 1 of 1 is not known; all are pop"):
        without_sources(LearningSettings(), ["bogus"])
