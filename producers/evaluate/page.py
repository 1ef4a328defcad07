"""A report as a page: highlights, curves over time, tables, and the plot of staleness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from producers.evaluate.tables import lag_name, tables
from producers.report import Line, Page, Plot, Section, Table

_HOW = (
    "Every event was foretold from what had been learned before it, and learned only then. "
    "The place of its item in the list of twenty is what counts; an item never met is a miss."
)


def page(
    reports: Sequence[dict[str, Any]], title: str = "How well the events were foretold"
) -> Page:
    """One page over all data sets of a call; a single one's figures lead."""
    names = ", ".join(report["dataset"] for report in reports)
    sections = [section for report in reports for section in _sections(report)]
    highlights = []
    if len(reports) == 1:
        wanted = ("hr@10", "ndcg@10", "hr@20", "mrr@20", "rmse", "events")
        highlights = [(name, reports[0][name]) for name in wanted]
    return Page(title, names, sections, highlights)


def _sections(report: dict[str, Any]) -> list[Section]:
    found = {table.caption: table for table in tables(report)}
    parts: list[Table | Plot | str] = [_HOW, *found.values()]
    curves = [_curve(report, metric) for metric in ("hr@10", "ndcg@10")]
    name = report["dataset"]
    sections = [Section(name, parts), Section(f"{name} over time", curves)]
    if "lag" in report:
        sections.append(Section(f"{name}: what staleness costs", [staleness(report)]))
    return sections


def _curve(report: dict[str, Any], metric: str) -> Plot:
    who = {"Freshet": report, **report.get("against", {})}
    if "against_config" in report:
        who[report["against_config"]["config"]] = report["against_config"]
    lines = [Line(name, _points(found["over_time"], metric)) for name, found in who.items()]
    window = report["over_time"]["window"]
    return Plot(f"{metric.upper()}, by {window:,} events", "scored events", metric.upper(), lines)


def _points(curve: dict[str, Any], metric: str) -> list[tuple[float, float | None]]:
    return [(at * curve["window"], value) for at, value in enumerate(curve[metric])]


def staleness(report: dict[str, Any]) -> Plot:
    """NDCG@10 relative to a server that is never late, as bars."""
    found = report["lag"]
    bars = Line("relative NDCG@10", [(at, row["relative_ndcg@10"]) for at, row in enumerate(found)])
    labels = [lag_name(row) for row in found]
    title = "NDCG@10 of a server that hears of every event late, relative to one that is not"
    return Plot(title, "late by", "relative NDCG@10", [bars], "bars", labels, digits=2)
