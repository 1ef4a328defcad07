"""The report's page: it loads nothing, shows what --json says, and can be read by machines."""

from __future__ import annotations

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from config.cli.main import main
from producers.report import Line, Plot, Table, text
from producers.report.plots import standalone, svg

_LOADING = {"src", "href", "data", "poster", "srcset", "action", "xlink:href", "formaction"}


class Reader(HTMLParser):
    """Notes what a page would load, its numbers, its headings and its plots."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.numbers: list[float] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in _LOADING and value:
                self.loads.append(value)
            if tag == "data" and name == "value" and value:
                self.numbers.append(json.loads(value))


def freshet(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["freshet", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out, told.err


def clicks(path: Path, count: int = 120) -> Path:
    lines = ["SessionId\tItemId\tTime"]
    lines += [f"s{n % 9}\ti{(n * n) % 13}\t{1_000 + 30 * n}" for n in range(count)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_page_holds_the_figures_of_json_and_loads_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pygal")
    other = tmp_path / "b.toml"
    other.write_text("[learning.popularity]\nfast_half_life = 50.0\n")
    files = [str(clicks(tmp_path / "one.tsv")), str(clicks(tmp_path / "two<&>.tsv", 60))]
    code, out, _ = freshet(
        "evaluate", *files, "--format", "sessions", "--json", "--against", "popularity,item-knn",
        "--lag", "10", "--lag-crowd", "10", "--against-config", str(other),
        "--report", str(tmp_path / "out.html"), capsys=capsys,
    )  # fmt: skip
    assert code == 0
    page = (tmp_path / "out.html").read_text("utf-8")
    reader = Reader()
    reader.feed(page)
    assert not reader.loads
    assert not re.search(r"@import|url\(", page)
    assert not {"script", "link", "img", "iframe", "object"} & set(reader.tags)
    # Two curves and the plot of staleness for each file.
    assert reader.tags.count("svg") == 6
    reports = [json.loads(line) for line in out.splitlines()]
    assert [report["dataset"] for report in reports] == ["one", "two<&>"]
    for report in reports:
        shown = [report, *report["against"].values(), report["against_config"], *report["lag"]]
        for figures in [*shown, *report["slices"].values()]:
            for metric in ("hr@10", "ndcg@10", "mrr@20"):
                if figures.get(metric) is not None:
                    assert figures[metric] in reader.numbers


def test_bad_input_is_answered_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "late.tsv"
    file.write_text("SessionId\tItemId\tTime\na\tx\t20\nb\ty\t30\na\tz\t10\n")
    asked = ["evaluate", str(file), "--format", "sessions", "--json"]
    code, out, told = freshet(*asked, capsys=capsys)
    assert code == 0
    assert json.loads(out)["events"] == 3
    assert "line 4 is earlier" in " ".join(told.split())
    code, out, told = freshet(*asked, "--strict", capsys=capsys)
    assert (code, out) == (1, "")
    assert "late.tsv, line 4" in told
    for wrong, said in (
        (
            ["--against", "popularty"],
            "--against: name 1 of 1 is not known; did you mean popularity?",
        ),
        (["--lag", "soon"], "--lag: expected events or durations"),
        (
            ["--sources-off", "contnet"],
            "--sources-off: name 1 of 1 is not known; did you mean content?",
        ),
        (["--report", str(tmp_path / "no" / "x.html")], "--report: expected a file name"),
    ):
        code, _, told = freshet(*asked, *wrong, capsys=capsys)
        assert code == 2
        assert said in told
    monkeypatch.setitem(sys.modules, "pygal", None)
    code, _, told = freshet(*asked, "--report", str(tmp_path / "x.html"), capsys=capsys)
    assert code == 2
    assert "pip install -e '.[report]'" in told


def test_a_file_without_events_is_answered_with_nulls(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "none.tsv"
    file.write_text("SessionId\tItemId\tTime\n")
    asked = ["evaluate", str(file), "--format", "sessions", "--lag", "5", "--against", "item-knn"]
    code, out, told = freshet(*asked, "--json", capsys=capsys)
    assert code == 0
    assert "no events" in told
    found = json.loads(out)
    assert (found["scored"], found["hr@10"], found["coverage@20"]) == (0, None, None)
    code, out, _ = freshet(*asked, capsys=capsys)
    assert code == 0
    assert "No event could be scored." in out


def test_a_table_as_text() -> None:
    table = Table("Found", ("", "hr"), [["a", 0.25], ["long name", None]], "So it is.")
    assert text(table).splitlines() == [
        "Found", "               hr", "-----------------", "a          0.2500",
        "long name       –", "So it is.",
    ]  # fmt: skip


def test_a_plot_is_the_same_every_time_and_runs_no_script() -> None:
    pytest.importorskip("pygal")
    plot = Plot("T", "x", "y", [Line("a", [(0, 1.0), (1, None), (2, 3.0)])])
    assert svg(plot, "one") == svg(plot, "one")
    assert "<script" not in svg(plot, "one")
    bars = Plot("T", "x", "y", [Line("a", [(0, 1.0)])], "bars", ["first"])
    alone = standalone(bars)
    assert "prefers-color-scheme:dark" in alone
    assert set(re.findall(r'https?://[^"\s]+', alone)) == {"http://www.w3.org/2000/svg"}
