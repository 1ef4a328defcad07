"""A replay against a real embedded server: what it finds, how it stops, how it goes on."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from api.app import create_app
from config import bootstrap
from config.cli import replay as verb
from config.load import load
from deploy.local.processes import free_port
from models.settings import LearningSettings
from producers.errors import OptionError, SinkUnavailable
from producers.evaluate import Evaluation
from producers.readers import read
from producers.replay.cursor import ReplayCursor
from producers.replay.player import Options, Player, Target
from producers.replay.source import Source, from_path
from producers.replay.system import Lists, over_http
from stream.manifest import Manifest
from tests.http_threads import in_a_thread

EVENTS = 150


class Served:
    """The embedded system on a port of its own, which it gets again after a stop.

    It draws nothing new into lists, nor learns from its lists, neither of which `evaluate` does.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.up: ExitStack | None = None

    def start(self) -> None:
        flags: dict[str, object] = {
            "core.data_dir": str(self._folder),
            "manifest.scoring": "all",
            "learning.exploration.share": 0.0,
            "api.impressions": 0.0,
        }
        running = bootstrap.embedded(load(flags, environ={}))
        running.service.start()
        self.up = ExitStack()
        self.up.callback(running.close)
        self.up.enter_context(in_a_thread(create_app(running.service), self._port))

    def stop(self) -> None:
        if self.up is not None:
            self.up.close()
            self.up = None


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path / "data")
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def played(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first of the films' events, in a file of their own."""
    header, *lines = films.read_text().splitlines()
    lines.sort(key=lambda line: float(line.split("\t")[3]))
    file = tmp_path_factory.mktemp("played") / "films.inter"
    file.write_text("\n".join([header, *lines[:EVENTS]]))
    return file


@pytest.fixture
def source(played: Path) -> Source:
    return from_path(played, None, {})


def player(
    source: Source, url: str, folder: Path, options: Options, progress: Any = lambda _: None
) -> Player:
    target = Target(partial(Lists, url), partial(over_http, url, imported=True, timeout_s=10))
    cursor = ReplayCursor(folder / "cursor", source.identity)
    return Player(source, target, options, cursor, progress)


def test_what_it_finds_is_what_evaluate_foretells(
    played: Path, source: Source, served: Served, tmp_path: Path
) -> None:
    playing = player(source, served.url, tmp_path, Options(wait=True))
    playing.run()
    found = playing.figures.report()
    foretold = Evaluation(LearningSettings(), Manifest()).run(read(played, "recbole"))
    names = ("scored", "hr@10", "hr@20", "ndcg@10", "mrr@20")
    assert {name: found[name] for name in names} == pytest.approx(
        {name: foretold[name] for name in names}
    )
    assert playing.complete and not (tmp_path / "cursor").exists()
    assert found["events"] == found["asked"] == EVENTS
    assert found["errors"] == found["duplicates"] == found["refused"] == 0
    assert 0 < found["popularity"]["hr@20"] < 1
    assert found["freshness_ms"]["count"] > 0 and found["freshness_ms"]["not_in_time"] == 0
    assert sum(found["served_by"].values()) == pytest.approx(1)
    assert found["latency_ms"]["p50"] <= found["latency_ms"]["p99"] <= found["latency_ms"]["max"]


def test_it_goes_on_where_a_dead_server_stopped_it(
    source: Source, served: Served, tmp_path: Path
) -> None:
    def end(figures: Any) -> None:
        if figures.events == 50:
            served.stop()

    options = Options(patience_s=0.5)
    first = player(source, served.url, tmp_path, options, end)
    with pytest.raises(SinkUnavailable):
        first.run()
    assert 0 < first.reached <= first.figures.events < EVENTS
    served.start()
    second = player(source, served.url, tmp_path, options)
    second.run()
    assert second.complete
    found = second.figures.report()
    # Each event is counted once, save for what was acknowledged behind the mark.
    assert found["events"] == EVENTS + found["duplicates"]
    assert EVENTS - found["duplicates"] <= found["scored"] <= EVENTS
    third = player(source, served.url, tmp_path, options)
    third.run()
    assert third.figures.duplicates == EVENTS and third.figures.ours.scored == 0


def test_a_system_created_anew_gets_everything(
    source: Source, served: Served, tmp_path: Path
) -> None:
    def end(figures: Any) -> None:
        if figures.events == 60:
            raise KeyboardInterrupt

    first = player(source, served.url, tmp_path, Options(limit=80, connections=1), end)
    with pytest.raises(KeyboardInterrupt):
        first.run()
    other = Served(tmp_path / "other")
    other.start()
    try:
        second = player(source, other.url, tmp_path, Options(limit=80))
        second.run()
    finally:
        other.stop()
    assert second.figures.events == 80 and second.figures.duplicates == 0


def test_an_interruption_reports_and_leaves_in_peace(
    played: Path, served: Served, tmp_path: Path
) -> None:
    """Also the open loop: at this speed the data set would take days."""
    page, cursor = tmp_path / "report.html", tmp_path / "cursor"
    command = [
        sys.executable, "-m", "config.cli.main", "replay", str(played), "--url", served.url,
        "--speed", "50", "--json", "--report", str(page), "--cursor", str(cursor),
    ]  # fmt: skip
    # Whoever is started in the background has Ctrl-C ignored, and so have its children.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    signal.signal(signal.SIGINT, before)
    while not cursor.exists() or json.loads(cursor.read_bytes())["events"] < 5:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    found = json.loads(out)
    assert found["complete"] is False and 5 <= found["events"] == found["asked"]
    assert found["schedule"] == "open loop, ×50"
    assert "start it again to go on there" in err
    html = page.read_text()
    assert "hr@10" in html and 'src="' not in html and 'href="http' not in html
    assert json.loads(cursor.read_bytes())["events"] <= found["events"]


def test_nobody_there_is_said_with_what_to_do(played: Path, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        sys.executable, "-m", "config.cli.main", "replay", str(played), "--url", url,
        "--limit", "5", "--patience", "0.1", "--cursor", str(tmp_path / "cursor"),
        "--report", str(tmp_path / "report.html"),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 1
    assert f"nobody listens at {url}: is the server running? No event was" in done.stderr
    assert "start the same command again" in done.stderr
    assert not done.stdout and not list(tmp_path.iterdir())


def test_a_speed_that_cannot_be_is_refused_before_the_source_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb, "set_up_logs", lambda _: None)
    with pytest.raises(OptionError, match="--speed"):
        verb.replay(str(tmp_path / "not there"), speed="fast")


def test_brokers_that_are_away_are_waited_for_as_long_as_patience_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And of all that the client has to say, nothing is heard."""
    pytest.importorskip("kafka")
    from kafka.errors import KafkaError

    from stream.kafka.errors import BrokerUnreachable

    waits, client = [], logging.getLogger("kafka")
    before = client.level

    class Consumer:
        def __init__(self, bootstrap_timeout_ms: int, **_: Any) -> None:
            waits.append(bootstrap_timeout_ms)
            assert not client.isEnabledFor(logging.ERROR)
            raise KafkaError("away")

    monkeypatch.setattr("stream.cluster.offline.KafkaConsumer", Consumer)
    monkeypatch.setattr(verb, "set_up_logs", lambda _: client.setLevel(logging.WARNING))
    try:
        for patience in (0.0, 4.0):
            with pytest.raises(BrokerUnreachable):
                verb.replay("kafka:events", patience=patience)
    finally:
        client.setLevel(before)
    assert waits == [1_000, 4_000]


def test_a_data_folder_is_a_source(source: Source, served: Served, tmp_path: Path) -> None:
    player(source, served.url, tmp_path, Options(limit=40)).run()
    served.stop()
    other = Served(tmp_path / "other")
    other.start()
    command = [
        sys.executable, "-m", "config.cli.main", "replay", str(tmp_path / "data"),
        "--url", other.url, "--json", "--every", "4",
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    finally:
        other.stop()
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["events"] == 40 and found["asked"] == 10 and found["duplicates"] == 0
