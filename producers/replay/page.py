"""The figures of a replay for people: text for a terminal, sections for a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from producers.report import Line, Page, Plot, Section, Table
from producers.report.table import Cell

_QUALITY: Final = ("hr@10", "hr@20", "ndcg@10", "mrr@20")
_DURATIONS: Final = ("p50", "p90", "p99", "p99.9", "max")


def tables(report: dict[str, Any]) -> list[Table]:
    """What a terminal shows."""
    latency = "from the moment a request was to be sent, so that what queued behind a slow answer "
    latency += "counts (coordinated omission)"
    if report["schedule"] == "closed loop":
        latency = "closed loop: each request waits for the one before on its connection"
    quality = Table(
        f"{report['scored']:,} coming items sought in the lists of {report['source']}",
        ("list", *_QUALITY),
        [
            ("Freshet", *(report[name] for name in _QUALITY)),
            ("bestsellers", *(report["popularity"][name] for name in _QUALITY)),
        ],
        "bestsellers: every item met so far by count of events, less the user's own",
    )
    durations = Table(
        "milliseconds",
        ("", *_DURATIONS, "samples"),
        [
            _durations("latency of a list", report["latency_ms"]),
            _durations("the same, once sent", report["service_ms"]),
            _durations("acknowledged until visible", report["freshness_ms"]),
        ],
        f"latency: {latency}",
    )
    return [quality, durations, Table("counts", ("", "value"), _counts(report))]


def page(report: dict[str, Any]) -> Page:
    """The self-contained page of `--report`."""
    quality, durations, counts = tables(report)
    windows = report["windows"]
    curves = [
        _plot(
            "How often the coming item was among ten", "hr@10", windows,
            {"Freshet": "hr@10", "bestsellers": "popularity_hr@10"},
        ),
        _plot(
            "99th percentile of a list's latency", "milliseconds", windows,
            {"latency": "latency_p99_ms"},
        ),
    ]  # fmt: skip
    state = "to its end" if report["complete"] else "so far"
    return Page(
        f"Replay of {report['source']}",
        f"{report['events']:,} events {state} against {report['target']}, {report['schedule']}",
        [
            Section("What the lists foretold", [quality, curves[0]]),
            Section("How quick they were", [durations, curves[1]]),
            Section("What happened", [counts]),
        ],
        [
            ("hr@10", report["hr@10"]),
            ("bestsellers' hr@10", report["popularity"]["hr@10"]),
            ("p99 of a list, ms", report["latency_ms"]["p99"]),
            ("visible after, ms (median)", report["freshness_ms"]["p50"]),
        ],
    )


def _plot(title: str, label: str, windows: list[dict[str, Any]], lines: dict[str, str]) -> Plot:
    drawn = [
        Line(name, [(float(window["first_event"]), window[key]) for window in windows])
        for name, key in lines.items()
    ]
    return Plot(title, "events", label, drawn)


def _durations(name: str, found: dict[str, Any]) -> Sequence[Cell]:
    return (name, *(found[each] for each in _DURATIONS), found["count"])


def _counts(report: dict[str, Any]) -> list[Sequence[Cell]]:
    served: list[Sequence[Cell]] = [
        (f"served by {name}", share) for name, share in report["served_by"].items()
    ]
    return [
        ("events acknowledged", report["events"]),
        ("lists asked for", report["asked"]),
        ("lists that did not come", report["errors"]),
        ("share degraded", report["degraded_share"]),
        *served,
        ("events known before", report["duplicates"]),
        ("events refused", report["refused"]),
        ("events without consent", report["ignored"]),
        ("requests tried again", report["retries"]),
        ("not visible in time", report["freshness_ms"]["not_in_time"]),
        ("seconds", report["seconds"]),
        ("events a second", report["events_per_s"]),
        ("behind the schedule at most, s", report["behind_s"]),
    ]
