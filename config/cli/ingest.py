"""`freshet ingest`: old data into a running server, or straight into a data folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from config import bootstrap
from config.cli.data_files import Columns, Delimiter, RatingScale, reader_options
from config.cli.options import AsJson, ConfigFile, console, settings_for, show
from config.producing import kafka_sink
from config.settings import Settings
from producers.direct import Direct
from producers.ingest import HttpSink, IngestReport, Sink, ingest
from producers.readers import FORMATS, Dataset, read


def register(app: typer.Typer) -> None:
    app.command("ingest")(ingest_file)


def ingest_file(
    file: Annotated[Path, typer.Argument(help="The data file.")],
    format: Annotated[str, typer.Option(help=f"One of {', '.join(FORMATS)}.")],
    url: Annotated[
        str | None, typer.Option(help="A running server; default http://127.0.0.1:8000.")
    ] = None,
    data_dir: Annotated[
        str | None, typer.Option("--data-dir", help="Instead of a server: a folder nobody holds.")
    ] = None,
    kafka: Annotated[
        str | None, typer.Option(help="Instead of a server: brokers as HOST:PORT,…")
    ] = None,
    api_key: Annotated[
        str | None, typer.Option(envvar="FRESHET_API_KEY", help="Where the server asks for one.")
    ] = None,
    rate: Annotated[float | None, typer.Option(min=0.001, help="Events a second at most.")] = None,
    columns: Columns = None,
    delimiter: Delimiter = None,
    scale: RatingScale = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Send a data file: catalogue and people first, then the events, marked as imports.

    Every event is named by file and line, so sending a file again changes nothing. Into Kafka,
    an ingest that was stopped goes on where it was: what was acknowledged is noted beside the
    data file in `.NAME.freshet-cursor`, until its end is reached.

    Example: `freshet ingest ml-100k.inter --format recbole --url http://127.0.0.1:8000`
    """
    if sum(target is not None for target in (url, data_dir, kafka)) > 1:
        raise typer.BadParameter(
            "is for a server, --data-dir for a folder, --kafka for brokers: give one",
            param_hint="--url",
        )
    dataset = read(file, format, **reader_options(columns, delimiter, scale))
    if kafka is not None:
        settings = settings_for(config, kafka__bootstrap=kafka)
        report = _publish(dataset, file, settings, rate)
    elif data_dir is None:
        report = _send(dataset, HttpSink(url or "http://127.0.0.1:8000", api_key), rate)
    else:
        running = bootstrap.embedded(settings_for(config, data_dir))
        try:
            report = _send(dataset, Direct(running.service, imported=True), rate)
        finally:
            running.close()
    show({name: getattr(report, name) for name in IngestReport.__dataclass_fields__}, as_json)


def _publish(dataset: Dataset, file: Path, settings: Settings, rate: float | None) -> IngestReport:
    """Send to Kafka from where the last try was stopped."""
    from producers.cursor import Cursor, Noted

    sink, log = kafka_sink(settings, imported=True)
    cursor = Cursor(file, log.identity)
    if done := ", ".join(f"{count:,} {what}" for what, count in cursor.reached.items() if count):
        console.print(f"going on after {done}")
    with sink:
        report = _send(cursor.rest_of(dataset), Noted(sink, cursor), rate)
    cursor.finish()
    return report


def _send(dataset: Dataset, sink: Sink, rate: float | None) -> IngestReport:
    with Progress(console=console) as bars:
        tasks = {}

        def progress(what: str, count: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=None)
            bars.update(tasks[what], completed=count, description=f"{what} {count:,}")

        return ingest(dataset, sink, rate, progress)
