"""The demo of `freshet run`: a past to learn from at once, then a present that goes on."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from config.bootstrap import Running
from config.cli.options import console, progress_bar
from config.settings import Demo as DemoSettings
from producers import datasets
from producers.demo import Demo, FilmsDemo, ShopDemo, play
from producers.direct import Direct
from producers.errors import DatasetUnavailable
from stream.embedded import Embedded

logger = logging.getLogger(__name__)

DemoName = Literal["films", "shop", "none"]
_BATCH = 1_000


class Progress(msgspec.Struct):
    """How far the demo of a data folder has come; kept beside its data."""

    name: DemoName
    began_at: float  # the past ends here, at every start
    past_done: bool = False
    live_sent: int = 0


@dataclass
class Playing:
    """A demo whose past is in the log."""

    name: str
    demo: Demo
    progress: Progress
    file: Path

    def save(self) -> None:
        self.file.write_bytes(msgspec.json.encode(self.progress))


def prepare(running: Running, name: DemoName) -> Playing | None:
    """Put the demo's past into a fresh log and learn it; later starts only go on."""
    if name == "none":
        return None
    file = running.folder.datasets / "demo.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    demo, name = _demo(name, running.folder.datasets)
    playing = Playing(name, demo, _progress_of(file, name), file)
    if not playing.progress.past_done:
        _send_past(playing, running.service)
    return playing


def _demo(name: DemoName, folder: Path) -> tuple[Demo, DemoName]:
    if name == "films":
        try:
            demo = FilmsDemo(datasets.get("ml-100k", folder, console.print))
        except DatasetUnavailable as error:
            console.print(f"{error}\nStarting the generated shop instead.")
        else:
            console.print(datasets.terms("ml-100k"), style="dim")
            return demo, "films"
    return ShopDemo(folder), "shop"


def _progress_of(file: Path, name: DemoName) -> Progress:
    try:
        progress = msgspec.json.decode(file.read_bytes(), type=Progress)
        if progress.name == name:
            return progress
    except (OSError, msgspec.MsgspecError):
        pass
    return Progress(name, time.time())


def _send_past(playing: Playing, service: Embedded) -> None:
    """Import items, users and events; ids are fixed, so an interrupted start repeats nothing."""
    playing.save()
    sink = Direct(service, imported=True)
    items, users, events = playing.demo.history(playing.progress.began_at)
    with progress_bar("storing the demo's past", len(items) + len(users) + len(events)) as advance:
        for send, records in (
            (sink.put_items, items),
            (sink.put_users, users),
            (sink.send, events),
        ):
            for batch in _batches(records):
                send(batch)
                advance(len(batch))
    with progress_bar("learning the demo's past", len(items) + len(users) + len(events)) as advance:
        service.catch_up(advance)
    playing.progress.past_done = True
    playing.save()


def _batches(records: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    return [records[at : at + _BATCH] for at in range(0, len(records), _BATCH)]


class _Counting:
    """The sink of the live part: notes each event sent, so that a restart goes on there."""

    def __init__(self, sink: Direct, playing: Playing) -> None:
        self._sink = sink
        self._playing = playing

    def put_items(self, items: list[dict[str, Any]]) -> None:
        self._sink.put_items(items)

    def put_users(self, users: list[dict[str, Any]]) -> None:
        self._sink.put_users(users)

    def send(self, events: list[dict[str, Any]]) -> tuple[int, int]:
        sent = self._sink.send(events)
        self._playing.progress.live_sent += len(events)
        self._playing.save()
        return sent


def play_live(
    playing: Playing, service: Embedded, settings: DemoSettings, stop: threading.Event
) -> None:
    """Send the live part until `stop`; the demo's end is told, not hidden."""
    sink = Direct(service, imported=False)
    play(
        playing.demo, _Counting(sink, playing), sink.recommend,
        settings.events_per_second, stop, playing.progress.live_sent,
    )  # fmt: skip
    if not stop.is_set():
        logger.info("the demo's live part is over")
