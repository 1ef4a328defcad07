"""One self-contained page: its style and its plots are inside, and it loads nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from producers.report import plots, table
from producers.report.plots import DARK_PALETTE, PALETTE, Plot
from producers.report.table import Table

_STYLE = Path(__file__).parent / "page.css"


@dataclass(frozen=True)
class Section:
    """A heading with what stands under it, in order; a plain string is a paragraph."""

    title: str
    parts: Sequence[Table | Plot | str]


@dataclass(frozen=True)
class Page:
    """A report: a title, a line below it, `highlights` (name, value), and sections."""

    title: str
    subtitle: str
    sections: Sequence[Section]
    highlights: Sequence[tuple[str, table.Cell]] = field(default_factory=tuple)


def write(path: Path, page: Page) -> None:
    """Write the page as one HTML file. Raises OptionError where plots cannot be drawn."""
    path.write_text(html(page), "utf-8")


def html(page: Page) -> str:
    numbers = iter(range(1, 1_000))
    parts = []
    for section in page.sections:
        parts.append(f"<section><h2>{escape(section.title)}</h2>")
        parts.extend(_part(part, numbers) for part in section.parts)
        parts.append("</section>")
    style = (
        f":root{{color-scheme:light dark;{PALETTE}}}"
        f"@media (prefers-color-scheme:dark){{:root{{{DARK_PALETTE}}}}}"
        f"{_STYLE.read_text('utf-8')}"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(page.title)}</title><style>{style}</style></head><body>"
        f'<header><p class="wordmark">Freshet</p><h1>{escape(page.title)}</h1>'
        f"<p>{escape(page.subtitle)}</p></header><main>{_highlights(page)}{''.join(parts)}"
        "</main></body></html>\n"
    )


def _highlights(page: Page) -> str:
    if not page.highlights:
        return ""
    pairs = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{table.cell_html(value)}</dd></div>"
        for name, value in page.highlights
    )
    return f'<dl class="highlights">{pairs}</dl>'


def _part(part: Table | Plot | str, numbers: Iterator[int]) -> str:
    if isinstance(part, Table):
        return table.html(part)
    if isinstance(part, Plot):
        return plots.figure(part, next(numbers))
    return f"<p>{escape(part)}</p>"
