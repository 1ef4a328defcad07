"""`freshet replay`: recorded feedback against a running system, as its users would have met it."""

from __future__ import annotations

import hashlib
import logging
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from config import bootstrap
from config.cli.data_files import Columns, Delimiter, RatingScale, reader_options
from config.cli.logs import set_up_logs
from config.cli.options import (
    AsJson,
    ConfigFile,
    console,
    require_place,
    settings_for,
    show_tables,
)  # fmt: skip
from config.producing import kafka_sink, link_of
from config.settings import Settings
from producers.errors import SinkError
from producers.readers import FORMATS
from producers.replay import page
from producers.replay.cursor import ReplayCursor
from producers.replay.figures import Figures
from producers.replay.player import Options, Player, Target
from producers.replay.schedule import speed_of
from producers.replay.source import Source, from_path, from_records
from producers.replay.system import ANSWER_S, Lists, over_http
from producers.report import write
from stream.sqlite.log import SqliteLog

_KAFKA = "kafka:"
_BATCH = 10_000


def register(app: typer.Typer) -> None:
    app.command()(replay)


def replay(
    source: Annotated[
        str, typer.Argument(help="A file, a folder of them, a data folder, kafka:TOPIC[@FROM:TO].")
    ],
    speed: Annotated[str, typer.Option(help="Event time's factor, such as 100, or max.")] = "max",
    url: Annotated[str, typer.Option(help="The running system.")] = "http://127.0.0.1:8000",
    api_key: Annotated[
        str | None, typer.Option(envvar="FRESHET_API_KEY", help="Where the system asks for one.")
    ] = None,
    kafka: Annotated[
        str | None, typer.Option(help="Events go to these brokers; lists still come from --url.")
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Ask before every n-th event.")] = 1,
    format: Annotated[str | None, typer.Option(help=f"One of {', '.join(FORMATS)}.")] = None,
    columns: Columns = None,
    delimiter: Delimiter = None,
    scale: RatingScale = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N, by time.")] = None,
    k: Annotated[int, typer.Option(min=1, max=100, help="Length of the lists.")] = 20,
    repeats: Annotated[
        bool, typer.Option("--repeats", help="Score events on items the user already has, too.")
    ] = False,
    restamp: Annotated[
        bool, typer.Option("--restamp", help="Send events as happening now, not as old data.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Each list shows all events before it; one connection.")
    ] = False,
    connections: Annotated[int, typer.Option(min=1, max=64, help="Requests side by side.")] = 4,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds a system may be away before the replay ends.")
    ] = 60.0,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a source that is not in order of time.")
    ] = False,
    cursor: Annotated[Path | None, typer.Option(help="Where its progress is kept.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page with plots here.")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Play recorded feedback against a running system in order of time, and see what it foretold.

    Before an event its user's list is asked for and the place of the coming item noted; then the
    event is sent. Events keep their times and go as old data (`?import=true`), so that decay,
    pauses and sessions are learned as they happened, and neither lateness nor rate caps apply;
    with --restamp they happen now, and both apply. Stopped with Ctrl-C, or by a system that stays
    away, it goes on where it was when started again.

    Examples:

    `freshet replay ml-100k.inter --speed max`

    `freshet replay old-data/ --speed 100 --every 10 --report replay.html`
    """
    require_place(report)
    settings = settings_for(config, kafka__bootstrap=kafka)
    set_up_logs(settings.logs)
    options = Options(
        speed_of(speed), every, limit, k, repeats, restamp, wait, connections, patience
    )
    read_as = reader_options(columns, delimiter, scale)
    target, where = _target((url, api_key), settings, options, kafka is not None)
    found = _read(source, format, read_as, settings, strict, patience)
    play = [found.identity, where, every, limit, k, repeats, restamp]
    digest = hashlib.blake2b(msgspec.json.encode(play), digest_size=16).hexdigest()
    kept = ReplayCursor(cursor or _cursor_of(source), digest)
    with _bar(min(limit or found.count, found.count)) as progress:
        player = Player(found, target, options, kept, progress)
        failure = _run(player, kept)
    if player.figures.events:
        _report(found.name, where, player, report, as_json)
    if failure is not None:
        raise failure


def _report(name: str, where: str, player: Player, file: Path | None, as_json: bool) -> None:
    speed = player.options.speed
    told = {
        "source": name,
        "target": where,
        "schedule": "closed loop" if speed is None else f"open loop, ×{speed:g}",
        "complete": player.complete,
        **player.figures.report(),
    }
    if file is not None:
        write(file, page.page(told))
    show_tables(told, page.tables(told), as_json)


def _run(player: Player, cursor: ReplayCursor) -> SinkError | None:
    """Play; what ended it early, None for its end and for an interruption."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        player.run()
    except KeyboardInterrupt:
        there = " to go on there" if player.figures.events else ""
        console.print(f"stopped after {player.reached:,} events; start it again{there}")
    except SinkError as error:
        return type(error)(_ended(str(error), player, cursor))
    finally:
        signal.signal(signal.SIGTERM, before)
    return None


def _ended(why: str, player: Player, cursor: ReplayCursor) -> str:
    why = why if why.endswith("?") else f"{why}."
    again = "once the system answers, start the same command again"
    if not player.figures.events:
        return f"{why} No event was acknowledged: {again}"
    return (
        f"{why} {player.reached:,} events are acknowledged, and nothing is lost: {again} and it "
        f"goes on there ({cursor.path})"
    )


def _read(
    source: str,
    format: str | None,
    options: dict[str, Any],
    settings: Settings,
    strict: bool,
    patience_s: float,
) -> Source:
    if source.startswith(_KAFKA):
        from producers.replay.topic import read_topic, topic_range

        wanted = topic_range(source)
        link = link_of(settings)
        # What goes wrong is said once, by us; the client would log each attempt.
        logging.getLogger("kafka").setLevel(logging.CRITICAL)
        found = from_records(source, lambda: read_topic(link, wanted, patience_s), strict=strict)
    elif (log := _log_of(Path(source), settings)) is not None:
        found = from_records(Path(source).name, partial(_all, log), strict=strict)
    else:
        found = from_path(Path(source), format, options, strict=strict)
    if found.sorted_here:
        console.print(
            f"{found.name} was not in order of time: its {found.count:,} events are sorted, ties "
            "in its own order, and held in memory (about 0.6 GB a million)"
        )
    if found.left_out:
        console.print(f"{found.left_out:,} records that are no feedback are left out")
    return found


def _log_of(path: Path, settings: Settings) -> Path | None:
    """The log of a data folder; None where the path is none."""
    if not path.is_dir():
        return None
    core = msgspec.structs.replace(settings.core, data_dir=str(path))
    log = bootstrap.folder_of(msgspec.structs.replace(settings, core=core)).log
    return log if log.exists() else None


def _all(file: Path) -> Iterator[tuple[str, float, bytes]]:
    with closing(SqliteLog(file, read_only=True)) as log:
        at = 0
        while records := log.read(at, _BATCH):
            for record in records:
                yield f"log:{record.offset}", record.received_at, record.body
            at = records[-1].offset + 1


def _target(
    way: tuple[str, str | None], settings: Settings, options: Options, kafka: bool
) -> tuple[Target, str]:
    """How to reach the system, and a name for it."""
    imported = not options.restamp
    url, lists = way[0], partial(Lists, *way)
    if not kafka:
        sink = partial(over_http, *way, imported=imported, timeout_s=2 * ANSWER_S)
        sink().close()  # refuses what is no URL
        return Target(lists, sink), url
    _, log = kafka_sink(settings, imported=imported)

    def publishing() -> Any:
        return kafka_sink(settings, imported=imported)[0]

    return Target(lists, publishing), f"{log.identity} {url}"


def _cursor_of(source: str) -> Path:
    """Beside the source; for a topic, in the working directory."""
    if source.startswith(_KAFKA):
        return Path(f".{source.replace(':', '-')}.freshet-replay")
    path = Path(source).resolve()
    return path.with_name(f".{path.name}.freshet-replay")


@contextmanager
def _bar(total: int) -> Iterator[Any]:
    """Yield a function that shows figures as progress."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("replaying", total=total)

        def progress(figures: Figures) -> None:
            scored, hits = figures.ours.scored, figures.hits
            label = f"replaying, {hits / scored:.3f} among ten" if scored else "replaying"
            bar.update(task, completed=figures.events, description=label)

        yield progress
