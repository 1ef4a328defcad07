"""Options that several verbs share, and how progress and results are shown."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from config.load import load
from config.settings import Settings
from producers.errors import OptionError
from producers.report import Table, require_drawing, text

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="Settings file; default freshet.toml."),
]
DataDir = Annotated[
    str | None, typer.Option("--data-dir", help="Data folder; default ./freshet-data.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]

#: For people; results go to stdout, everything else here.
console = Console(stderr=True, highlight=False)


def settings_for(config: Path | None, data_dir: str | None = None, **flags: Any) -> Settings:
    """Settings with a verb's flags on top; `api__port=1` sets `api.port`."""
    dotted = {name.replace("__", "."): value for name, value in flags.items()}
    return load({"core.data_dir": data_dir, **dotted}, config)


def show(result: dict[str, Any], as_json: bool) -> None:
    """Print a result: one JSON object, or a name and a value a line."""
    if as_json:
        sys.stdout.write(json.dumps(result) + "\n")
        return
    width = max((len(name) for name in result), default=0)
    for name, value in result.items():
        shown = json.dumps(value) if isinstance(value, dict | list) else value
        sys.stdout.write(f"{name:<{width}}  {shown}\n")


def show_tables(told: dict[str, Any], tables: Iterable[Table], as_json: bool) -> None:
    """Print a report: as one JSON object, or as its tables."""
    if as_json:
        show(told, as_json=True)
    else:
        sys.stdout.write("".join(text(table) + "\n" for table in tables))


def require_place(report: Path | None) -> None:
    """Before the work, not after it: that a page can be drawn, and written there.

    Raises OptionError.
    """
    if report is None:
        return
    require_drawing()
    require_file(report, "--report")


def require_file(path: Path | None, option: str) -> None:
    """Before the work, too: that a file can have this name. Raises OptionError."""
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        raise OptionError(f"{option}: expected a file name in a folder that exists")


@contextmanager
def progress_bar(label: str, total: int | None) -> Iterator[Any]:
    """Yield a function that moves the bar on by so many."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(label, total=total)
        yield lambda more: bar.advance(task, more)
