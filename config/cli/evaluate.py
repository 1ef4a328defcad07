"""`freshet evaluate`: how well the serving code foretells a data set's events, one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from config.cli.data_files import Columns, Delimiter, RatingScale, reader_options
from config.cli.options import (
    AsJson,
    ConfigFile,
    console,
    progress_bar,
    require_place,
    settings_for,
    show_tables,
)  # fmt: skip
from producers.baselines import BASELINES, REFIT_EVERY, require
from producers.evaluate import Prepared, prepare
from producers.evaluate.ablation import without_sources
from producers.evaluate.lag import parse_lags
from producers.evaluate.page import page
from producers.evaluate.study import Study, Variant
from producers.evaluate.tables import tables
from producers.readers import FORMATS, read
from producers.report import write


def register(app: typer.Typer) -> None:
    app.command()(evaluate)


def evaluate(
    files: Annotated[list[Path], typer.Argument(help="Data files.")],
    format: Annotated[str, typer.Option(help=f"One of {', '.join(FORMATS)}.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N, by time.")] = None,
    repeats: Annotated[
        bool, typer.Option("--repeats", help="Score every event; seen items stay candidates.")
    ] = False,
    positive_from: Annotated[
        float | None, typer.Option(help="Score only events with a value of at least this.")
    ] = None,
    columns: Columns = None,
    delimiter: Delimiter = None,
    scale: RatingScale = None,
    against: Annotated[
        str | None, typer.Option(help=f"Baselines beside it, of {', '.join(BASELINES)}.")
    ] = None,
    refit_every: Annotated[
        int, typer.Option(min=1, help="Events between two fits of implicit-….")
    ] = REFIT_EVERY,
    against_config: Annotated[
        Path | None, typer.Option(help="A second settings file, compared with paired intervals.")
    ] = None,
    lag: Annotated[
        str | None, typer.Option(help="What staleness costs: 0,10,1000,1h (events or time).")
    ] = None,
    lag_crowd: Annotated[
        str | None, typer.Option(help="The same where a user's own history is fresh.")
    ] = None,
    sources_off: Annotated[str | None, typer.Option(help="Sources to do without: X,Y.")] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a file that is not in order of time.")
    ] = False,
    report: Annotated[Path | None, typer.Option(help="Write one HTML page with plots.")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Foretell every event before learning it, and report how often it was in the list.

    Events are taken in order of time, ties in file order. What has been seen is excluded, an
    item never met is a miss.

    Example: `freshet evaluate ml-100k.inter --format recbole --against popularity,item-knn`
    """
    names = _listed(against)
    require(names)
    require_place(report)
    study = Study(
        _variant(config, _listed(sources_off)),
        None if against_config is None else _variant(against_config),
        repeats, positive_from, names, refit_every,
        [*parse_lags(lag, "--lag"), *parse_lags(lag_crowd, "--lag-crowd", crowd=True)],
    )  # fmt: skip
    options = reader_options(columns, delimiter, scale)
    found = []
    for file in files:
        data = prepare(read(file, format, **options), limit, strict=strict)
        _warn(file, data)
        found.append(study.of(data, progress_bar))
        show_tables(found[-1], tables(found[-1]), as_json)
    if report is not None:
        write(report, page(found))
        console.print(f"wrote {report}")


def _variant(config: Path | None, sources_off: list[str] | None = None) -> Variant:
    settings = settings_for(config)
    learning = without_sources(settings.learning, sources_off or [])
    return Variant(config.name if config else "settings", learning, settings.manifest)


def _listed(names: str | None) -> list[str]:
    return [name.strip() for name in (names or "").split(",") if name.strip()]


def _warn(file: Path, data: Prepared) -> None:
    if data.unsorted_at is not None:
        where = f"line {data.unsorted_at}" if data.unsorted_at else "an event"
        console.print(
            f"warning: {file.name}: {where} is earlier than the one before it; the events were "
            "sorted by time, ties in file order (--strict refuses such a file)"
        )
    if not data.events:
        console.print(f"warning: {file.name}: there are no events, so there is nothing to score")
