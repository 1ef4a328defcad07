"""Events: every mistake is named by field and cause, and nothing sent is repeated."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.errors import InvalidEvent
from stream.events import (
    CONTROL,
    RESERVED,
    check_id,
    parse_feedback,
    parse_item,
    parse_user,
    time_of,
)

GOOD = {"type": "view", "user_id": "u", "item_id": "i"}


def with_(**fields: Any) -> bytes:
    return msgspec.json.encode({**GOOD, **fields})


def without(name: str) -> bytes:
    return msgspec.json.encode({key: value for key, value in GOOD.items() if key != name})


def text(fields: bytes) -> bytes:
    """A good event with raw JSON behind it."""
    return b'{"type":"view","user_id":"u","item_id":"i",' + fields + b"}"


HOSTILE = [
    (b"", "", "valid JSON"),
    (b"not json", "", "valid JSON"),
    (b"{", "", "valid JSON"),
    (b"null", "", "JSON object"),
    (b"[]", "", "JSON object"),
    (b'"text"', "", "JSON object"),
    (b"7", "", "JSON object"),
    (b"\xff\xfe\x00", "", "valid JSON"),
    (b"\x00" * 100, "", "valid JSON"),
    (b"\xef\xbb\xbf" + with_(), "", "valid JSON"),
    (b"[" * 100_000, "", "JSON object"),
    (b'{"a":' * 100_000, "", "nested too deep"),
    (text(b'"context":{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"), "context", ""),
    (without("type"), "type", "required"),
    (without("user_id"), "user_id", "required"),
    (without("item_id"), "item_id", "required"),
    (with_(user_id=7), "user_id", "quotes"),
    (with_(item_id=7.5), "item_id", "quotes"),
    (with_(user_id=None), "user_id", "a string"),
    (with_(user_id=["u"]), "user_id", "a string"),
    (with_(user_id={}), "user_id", "a string"),
    (with_(user_id=True), "user_id", "a string"),
    (with_(user_id=""), "user_id", "1 to 128"),
    (with_(user_id="u" * 129), "user_id", "1 to 128"),
    (with_(item_id="a\x00b"), "item_id", "printable"),
    (with_(item_id="a\nb"), "item_id", "printable"),
    (with_(item_id="a\u200bb"), "item_id", "printable"),
    (text(b'"event_id":"\\ud800"'), "event_id", "surrogate"),
    (b'{"type":"view","user_id":"\\udfff","item_id":"i"}', "user_id", "surrogate"),
    (b'{"type":"view","user_id":"u\xff","item_id":"i"}', "", "valid JSON"),
    (with_(event_id=""), "event_id", "1 to 128"),
    (with_(event_id=5), "event_id", "quotes"),
    (with_(session_id="\x7f"), "session_id", "printable"),
    (with_(recommendation_id="r" * 200), "recommendation_id", "1 to 128"),
    (with_(type=""), "type", "a-z"),
    (with_(type="View"), "type", "a-z"),
    (with_(type="v" * 65), "type", "a-z"),
    (with_(type="view\n"), "type", "a-z"),
    (with_(type=3), "type", "quotes"),
    (with_(type="rating"), "value", "required"),
    (with_(type="rating", value=0.5), "value", "1 to 5"),
    (with_(type="rating", value=6), "value", "1 to 5"),
    (with_(type="rating", value="5"), "value", "a number"),
    (with_(value=1e10), "value", "1e9"),
    (with_(value=True), "value", "a number"),
    (text(b'"value":NaN'), "value", "finite"),
    (text(b'"value":Infinity'), "value", "finite"),
    (text(b'"value":-Infinity'), "value", "finite"),
    (text(b'"value":1e400'), "value", ""),
    (text(b'"value":' + b"9" * 400), "value", ""),
    (text(b'"value":' + b"9" * 5000), "value", ""),
    (with_(timestamp=True), "timestamp", "RFC 3339"),
    (with_(timestamp=[1]), "timestamp", "RFC 3339"),
    (with_(context=[]), "context", "object"),
    (with_(context="x"), "context", "object"),
    (with_(context={"a": []}), "context", ""),
    (with_(context={"a": {"b": 1}}), "context", ""),
    (with_(context={str(n): n for n in range(21)}), "context", "20 keys"),
    (with_(context={"": 1}), "context", "keys"),
    (with_(context={"k" * 129: 1}), "context", "keys"),
    (with_(context={"a": "x" * 10_001}), "context", "10000"),
    (text(b'"context":{"a":1e999}'), "context", ""),
    (text(b'"context":{"a":99999999999999999999999999}'), "context", ""),
    (with_(consent="no"), "consent", "true or false"),
    (with_(consent=1), "consent", "true or false"),
    (with_(schema=2), "schema", "must be 1"),
    (with_(schema="1"), "schema", "whole number"),
    (with_(schema=1.5), "schema", "whole number"),
    *[(with_(type=name), "type", "reserved") for name in sorted(RESERVED)],
    *[(with_(type=name), "type", "not feedback") for name in sorted(CONTROL)],
]


@pytest.mark.parametrize(("raw", "field", "cause"), HOSTILE)
def test_a_hostile_event_is_refused_by_field_and_cause(raw: bytes, field: str, cause: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        parse_feedback(raw)
    assert caught.value.field.split(".")[0].split("…")[0].rstrip(".") in (field, "")
    if field and cause:
        assert caught.value.field.startswith(field)
    assert cause in caught.value.reason
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "raw",
    [
        with_(),
        b"  " + with_() + b"\n",
        with_(user_id="a/b,ü? 日本"),
        with_(user_id="u" * 128),
        with_(value=-3.5),
        with_(value=None, event_id=None, context=None, timestamp=None),
        with_(type="rating", value=5),
        with_(schema=1, consent=True),
        with_(context={"a": 1, "b": 2.5, "c": None, "d": True, "e": "x"}),
        with_(unknown={"kept": [1, 2, 3]}),
        text(b'"user_id":"the last of two names counts"'),
    ],
)
def test_good_events_are_taken(raw: bytes) -> None:
    assert parse_feedback(raw).item_id == "i"


HOSTILE_ITEMS = [
    (b'{"item_id":5}', "item_id"),
    (b"{}", "item_id"),
    (b'{"item_id":""}', "item_id"),
    (b'{"item_id":"i","title":7}', "title"),
    (b'{"item_id":"i","title":"' + b"x" * 10_001 + b'"}', "title"),
    (b'{"item_id":"i","categories":"a"}', "categories"),
    (b'{"item_id":"i","categories":["a",7]}', "categories.1"),
    (b'{"item_id":"i","tags":[""]}', "tags.0"),
    (b'{"item_id":"i","tags":' + msgspec.json.encode(["t"] * 101) + b"}", "tags"),
    (b'{"item_id":"i","price":-1}', "price"),
    (b'{"item_id":"i","price":1e10}', "price"),
    (b'{"item_id":"i","price":NaN}', "price"),
    (b'{"item_id":"i","available":"no"}', "available"),
    (b'{"item_id":"i","attributes":{"a":[1]}}', "attributes"),
]


@pytest.mark.parametrize(("raw", "field"), HOSTILE_ITEMS)
def test_a_hostile_item_is_refused_by_field(raw: bytes, field: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        parse_item(raw)
    assert caught.value.field.startswith(field)


def test_a_hostile_user_is_refused_by_field() -> None:
    for raw, field in ((b"{}", "user_id"), (b'{"user_id":"u","attributes":7}', "attributes")):
        with pytest.raises(InvalidEvent) as caught:
            parse_user(raw)
        assert caught.value.field == field


# What must never be seen again; no message of ours holds it.
MARK = "zqxj"

marked = st.text(max_size=5).map(lambda t: MARK + t)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | marked
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(marked, inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(
    [
        "type", "user_id", "item_id", "value", "event_id", "timestamp", "context", "consent",
        "schema", "title", "categories", "tags", "price", "attributes", "available", "deleted",
        MARK,
    ]
)  # fmt: skip
plausible: st.SearchStrategy[Any] = st.sampled_from(
    ["view", "rating", "u", "i", 3, 1.5, True, None, {}, []]
)


def _dump(value: Any) -> bytes:
    """JSON as a hostile client writes it: NaN, huge numbers and lone surrogates included."""
    import json

    return json.dumps(value).encode()


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(fields, trees | plausible).map(_dump)
    | trees.map(_dump)
    | st.binary(max_size=40)
    | st.tuples(st.dictionaries(fields, trees).map(_dump), st.integers(0, 60)).map(
        lambda cut: cut[0][: cut[1]]
    )
)
def test_parsing_raises_invalid_event_or_nothing_and_never_repeats_input(raw: bytes) -> None:
    for parse in (parse_feedback, parse_item, parse_user):
        try:
            parse(raw)
        except InvalidEvent as error:
            assert MARK not in str(error) + error.field + error.reason


@pytest.mark.parametrize(
    ("stamp", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("2026-01-31T12:00:00Z", 1_769_860_800.0),
        ("2026-01-31T13:00:00+01:00", 1_769_860_800.0),
        ("2026-01-31T12:00:00.5Z", 1_769_860_800.5),
        (1_769_860_800, 1_769_860_800.0),
        (0, 0.0),
        (1.5, 1.5),
        (None, 99.0),
    ],
)
def test_time_of_reads_both_forms(stamp: Any, seconds: float) -> None:
    assert time_of(stamp, 99.0) == seconds


@pytest.mark.parametrize(
    "stamp",
    [
        "", "now", "2026-01-31", "2026-01-31T12:00:00", "2026-13-01T00:00:00Z",
        "2026-01-31T25:00:00Z", "1969-12-31T23:59:59Z", "2026-01-31T12:00:00+99:99",
        "1" * 1000, "２０２６-01-31T12:00:00Z", "\ud800",
        -1, -1e-9, 253_402_300_800, 1e300, float("nan"), float("inf"), -float("inf"),
    ],
)  # fmt: skip
def test_time_of_refuses_by_its_field(stamp: Any) -> None:
    with pytest.raises(InvalidEvent) as caught:
        time_of(stamp, 0.0)
    assert caught.value.field == "timestamp"


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80) | st.floats() | st.datetimes().map(lambda d: d.isoformat() + "Z"))
def test_time_of_never_raises_anything_else(stamp: Any) -> None:
    try:
        assert 0 <= time_of(stamp, 0.0) < 253_402_387_200
    except InvalidEvent as error:
        assert error.field == "timestamp"


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_ids_are_checked_without_repeating_them(text_: str) -> None:
    try:
        check_id("user_id", text_)
        assert 1 <= len(text_) <= 128 and text_.isprintable()
    except InvalidEvent as error:
        assert error.reason in (
            "must be 1 to 128 characters", "must hold printable characters only",
        )  # fmt: skip
