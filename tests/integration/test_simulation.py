"""A closed loop: repeatable, between chance and the oracle, and its log is the product's own."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from api.app import create_app
from config import bootstrap
from config.cli import simulate as verb
from config.load import load
from models.settings import LearningSettings
from producers.errors import OptionError
from producers.evaluate import Evaluation
from producers.readers import read
from producers.replay.source import from_path
from producers.report.page import html
from producers.simulation import page
from producers.simulation.fatigue import Fatigue
from producers.simulation.nature import Nature, looks_of
from producers.simulation.policies import Oracle
from producers.simulation.run import Simulation
from producers.simulation.session import Seen, Shoppers
from producers.simulation.systems import Remote
from producers.simulation.world import Size
from stream.manifest import Manifest
from tests.http_threads import in_a_thread

SIZE = Size(60, 150, 72.0)


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    return Simulation(SIZE, seed=7)


def live(simulation: Simulation) -> tuple[dict[str, Any], str | None, list[dict[str, Any]]]:
    """The system's run: its report, the model's digest, the log."""
    log: list[dict[str, Any]] = [{"type": "item", **item} for item in simulation.world.catalogue()]
    system = simulation.in_process(LearningSettings(), Manifest())
    return simulation.run(system, log.extend), system.state_hash(), log


@pytest.fixture(scope="module")
def lived(simulation: Simulation) -> tuple[dict[str, Any], str | None, list[dict[str, Any]]]:
    return live(simulation)


@pytest.fixture(scope="module")
def report(simulation: Simulation, lived: Any) -> dict[str, Any]:
    others = {name: simulation.run(policy) for name, policy in simulation.others().items()}
    return simulation.report({"freshet": lived[0], **others})


def test_a_seed_repeats_bit_for_bit(lived: Any) -> None:
    again = live(Simulation(SIZE, seed=7))
    assert msgspec.json.encode(again) == msgspec.json.encode(lived)
    other = Simulation(SIZE, seed=8)
    assert other.visits != Simulation(SIZE, seed=7).visits


def test_the_system_stands_between_chance_and_the_oracle(report: dict[str, Any]) -> None:
    ctr = {name: found["ctr"] for name, found in report["policies"].items()}
    assert ctr["oracle"] > ctr["freshet"] > ctr["bestsellers"] > ctr["random"]
    regret = report["regret"]
    assert regret["oracle"] > 0 > regret["bestsellers"] > regret["random"]
    assert regret["in_state"] > 0
    oracle = report["policies"]["oracle"]
    assert oracle["regret"] == pytest.approx(0, abs=1e-9)


def test_measures_tell_lists_apart(report: dict[str, Any]) -> None:
    policies = report["policies"]
    assert policies["random"]["coverage"] == 1.0
    assert policies["random"]["gini"] < policies["freshet"]["gini"]
    assert policies["freshet"]["gini"] < policies["bestsellers"]["gini"]
    assert policies["random"]["diversity"] > policies["freshet"]["diversity"] > 0
    for found in policies.values():
        assert sum(w["clicks"] for w in found["windows"]) == found["clicks"]
        assert found["purchases"] <= found["clicks"] <= found["shown"]


@pytest.mark.parametrize(("interrupts", "policies"), [([30], 4), ([30, 45], 1)])
def test_ctrl_c_gives_the_report_so_far(
    monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path, interrupts: list[int],
    policies: int,
) -> None:  # fmt: skip
    visits = 0

    @contextmanager
    def bar(label: str, total: int) -> Iterator[Callable[[int], None]]:
        def advance(more: int) -> None:
            nonlocal visits
            visits += more
            if visits in interrupts:
                signal.raise_signal(signal.SIGINT)

        yield advance

    monkeypatch.setattr(verb, "progress_bar", bar)
    page = tmp_path / "loop.html"
    verb.simulate(users=60, items=150, hours=72.0, as_json=True, report=page)
    told = json.loads(capsys.readouterr().out)
    assert (told["visits"], told["complete"]) == (30, False)
    assert len(told["policies"]) == policies and len(told["regret"]) == policies
    assert {found["visits"] for found in told["policies"].values()} == {30}
    assert told["policies"]["freshet"]["lists"] >= 30
    assert "stopped after 30 visits" in page.read_text()


def test_what_it_writes_is_read_again(lived: Any, tmp_path: Path) -> None:
    result, _, log = lived
    file = tmp_path / "log.jsonl"
    file.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in log))
    kinds = Counter(record["type"] for record in log)
    assert kinds["click"] == result["clicks"] and kinds["purchase"] == result["purchases"]
    assert kinds["impression"] == result["lists"]
    shown = next(record for record in log if record["type"] == "impression")
    assert shown.keys() >= {"user_id", "recommendation_id", "served_by", "model_id", "items"}
    assert shown["items"][0].keys() == {"item_id", "place", "propensity", "score"}
    clicks = [record for record in log if record["type"] == "click"]
    pages = {r["recommendation_id"]: r for r in log if r["type"] == "impression"}
    for click in clicks:
        page_of = pages[click["recommendation_id"]]
        assert click["item_id"] in [item["item_id"] for item in page_of["items"]]
    found = Evaluation(LearningSettings(), Manifest()).run(read(file, "events"))
    assert found["events"] == kinds["click"] + kinds["purchase"] + kinds["view"]
    assert found["hr@10"] > 0.2
    source = from_path(file, None, {})
    assert (
        source.count == len(list(source.events())) == found["events"]
        and len(source.items) == SIZE.items
    )


def test_places_are_looked_at_as_planted() -> None:
    """Of what each place was worth, people click the planted share."""
    world = Simulation(Size(300, 100, 168.0), seed=3)
    shoppers = Shoppers(world.world, Oracle(), 10, 0.0)
    clicks, worth = np.zeros(10), np.zeros(10)
    for visit in world.visits:
        for seen in shoppers.visit(visit):
            if isinstance(seen, Seen):
                worth += seen.truth[seen.page.items]
                clicks[[seen.page.items.index(item) for item in seen.clicked]] += 1
    rate = clicks / worth
    np.testing.assert_allclose(rate / rate[0], Nature().examination(10), rtol=0.2)


def test_people_tire_and_tastes_drift(simulation: Simulation) -> None:
    fatigue, fresh = Fatigue(), np.full(3, 0.5)
    fatigue.pass_over(0, 1, now=0.0)
    fatigue.opened(0).add(2)
    at_once, later = fatigue.tire(0, fresh, 0.0), fatigue.tire(0, fresh, 86_400.0)
    assert at_once[1] < later[1] < fresh[1] == at_once[0]
    assert at_once[2] < at_once[1]
    days = [simulation.world.taste(0, day * 86_400.0) for day in range(3)]
    assert 0.5 < days[0] @ days[1] < 1 and days[0] @ days[2] < 1


def test_where_items_come_and_go_only_what_is_there_is_shown() -> None:
    news = Nature(looks=1.0, taste=0.2, life_hours=24.0, searches=0.0)
    simulation = Simulation(Size(30, 120, 48.0), seed=4, nature=news)
    system = simulation.in_process(LearningSettings(), Manifest())
    shown, log = set[int](), list[dict[str, Any]]()
    shoppers = Shoppers(simulation.world, system, simulation.k, simulation.start)
    for visit in simulation.visits:
        there = simulation.world.shelf.holds(visit.elapsed_s)
        for happened in shoppers.visit(visit):
            if isinstance(happened, Seen):
                assert there[happened.page.items].all()
                shown |= set(happened.page.items)
            else:
                log += happened
    assert len(shown) > 1.5 * simulation.world.shelf.holds(0.0).sum()
    kinds = Counter(record["type"] for record in log)
    assert kinds["item"] > 0 and kinds["view"] == 0
    assert kinds["impression"] == len({r.get("recommendation_id") for r in log} - {None})


def test_at_no_taste_all_are_alike() -> None:
    def spread(taste: float) -> float:
        world = Simulation(SIZE, 5, nature=Nature(taste=taste)).world
        return float(np.std([world.liking(user, 0.0) for user in range(20)], axis=0).mean())

    assert spread(0.0) == pytest.approx(0.0, abs=1e-12)
    assert spread(0.0) < spread(0.5) < spread(1.0)


@pytest.mark.parametrize("text", ["", "steep", "nan", "-1", "9", "1,0,0.5", "1,2"])
def test_looks_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(OptionError, match="--looks"):
        Nature(*looks_of(text))


def test_the_page_needs_no_network(report: dict[str, Any]) -> None:
    told = {**report, "system": "in process", "learned_propensities": [1.0] * 10}
    drawn = html(page.page(told))
    assert "<svg" in drawn and 'src="' not in drawn and 'href="http' not in drawn
    assert "collapse" in drawn


def test_a_running_system_is_lived_with(tmp_path: Path) -> None:
    small = Simulation(Size(10, 30, 12.0), seed=5)
    running = bootstrap.embedded(load({"core.data_dir": str(tmp_path)}, environ={}))
    running.service.start()
    with in_a_thread(create_app(running.service)) as url:
        system = Remote(url, small.world)
        found = small.run(system)
        system.close()
    running.close()
    applied = running.service._learner.profiles.counts()["applied"]
    assert found["lists"] > 0
    assert applied >= found["clicks"] + found["purchases"]
    assert found["regret"] > 0


def test_a_system_with_another_catalogue_is_refused_before_the_first_write(tmp_path: Path) -> None:
    running = bootstrap.embedded(load({"core.data_dir": str(tmp_path)}, environ={}))
    running.service.start()
    own, other = (Simulation(Size(10, 30, 12.0), seed).world for seed in (5, 6))
    with in_a_thread(create_app(running.service)) as url:
        for _ in range(2):  # an empty system, then one that holds this very world
            Remote(url, own).close()
        before = running.service._log.end()
        assert asyncio.run(running.service.wait("", {0: before}, 60.0))
        # Of the same ids, but other items.
        with pytest.raises(OptionError, match="--url: the system holds items of another"):
            Remote(url, other)
        after = running.service._log.end()
    running.close()
    assert after == before > 0


def test_a_file_that_cannot_be_is_refused_before_anybody_lives(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--out: expected a file name in a folder"):
        verb.simulate(users=10, items=30, hours=12.0, out=tmp_path / "nowhere" / "x.jsonl")


def test_a_world_too_small_is_refused() -> None:
    with pytest.raises(OptionError, match="--items"):
        Simulation(Size(10, 5, 24.0), 1)
    with pytest.raises(OptionError, match="nobody comes"):
        Simulation(Size(1, 20, 0.1), 1)
