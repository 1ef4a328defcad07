"""The readers: what they give for good files and what they say about broken ones."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.errors import OptionError, ProducerError, ReadError
from producers.readers import FORMATS, Dataset, Record, cells, read
from producers.readers.feedback import Scale
from producers.readers.lines import MAX_LINE_BYTES

SHOP_HEADER = (
    "product_id;name;category;descripcion;palabras_clave;precio;"
    "rating_promedio;descuento_aplicado;stock_actual\n"
)
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return to_file


def everything(dataset: Dataset) -> list[dict[str, Any]]:
    return [*dataset.items, *dataset.users, *dataset.events]


def test_recbole_gives_ratings_items_and_users(write: Write) -> None:
    path = write(
        "films.inter",
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t7\t4\t881250949\n",
    )
    write(
        "films.item",
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        "7\tToy Story\t1995\tAnimation Children's\n8\t\t\t\n",
    )
    write("films.user", "user_id:token\tage:token\tzip_code:token\n1\t24\t01234\n")
    dataset = read(path, "recbole")
    assert dataset.name == "films"
    assert list(dataset.events) == [
        {
            "event_id": "films:2",
            "type": "rating",
            "user_id": "1",
            "item_id": "7",
            "value": 4.0,
            "timestamp": 881250949.0,
        }
    ]
    assert list(dataset.items) == [
        {
            "item_id": "7",
            "title": "Toy Story",
            "categories": ["Animation", "Children's"],
            "attributes": {"release_year": "1995"},
        },
        {"item_id": "8"},
    ]
    assert list(dataset.users) == [
        {"user_id": "1", "attributes": {"age": "24", "zip_code": "01234"}}
    ]


@pytest.mark.parametrize(
    ("scale", "given", "stars"), [("0.5,5", "0.5", 1), ("1,10", "10", 5), ("0,100", "50", 3)]
)
def test_ratings_of_another_scale_become_stars(
    scale: str, given: str, stars: float, write: Write
) -> None:
    path = write("x.inter", RATED + f"1\t2\t{given}\t4\n")
    (_, event) = read(path, "recbole", scale=Scale.parse(scale)).events
    assert event["value"] == stars
    table = write("x.csv", f"user_id,item_id,value\nu,i,{given}\n")
    (event,) = read(table, "csv", scale=Scale.parse(scale)).events
    assert event["value"] == stars


def test_a_rating_off_the_scale_is_told_with_the_option(write: Write) -> None:
    path = write("x.inter", RATED + "1\t2\t0.5\t4\n")
    with pytest.raises(ReadError, match=r"a rating, a number from 1 to 5 \(--scale LOWEST,HIGHEST"):
        list(read(path, "recbole").events)
    with pytest.raises(OptionError, match="lowest and the highest"):
        Scale.parse("5,0.5")


def test_sessions_of_recbole_stand_for_users(write: Write) -> None:
    head = "session_id:token\titem_id:token\ttimestamp:float\n"
    (event,) = read(write("x.inter", head + "s\ti\t5\n"), "recbole").events
    assert (event["user_id"], event["type"]) == ("s", "view")


def test_recbole_without_ratings_gives_views_and_needs_no_side_files(write: Write) -> None:
    dataset = read(write("x.inter", "item_id:token\tuser_id:token\nb\ta\n"), "recbole")
    assert everything(dataset) == [
        {"event_id": "x:2", "type": "view", "user_id": "a", "item_id": "b"}
    ]


def test_sessions_give_views_of_the_session(write: Write) -> None:
    path = write(
        "clicks.txt", "SessionId\tItemId\tTime\r\n3\t21\t1396437466.94\r\n\r\n3\t22\t1396437467\r\n"
    )
    events = list(read(path, "sessions").events)
    assert [event["event_id"] for event in events] == ["clicks:2", "clicks:4"]
    assert events[0]["type"] == "view"
    assert events[0]["user_id"] == "3"
    assert events[0]["timestamp"] == 1396437466.94


def test_events_keep_their_fields_and_get_missing_ids(write: Write) -> None:
    first = {"type": "view", "user_id": "a", "item_id": "b", "extra": {"kept": [1]}}
    second = {**first, "event_id": "mine", "timestamp": "2024-05-01T12:00:00+02:00"}
    path = write("log.jsonl", json.dumps(first) + "\n\n" + json.dumps(second))
    got = list(read(path, "events").events)
    assert got == [{**first, "event_id": "log:1"}, {**second, "timestamp": 1714557600.0}]
    assert [event.line for event in got if isinstance(event, Record)] == [1, 3]


def test_events_that_name_no_item_may_leave_it_out(write: Write) -> None:
    path = write("log.jsonl", '{"type":"identify","user_id":"a","session_id":"s"}\n')
    assert [event["type"] for event in read(path, "events").events] == ["identify"]


def test_csv_takes_the_callers_columns_and_infers_the_type(write: Write) -> None:
    path = write(
        "sales.csv",
        "who;what;when;stars;kind\n"
        "a;x;2024-05-01T12:00:00Z;4,5;\n"
        'b;"y;z";1714564801;;\n'
        "c;x;;2;purchase\n",
    )
    columns = {"user": "who", "item": "what", "time": "when", "value": "stars", "type": "kind"}
    events = list(read(path, "csv", columns=columns, delimiter=";").events)
    assert [event["type"] for event in events] == ["rating", "view", "purchase"]
    assert [event.get("value") for event in events] == [4.5, None, 2.0]
    assert [event.get("timestamp") for event in events] == [1714564800.0, 1714564801.0, None]
    assert events[1]["item_id"] == "y;z"


def test_csv_counts_lines_of_the_file_also_past_quoted_line_ends(write: Write) -> None:
    path = write("a.csv", 'user_id,item_id,note\nu,i,"two\nlines"\n\nv,j,\n')
    assert [event["event_id"] for event in read(path, "csv").events] == ["a:2", "a:5"]


def test_shop_maps_every_column(write: Write) -> None:
    path = write(
        "shop.csv", SHOP_HEADER + "1;Té;Bebidas;Rico.;Calma, Té;1.234,50;4,5;10;3\n2;Pan;;;;;;;\n"
    )
    dataset = read(path, "shop")
    assert list(dataset.events) == []
    assert list(dataset.items) == [
        {
            "item_id": "1",
            "title": "Té",
            "categories": ["Bebidas"],
            "description": "Rico.",
            "tags": ["Calma", "Té"],
            "price": 1234.5,
            "rating": 4.5,
            "discount_percent": 10.0,
            "stock": 3,
            "available": True,
        },
        {"item_id": "2", "title": "Pan", "categories": [], "tags": [], "available": True},
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_readers_take_every_usual_encoding(write: Write, encoding: str) -> None:
    content = (SHOP_HEADER + "1;Sesión de Yoga;Salud;Año – niño;;1;;;\n").encode(encoding)
    (item,) = read(write("s.csv", content), "shop").items
    assert item["title"] == "Sesión de Yoga"
    assert item["description"] == "Año – niño"


RATED = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t2\t3\t4\n"
BROKEN = [
    ("recbole", RATED + "1\t2\t9\t4\n", 3, "rating", "a number from 1 to 5"),
    ("recbole", RATED + "1\t2\tsecret\t4\n", 3, "rating", "a number from 1 to 5"),
    ("recbole", RATED + "1\t2\t\t4\n", 3, "rating", "a number from 1 to 5"),
    ("recbole", RATED + "1\t2\t3\tnan\n", 3, "timestamp", "seconds since the epoch"),
    ("recbole", RATED + "1\t2\t3\t1e400\n", 3, "timestamp", "seconds since the epoch"),
    ("recbole", RATED + "1\t2\t3\t1714564800000\n", 3, "timestamp", "milliseconds"),
    ("recbole", RATED + "1\t2\t3\n", 3, "timestamp", "4 columns"),
    ("recbole", RATED + "1\t2\t3\t4\tsecret\n", 3, "5", "4 columns"),
    ("recbole", RATED + "\t2\t3\t4\n", 3, "user_id", "an id of 1 to 128"),
    ("recbole", RATED + "1\tsecret" + "x" * 128 + "\t3\t4\n", 3, "item_id", "an id of 1 to 128"),
    ("recbole", RATED + "1\tsecret\x07\t3\t4\n", 3, "item_id", "printable"),
    ("recbole", "user_id:token\titem_id\n1\t2\n", 1, "2", "name:type"),
    ("recbole", "user_id:token\tthing:token\n1\t2\n", 1, "item_id:token", "header"),
    ("recbole", "user_id:token\titem_id:token\titem_id:float\n", 1, None, "every column once"),
    ("sessions", "SessionId,ItemId,Time\n1,2,3\n", 1, "SessionId", "tab-separated"),
    ("sessions", "SessionId\tItemId\tTime\n1\t2\tyesterday\n", 2, "Time", "RFC 3339"),
    ("sessions", "SessionId\tItemId\tTime\n1\t2\t\n", 2, "Time", "seconds"),
    ("sessions", "SessionId\tItemId\tTime\n1\t2\t2024-05-01T12:00:00\n", 2, "Time", "zone"),
    ("events", '{"type":"view"\n', 1, None, "one JSON object"),
    ("events", '["secret"]\n', 1, None, "a JSON object"),
    ("events", '{"type":"view","user_id":"a","item_id":5}\n', 1, "item_id", "quotes"),
    ("events", '{"type":"view","item_id":"secret"}\n', 1, "user_id", "a string"),
    ("events", '{"type":"rating","user_id":"a","item_id":"b"}\n', 1, "value", "a number"),
    ("events", '{"type":"rating","user_id":"a","item_id":"b","value":6}\n', 1, "value", "1 to 5"),
    ("events", '{"type":"view","user_id":"a","item_id":"b","value":"1"}\n', 1, "value", "number"),
    ("events", '{"type":"view","user_id":"a","item_id":"b","value":NaN}\n', 1, None, "finite"),
    ("events", '{"type":"view","user_id":"a","item_id":"b","value":1e999}\n', 1, None, "finite"),
    ("events", '{"type":"view","user_id":"\\ud800","item_id":"b"}\n', 1, None, "JSON"),
    ("events", '{"type":"view","user_id":"","item_id":"b"}\n', 1, "user_id", "an id"),
    (
        "events",
        '{"type":"view","user_id":"a","item_id":"b","timestamp":true}\n',
        1,
        "timestamp",
        "RFC",
    ),
    (
        "events",
        '{"type":"view","user_id":"a","item_id":"b","timestamp":"soon"}\n',
        1,
        "timestamp",
        "RFC",
    ),
    (
        "events",
        '{"type":"view","user_id":"a","item_id":"b","timestamp":' + "9" * 400 + "}\n",
        1,
        "timestamp",
        "RFC",
    ),
    ("events", "[" * 100_000 + "\n", 1, None, "JSON"),
    ("csv", "user_id,thing\n1,2\n", 1, "item_id", "header"),
    ("csv", "user_id,item_id,value\n1,2,7\n", 2, "value", "1 to 5"),
    ("csv", "user_id,item_id,type,value\n1,2,rating,\n", 2, "value", "a rating"),
    ("csv", 'user_id,item_id\n1,2\n3,"secret\n', 3, None, "quotes"),
    ("csv", 'user_id,item_id\n1,"secret"x\n', 2, None, "quotes"),
    ("csv", "user_id,item_id,item_id\n1,2,3\n", 1, "3", "every column once"),
    ("shop", "product_id;name\n1;x\n", 1, "category", "header"),
    ("shop", SHOP_HEADER + "1;;c;d;t;1;1;1;1\n", 2, "name", "name"),
    ("shop", SHOP_HEADER + "1;n;c;d;t;-1;1;1;1\n", 2, "precio", "at least 0"),
    ("shop", SHOP_HEADER + "1;n;c;d;t;1;5,1;1;1\n", 2, "rating_promedio", "from 0 to 5"),
    ("shop", SHOP_HEADER + "1;n;c;d;t;1;1;101;1\n", 2, "descuento_aplicado", "from 0 to 100"),
    ("shop", SHOP_HEADER + "1;n;c;d;t;1;1;1;1.5\n", 2, "stock_actual", "whole number"),
    ("shop", SHOP_HEADER + "1;n;c;d;t;1_0;1;1;1\n", 2, "precio", "number"),
    ("shop", SHOP_HEADER + "1;secret\0;c;d;t;1;1;1;1\n", 2, None, "NUL"),
]


@pytest.mark.parametrize(("format", "content", "line", "column", "expected"), BROKEN)
def test_a_broken_line_is_named_without_its_content(
    write: Write, format: str, content: str, line: int, column: str | None, expected: str
) -> None:
    path = write("broken.inter", content)
    with pytest.raises(ReadError) as caught:
        everything(read(path, format))
    error = caught.value
    assert (error.file, error.line, error.column) == ("broken.inter", line, column)
    assert expected in error.expected
    message = str(error)
    assert f"broken.inter, line {line}" in message
    assert column is None or f"column {column}" in message
    assert "secret" not in message


def test_lines_before_the_broken_one_are_given(write: Write) -> None:
    events = read(write("x.inter", RATED + "broken\n"), "recbole").events
    assert next(events)["event_id"] == "x:2"
    with pytest.raises(ReadError, match="line 3"):
        next(events)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"\n \n\n", "empty"),
        ("ä".encode("utf-16"), "UTF-16"),
        (b"x" * (MAX_LINE_BYTES + 2), "a line of at most"),
        (b"\x81\x8d\n", "Windows-1252"),
    ],
)
def test_a_file_that_is_no_table_is_refused_when_opened(
    write: Write, format: str, content: bytes, expected: str
) -> None:
    path = write("odd.txt", content)
    with pytest.raises(ReadError, match=expected) as caught:
        read(path, format)
    assert "odd.txt" in str(caught.value)


@pytest.mark.parametrize("format", FORMATS)
def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path, format: str) -> None:
    with pytest.raises(ReadError, match="none of this name"):
        read(tmp_path / "missing.txt", format)
    with pytest.raises(ReadError, match="folder"):
        read(tmp_path, format)


def test_wrong_usage_is_an_option_error(write: Write) -> None:
    path = write("a.csv", "user_id,item_id\n")
    with pytest.raises(OptionError, match="the formats are recbole"):
        read(path, "xml")
    with pytest.raises(OptionError, match="takes no options"):
        read(path, "shop", delimiter=",")
    with pytest.raises(OptionError, match="takes only columns, delimiter"):
        read(path, "csv", separator=",")
    with pytest.raises(OptionError, match="the roles are user"):
        read(path, "csv", columns={"shopper": "user_id"})
    for delimiter in ("", ";;", '"', "\n"):
        with pytest.raises(OptionError, match="one character"):
            read(path, "csv", delimiter=delimiter)
    with pytest.raises(ReadError, match="column when"):
        read(path, "csv", columns={"time": "when"})


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_survive_both_decimal_marks(value: float) -> None:
    assert cells.number(repr(value)) == value
    assert cells.number(repr(value).replace(".", ",")) == value


@given(st.text(max_size=30))
def test_any_cell_is_a_number_or_a_cell_error(text: str) -> None:
    for parse in (cells.number, cells.moment, cells.identifier):
        try:
            parse(text)
        except cells.CellError as error:
            assert error.expected


@settings(max_examples=60)
@given(content=st.binary(max_size=300), header=st.booleans(), format=st.sampled_from(FORMATS))
def test_no_bytes_get_past_the_readers_own_errors(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, header: bool, format: str
) -> None:
    headers = {
        "recbole": "user_id:token\titem_id:token\trating:float\n",
        "sessions": "SessionId\tItemId\tTime\n",
        "events": "",
        "csv": "user_id,item_id,value\n",
        "shop": SHOP_HEADER,
    }
    path = tmp_path_factory.getbasetemp() / "any.inter"
    path.write_bytes((headers[format].encode() if header else b"") + content)
    try:
        everything(read(path, format))
    except ProducerError as error:
        assert "any.inter" in str(error)
