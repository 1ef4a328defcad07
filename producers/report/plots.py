"""Plots as SVG, drawn by pygal (an optional extra) in the colours of the page around them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final, Literal

from models.errors import how_to_install
from producers.errors import OptionError

#: Colours are custom properties `--plot-0` …, so that a page can be light or dark.
COLOURS: Final = 8
#: What a plot is drawn with where no page gives it colours: light, and dark on demand.
PALETTE: Final = (
    "--ink:#211f1b;--muted:#655f54;--line:#dfd8c9;--plot-0:#0d5a63;--plot-1:#b0521c;"
    "--plot-2:#5b4a9c;--plot-3:#8f6a10;--plot-4:#9c3360;--plot-5:#3c7a3a;--plot-6:#3a64a8;"
    "--plot-7:#6d675c"
)
DARK_PALETTE: Final = (
    "--ink:#ece7dc;--muted:#aaa397;--line:#33373c;--plot-0:#86c9cb;--plot-1:#f0a878;"
    "--plot-2:#b9a9f0;--plot-3:#e0c05c;--plot-4:#ee93bb;--plot-5:#93cf8e;--plot-6:#94b8f2;"
    "--plot-7:#a59d90"
)
# Lines differ in their dashes too, for those who do not tell the colours apart.
_DASHES: Final = ("", "7,4", "2,4", "9,3,2,3", "4,2", "12,4", "1,3", "6,2,1,2")
_WIDTH: Final = 880
_HEIGHT: Final = 340
_LEGEND_ROW: Final = 16
# Labels side by side take about so much a letter; longer ones are turned.
_LETTER: Final = 7
_TURNED: Final = 20
_FONT: Final = '"Avenir Next", "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'


@dataclass(frozen=True)
class Line:
    """One line of a plot: its points (x, y) in order of x; a y of None leaves a gap."""

    name: str
    points: Sequence[tuple[float, float | None]]


@dataclass(frozen=True)
class Plot:
    """Lines over numbers, or `bars` over `labels`: then a line's x are places in `labels`."""

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    kind: Literal["lines", "bars"] = "lines"
    labels: Sequence[str] = ()
    digits: int = 3


def require_drawing() -> None:
    """Raise OptionError naming the extra where nothing can be drawn; call it before the work."""
    _pygal()


def figure(plot: Plot, number: int) -> str:
    """The plot as a `<figure>` with its caption; `number` tells the plots of a page apart."""
    caption = f"<figcaption>{escape(plot.title)}</figcaption>"
    return f'<figure class="plot">{caption}{svg(plot, f"plot{number}")}</figure>'


def standalone(plot: Plot) -> str:
    """The plot as an SVG file of its own, with the palettes for light and dark inside."""
    dark = f"@media (prefers-color-scheme:dark){{svg{{{DARK_PALETTE}}}}}"
    style = f"<style>svg{{{PALETTE}}}{dark}</style>"
    drawn = svg(plot, "plot")
    return re.sub(r"(<svg[^>]*>)", lambda found: found[1] + style, drawn, count=1) + "\n"


def svg(plot: Plot, name: str) -> str:
    """The plot as inline SVG without scripts, links or comments; the same input, the same text."""
    chart = _bars(plot) if plot.kind == "bars" else _lines(plot)
    # Else a random one, and two reports of the same figures would differ.
    chart.uuid = name
    drawn: str = chart.render(is_unicode=True, disable_xml_declaration=True)
    drawn = re.sub(r"<script.*?</script>|<!--.*?-->", "", drawn, flags=re.DOTALL)
    # What pygal's script would have shown on hovering.
    drawn = re.sub(r"<desc class=.*?</desc>", "", drawn, flags=re.DOTALL)
    label = escape(f"{plot.title}: {plot.y_label} by {plot.x_label}", quote=True)
    return drawn.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def _lines(plot: Plot) -> Any:
    chart = _pygal().XY(**_config(plot), show_dots=False)
    chart.x_value_formatter = lambda x: f"{x:,.0f}"
    for at, line in enumerate(plot.lines):
        style = {"dasharray": _DASHES[at % COLOURS]}
        chart.add(line.name, list(line.points), stroke_style=style, allow_interruptions=True)
    return chart


def _bars(plot: Plot) -> Any:
    chart = _pygal().Bar(**_config(plot), print_values=True, print_values_position="top")
    chart.x_labels = list(plot.labels)
    longest = max(map(len, plot.labels), default=0)
    if (longest + 1) * _LETTER * len(plot.labels) > _WIDTH:
        chart.x_label_rotation = _TURNED
    for line in plot.lines:
        values: list[float | None] = [None] * len(plot.labels)
        for x, y in line.points:
            values[int(x)] = y
        chart.add(line.name, values)
    return chart


def _config(plot: Plot) -> dict[str, Any]:
    rows = -(-len(plot.lines) // 4) if len(plot.lines) > 1 else 0
    return {
        "style": _style(),
        "js": (),
        "width": _WIDTH,
        "height": _HEIGHT + _LEGEND_ROW * rows,
        "margin": 6,
        # pygal leaves room for the first row of the legend only.
        "margin_bottom": 6 + _LEGEND_ROW * rows,
        "spacing": 12,
        "x_title": plot.x_label,
        "y_title": plot.y_label,
        "show_legend": len(plot.lines) > 1,
        "legend_at_bottom": True,
        "legend_at_bottom_columns": min(len(plot.lines), 4),
        "truncate_legend": -1,
        "truncate_label": -1,
        "include_x_axis": True,
        "value_formatter": lambda y: "" if y is None else f"{y:.{plot.digits}f}",
    }


def _style() -> Any:
    from pygal.style import Style

    colours = tuple(f"var(--plot-{number})" for number in range(COLOURS))
    return Style(
        background="transparent", plot_background="transparent",
        foreground="var(--muted)", foreground_strong="var(--ink)", foreground_subtle="var(--line)",
        guide_stroke_color="var(--line)", major_guide_stroke_color="var(--line)",
        guide_stroke_dasharray="none", major_guide_stroke_dasharray="none",
        colors=colours, value_colors=("var(--ink)",) * COLOURS, font_family=_FONT,
        title_font_size=14, label_font_size=13, major_label_font_size=13, legend_font_size=14,
        value_font_size=13, opacity=".85", stroke_opacity="1", stroke_width="2.2", transition="0s",
    )  # fmt: skip


def _pygal() -> Any:
    try:
        import pygal
    except ImportError:
        raise OptionError(
            "plots are drawn by pygal, which is not installed; "
            f"it comes with the extra: {how_to_install('report')}"
        ) from None
    return pygal
