"""The figures of a simulation for people: text for a terminal, sections for a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from producers.report import Line, Page, Plot, Section, Table
from producers.report.table import Cell

_COLUMNS: Final = {
    "ctr": "clicks per item shown", "conversion": "purchases per click",
    "value": "clicks a list is worth", "diversity": "diversity", "coverage": "coverage",
    "gini": "Gini", "popular_share": "popular share",
}  # fmt: skip
_MEANING: Final = (
    "clicks a list is worth: expected, by the planted truth; diversity: mean of 1 - cosine of a "
    "list's pairs; coverage: share of the catalogue shown; Gini: how unequally it is shown; "
    "popular share: shown items among the tenth with most clicks so far"
)
_TOLD: Final = {
    "freshet": "clicks per item shown", "bestsellers": "bestsellers'", "oracle": "the oracle's",
}  # fmt: skip
_CURVES: Final = {
    "ctr": "Clicks per item shown",
    "regret": "Regret: clicks a list the oracle's is worth more, for the same person and moment",
    "diversity": "Diversity of a list",
    "coverage": "Share of the catalogue that is shown",
    "gini": "How unequally the catalogue is shown (Gini)",
    "popular_share": "Share of the popular tenth in what is shown",
}


def tables(report: dict[str, Any]) -> list[Table]:
    """What a terminal shows."""
    policies = report["policies"]
    whole = Table(
        _title(report),
        ("policy", *_COLUMNS.values()),
        [(name, *(found[key] for key in _COLUMNS)) for name, found in policies.items()],
        _MEANING,
    )
    regret = Table(
        "regret of Freshet, in clicks a list",
        ("against", "regret"),
        [(name.replace("_", " "), value) for name, value in report["regret"].items()],
        "what the other's lists were worth more in its own run of the same world; below zero "
        "Freshet's were worth more; in state: the oracle's list for the same person and moment",
    )
    return [whole, regret, _trend(policies)]


def _title(report: dict[str, Any]) -> str:
    told = f"{report['users']:,} shoppers, {report['items']:,} items, {report['hours']:g} hours"
    return told if report["complete"] else f"{told}; stopped after {report['visits']:,} visits"


def _trend(policies: dict[str, Any]) -> Table:
    names = ("ctr", "diversity", "coverage", "gini", "popular_share")
    rows: list[Sequence[Cell]] = []
    for policy in ("freshet", "bestsellers"):
        if policy not in policies:
            continue
        for quarter in ("first_quarter", "last_quarter"):
            found = policies[policy][quarter]
            label = f"{policy}, {quarter.replace('_', ' ')}"
            rows.append((label, *(found[name] for name in names)))
    return Table(
        "does the loop collapse onto the popular?",
        ("", *(_COLUMNS[name] for name in names)),
        rows,
        "means of windows, so coverage is of a window and not of the whole run",
    )


def page(report: dict[str, Any]) -> Page:
    """The self-contained page of `--report`."""
    whole, regret, trend = tables(report)
    policies = report["policies"]
    curves = {key: _plot(title, key, policies) for key, title in _CURVES.items()}
    sections = [
        Section("What people did", [whole, curves["ctr"]]),
        Section("What could have been", [regret, curves["regret"]]),
        Section(
            "Where the loop goes",
            [trend, *(curves[key] for key in ("diversity", "coverage", "gini", "popular_share"))],
        ),
    ]
    if report["learned_propensities"]:
        sections.append(Section("How much each place is looked at", [_places(report)]))
    return Page(
        "A closed loop, simulated",
        f"{_title(report)}, seed {report['seed']}, {report['system']}",
        sections,
        [(label, policies[name]["ctr"]) for name, label in _TOLD.items() if name in policies],
    )


def _plot(title: str, key: str, policies: dict[str, Any]) -> Plot:
    lines = [
        Line(name, [(window["hour"], window[key]) for window in found["windows"]])
        for name, found in policies.items()
    ]
    return Plot(title, "hours", title.split(":", maxsplit=1)[0].lower(), lines)


def _places(report: dict[str, Any]) -> Table:
    rows = zip(report["examination"], report["learned_propensities"], strict=True)
    return Table(
        "the chance that a place is looked at, relative to the first",
        ("place", "planted", "learned"),
        [(f"{at}", planted, learned) for at, (planted, learned) in enumerate(rows, start=1)],
    )
