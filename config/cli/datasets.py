"""`freshet datasets`: public data to try the product on."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from config import bootstrap
from config.cli.options import AsJson, ConfigFile, DataDir, console, settings_for, show
from producers import datasets

app = typer.Typer(help="Fetch public data sets.", no_args_is_help=True)


@app.command("list")
def list_datasets(as_json: AsJson = False) -> None:
    """List the data sets that can be fetched."""
    for name, description in datasets.available():
        show({"name": name, "description": description}, as_json)


@app.command()
def get(
    name: Annotated[str, typer.Argument(help="As `freshet datasets list` names it.")],
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Fetch a data set into the data folder and print where it lies.

    Example: `freshet datasets get ml-100k`
    """
    folder = bootstrap.folder_of(settings_for(config, data_dir))
    path = datasets.get(name, folder.datasets, console.print)
    console.print(datasets.terms(name))
    sys.stdout.write(f"{path}\n")
