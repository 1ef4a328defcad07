"""Options of the verbs that read data files, and what they tell the readers."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from producers.readers.feedback import Scale

# With spaces the help can be wrapped; they may be left out, and in a shell are.
Columns = Annotated[
    str | None, typer.Option(help='csv: "user=…, item=…, time=…, value=…, type=…".')
]
Delimiter = Annotated[str | None, typer.Option(help="csv: the delimiter.")]
RatingScale = Annotated[
    str | None, typer.Option("--scale", help="recbole, csv: lowest and highest rating, as 0.5,5.")
]


def reader_options(columns: str | None, delimiter: str | None, scale: str | None) -> dict[str, Any]:
    """Options of the readers, from `user=a,item=b`, a delimiter and `0.5,5`."""
    options: dict[str, Any] = {}
    if columns is not None:
        pairs = [part.partition("=") for part in columns.split(",")]
        if not all(name and equals and header for name, equals, header in pairs):
            raise typer.BadParameter("must look like user=…,item=…,time=…", param_hint="--columns")
        options["columns"] = {name.strip(): header.strip() for name, _, header in pairs}
    if delimiter is not None:
        options["delimiter"] = "\t" if delimiter in ("\\t", "tab") else delimiter
    if scale is not None:
        options["scale"] = Scale.parse(scale)
    return options
