"""Tables: a caption, columns, rows; as text for a terminal and as HTML for a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

Cell = str | int | float | None

#: Shown where there was nothing to measure.
NOTHING: Final = "–"


@dataclass(frozen=True)
class Table:
    """Rows of cells under column names; the first column names the row.

    `lead`: the first row is the one the others are compared with.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    lead: bool = False


def shown(cell: Cell) -> str:
    """A cell for reading: three significant places below one, thousands set apart.

    >>> shown(0.21734), shown(12345), shown(1234.5), shown(12.345), shown(None)
    ('0.2173', '12,345', '1,234', '12.35', '–')
    """
    if cell is None:
        return NOTHING
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int):
        return f"{cell:,}"
    size = abs(cell)
    return f"{cell:,.0f}" if size >= 100 else f"{cell:.2f}" if size >= 10 else f"{cell:.4f}"


def text(table: Table) -> str:
    """The table in columns of a fixed width, ending in a newline."""
    cells = [list(table.columns), *([shown(cell) for cell in row] for row in table.rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(table.columns))]
    lines = [
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    lines.insert(1, "-" * (sum(widths) + 2 * (len(widths) - 1)))
    return "\n".join([table.caption, *lines, *([table.note] if table.note else [])]) + "\n"


def html(table: Table) -> str:
    """The table as HTML; numbers keep their full value in `<data value>`."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.columns)
    body = "".join(f"<tr>{_row(row)}</tr>" for row in table.rows)
    lead = ' class="lead"' if table.lead else ""
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    return (
        f'<div class="table"><table{lead}><caption>{escape(table.caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}</div>"
    )


def _row(row: Sequence[Cell]) -> str:
    first = f'<th scope="row">{escape(shown(row[0]))}</th>'
    return first + "".join(f"<td>{cell_html(cell)}</td>" for cell in row[1:])


def cell_html(cell: Cell) -> str:
    """A number keeps its full value for machines; text and gaps are only shown."""
    if cell is None or isinstance(cell, str):
        return escape(shown(cell))
    return f'<data value="{json.dumps(cell)}">{escape(shown(cell))}</data>'
