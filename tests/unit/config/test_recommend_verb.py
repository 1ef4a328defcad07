"""`freshet recommend`: everybody's lists in a file."""

import csv
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from config import bootstrap
from config.cli import list_files
from config.cli.verbs import VERBS, command_line
from config.load import load
from producers.direct import Direct
from producers.errors import OptionError

COLUMNS = ["user_id", "place", "item_id", "score", "reason", "served_by"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that a running system holds."""
    root = tmp_path_factory.mktemp("lists")
    running = bootstrap.embedded(load({"core.data_dir": str(root)}, environ={}))
    sink = Direct(running.service, imported=True)
    sink.put_items(
        [
            {"item_id": f"i{n}", "title": f'Item "{n}"; é', "price": n, "categories": ["a", "b"]}
            for n in range(6)
        ]
    )
    sink.send(
        [
            {"type": "view", "user_id": f"ü{n % 3}", "item_id": f"i{n % 5}", "timestamp": 1000 + n}
            for n in range(12)
        ]
    )
    running.service.catch_up()
    yield root
    running.close()


def run(*words: object) -> dict[str, Any]:
    result = CliRunner().invoke(command_line(VERBS), ["recommend", *map(str, words), "--json"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    told: dict[str, Any] = json.loads(result.stdout)
    return told


def rows_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def test_everybodys_lists_beside_a_running_server(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "lists.jsonl"
    told = run("--all-users", "--data-dir", folder, "--out", out, "--k", 2, "--fields", "title")
    rows = rows_of(out)
    assert told == {"users": 3, "rows": len(rows)}
    assert all(list(row) == [*COLUMNS, "title"] for row in rows)
    assert [(row["user_id"], row["place"]) for row in rows] == [
        (f"ü{user}", place) for user in range(3) for place in (1, 2)
    ]
    assert {row["served_by"] for row in rows} == {"personal"}
    assert not list(tmp_path.glob(".*"))


def test_the_files_hold_the_same(folder: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    wanted = ("--all-users", "--data-dir", folder, "--fields", "title,price,categories", "--out")
    for ending in ("csv", "jsonl", "parquet"):
        run(*wanted, tmp_path / f"lists.{ending}")
    rows = rows_of(tmp_path / "lists.jsonl")
    table = parquet.read_table(tmp_path / "lists.parquet").to_pylist()
    assert [row | {"categories": json.loads(row["categories"])} for row in table] == rows
    with (tmp_path / "lists.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert [(r["user_id"], r["item_id"], r["title"], float(r["score"])) for r in read] == [
        (r["user_id"], r["item_id"], r["title"], r["score"]) for r in rows
    ]


def test_named_users_only_and_filters(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "users").write_text("ü1\nnever seen\n", "utf-8")
    out = tmp_path / "lists.jsonl"
    options = ("--users", tmp_path / "users", "--category", "none", "--out", out)
    assert run("--data-dir", folder, *options) == {"users": 2, "rows": 0}
    run("--data-dir", folder, *options[:2], *options[4:])
    assert {(row["user_id"], row["served_by"]) for row in rows_of(out)} == {
        ("ü1", "personal"), ("never seen", "trending")
    }  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        ("--out", "lists.csv"), ("--all-users", "--users", "x", "--out", "lists.csv"),
        ("--all-users", "--url", "http://localhost:1", "--out", "lists.csv"),
        ("--all-users", "--out", "lists.csv", "--fields", "secret"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said(folder: Path, words: tuple[str, ...]) -> None:
    with pytest.raises(OptionError):
        run(*words, *(() if "--url" in words else ("--data-dir", folder)))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--all-users", "--out", "lists.xls"), "--out: the file must end in one of .csv"),
        (("--all-users", "--out", "lists"), "--out: the file must end in one of .csv"),
        (("--all-users", "--out", "lists.parquet"), "--out: Parquet needs the extra"),
        (("--all-users", "--out", "nowhere/lists.csv"), "--out: expected a file name in a folder"),
        (("--users", "nowhere", "--out", "lists.csv"), "--users: the file cannot be read: No such"),
        (("--users", "latin", "--out", "lists.csv"), "--users: the file is not text in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_is_refused_before_the_log_is_learned(
    words: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reader(*_: Any, **__: Any) -> None:
        raise AssertionError("the log was opened")

    monkeypatch.setattr(bootstrap, "reader", reader)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.chdir(tmp_path)
    Path("latin").write_bytes("ü1".encode("latin-1"))
    with pytest.raises(OptionError, match=re.escape(said)):
        run(*words)


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    def breaking() -> Iterator[Any]:
        yield [dict.fromkeys(COLUMNS, "x")]
        raise RuntimeError("away")

    with pytest.raises(RuntimeError):
        list_files.write_lists(tmp_path / "lists.csv", COLUMNS, breaking())
    assert list(tmp_path.iterdir()) == []


def test_a_server_is_asked_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        asked.append(body)
        item = {"item_id": "i1", "score": 1.0, "reason": "popular", "because": [], "title": "T"}
        one = {"items": [item], "served_by": "personal", "degraded": False}
        return httpx.Response(
            200, json={"lists": [{"user_id": u, **one} for u in body["user_ids"]]}
        )

    client = httpx.Client
    monkeypatch.setattr(
        httpx, "Client", lambda **more: client(transport=httpx.MockTransport(answer), **more)
    )
    (tmp_path / "users").write_text("".join(f"u{n}\n" for n in range(450)))
    out = tmp_path / "lists.jsonl"
    run("--url", "http://server", "--users", tmp_path / "users", "--out", out, "--fields", "title")
    assert [len(body["user_ids"]) for body in asked] == [200, 200, 50]
    assert len(rows_of(out)) == 450
