"""A report as tables, for the terminal and for the page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from producers.evaluate.bootstrap import METRICS, RESAMPLES
from producers.evaluate.judge import SLICES
from producers.report import Cell, Table

_RANKING: Final = ("hr@10", "hr@20", "ndcg@10", "mrr@20")
_RATING: Final = ("rmse", "mae")
_CROWD: Final = "The crowd: the model is late, every user's own history is not."
_INTERVALS: Final = f"95 % intervals: paired bootstrap over users, {RESAMPLES:,} draws."


def tables(report: dict[str, Any]) -> Iterator[Table]:
    """Every table the report has something for."""
    yield _overall(report)
    yield _slices(report)
    if "against" in report:
        yield _against(report)
        yield _ahead(report)
    if "against_config" in report:
        yield _configs(report)
    if "lag" in report:
        yield _lags(report)


def _overall(report: dict[str, Any]) -> Table:
    columns = ("events", "scored", *_RANKING, "coverage@20", *_RATING, "events_per_s")
    name = report["dataset"]
    return Table(
        "Foretold event by event",
        ("", *(_spoken(column) for column in columns)),
        [[name, *(report[column] for column in columns)]],
        "" if report["scored"] else "No event could be scored.",
    )


def _slices(report: dict[str, Any]) -> Table:
    columns = ("scored", *_RANKING, *_RATING)
    rows: list[list[Cell]] = [
        [_spoken(name), *(report["slices"][name][column] for column in columns)] for name in SLICES
    ]
    note = "New: fewer than five earlier events."
    return Table("Slices", ("", *(_spoken(column) for column in columns)), rows, note)


def _against(report: dict[str, Any]) -> Table:
    columns = (*_RANKING, "coverage@20", *_RATING)
    own = 1e3 / report["events_per_s"] if report["events_per_s"] else None
    rows: list[list[Cell]] = [["Freshet", *(report[column] for column in columns), own, None]]
    for name, found in report["against"].items():
        cells = (found[column] for column in columns)
        rows.append([name, *cells, found["ms_per_event"], found["refit_s"]])
    return Table(
        "Against baselines",
        ("", *(_spoken(column) for column in columns), "ms an event", "refits, s"),
        rows,
        "The same events and candidates. The time of an event is that of its list and its lesson; "
        "refits are apart.",
        lead=True,
    )


def _ahead(report: dict[str, Any]) -> Table:
    rows = [
        [name, *(_interval(found["difference"][metric]) for metric in METRICS)]
        for name, found in report["against"].items()
    ]
    return Table("Freshet less the baseline", ("", *map(_spoken, METRICS)), rows, _INTERVALS)


def _configs(report: dict[str, Any]) -> Table:
    other = report["against_config"]
    columns = (*_RANKING, *_RATING)
    rows: list[list[Cell]] = [
        [report.get("config", "this"), *(report[column] for column in columns)],
        [other["config"], *(other[column] for column in columns)],
        ["difference", *(_interval(other["difference"].get(column)) for column in columns)],
    ]
    return Table("Two configurations", ("", *map(_spoken, columns)), rows, _INTERVALS)


def _lags(report: dict[str, Any]) -> Table:
    rows = [
        [lag_name(found), *(found[column] for column in _RANKING), found["relative_ndcg@10"]]
        for found in report["lag"]
    ]
    return Table(
        "What staleness costs",
        ("late by", *map(_spoken, _RANKING), "relative NDCG@10"),
        rows,
        _CROWD if any(found["late"] == "crowd" for found in report["lag"]) else "",
        lead=True,
    )


def lag_name(found: dict[str, Any]) -> str:
    """How a row of `lag` is called: `1,000 events`, `1h`, `the crowd, 1,000 events`."""
    lag = found["lag"]
    name = f"{int(lag):,} events" if lag.isdigit() else lag
    name = "nothing" if lag == "0" else name
    return f"the crowd, {name}" if found["late"] == "crowd" else name


def _interval(found: dict[str, float | None] | None) -> str | None:
    if found is None:
        return None
    mean, low, high = found["mean"], found["low"], found["high"]
    if low is None or high is None:
        return f"{mean:+.3f}"
    return f"{mean:+.3f} ({low:+.3f}…{high:+.3f})"


def _spoken(name: str) -> str:
    words = name.replace("_per_s", "/s").replace("_", " ")
    metric, at, k = words.partition("@")
    return (
        f"{metric.upper()}@{k}"
        if at and metric != "coverage"
        else (words.upper() if words in _RATING else words)
    )
