"""`freshet evaluate`: how well the serving code foretells a data set's events, one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from config.cli.options import AsJson, ConfigFile, progress_bar, settings_for, show
from producers.evaluate import Evaluation
from producers.readers import FORMATS, read


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
    columns: Annotated[
        str | None, typer.Option(help="csv: user=…,item=…,time=…,value=…,type=…")
    ] = None,
    delimiter: Annotated[str | None, typer.Option(help="csv: the delimiter.")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Foretell every event before learning it, and report how often it was in the list.

    Events are taken in order of time, ties in file order. What has been seen is excluded, an
    item never met is a miss.

    Example: `freshet evaluate ml-100k.inter --format recbole --json`
    """
    settings = settings_for(config)
    for file in files:
        dataset = read(file, format, **csv_options(columns, delimiter))
        evaluation = Evaluation(
            settings.learning, settings.manifest, repeats=repeats, positive_from=positive_from
        )
        with progress_bar(f"evaluating {dataset.name}", limit) as advance:
            report = evaluation.run(dataset, limit, advance)
        show(report, as_json)


def csv_options(columns: str | None, delimiter: str | None) -> dict[str, Any]:
    """Options of the csv reader, from `user=a,item=b` and a delimiter."""
    options: dict[str, Any] = {}
    if columns is not None:
        pairs = [part.partition("=") for part in columns.split(",")]
        if not all(name and equals and header for name, equals, header in pairs):
            raise typer.BadParameter("must look like user=…,item=…,time=…", param_hint="--columns")
        options["columns"] = {name.strip(): header.strip() for name, _, header in pairs}
    if delimiter is not None:
        options["delimiter"] = "\t" if delimiter in ("\\t", "tab") else delimiter
    return options
