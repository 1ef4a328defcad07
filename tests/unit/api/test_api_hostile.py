"""Malformed input of every kind: 4xx, the field named, nothing echoed, nothing learned."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

VIEW = {"type": "view", "user_id": "u", "item_id": "i"}


def event(**changed: object) -> bytes:
    return json.dumps({**VIEW, **changed}).encode()


def batch(*raw: bytes) -> bytes:
    return b'{"events":[' + b",".join(raw) + b"]}"


DEEP = (
    b'{"type":"view","user_id":"u","item_id":"i","context":'
    + b"[" * 100_000
    + b"]" * 100_000
    + b"}"
)

EVENTS: list[tuple[str, bytes, int, str | None]] = [
    ("empty", b"", 400, None),
    ("word", b"nope", 400, None),
    ("cut", b'{"type":"view"', 400, None),
    ("NUL", b"\x00", 400, None),
    ("not UTF-8", b'{"type":"view","user_id":"\xff","item_id":"i"}', 400, None),
    ("not UTF-8 where nobody reads", event()[:-1] + b',"x":"\xff"}', 400, None),
    ("UTF-16", json.dumps(VIEW).encode("utf-16"), 400, None),
    ("two bodies", event() + event(), 400, None),
    ("a string", b'"x"', 422, None),
    ("a number", b"1", 422, None),
    ("null", b"null", 422, None),
    ("an array", b"[" + event() + b"]", 422, None),
    ("deep", DEEP, 400, None),
    ("deep array", b"[" * 100_000, 400, None),
    ("no fields", b"{}", 422, "type"),
    ("no user", b'{"type":"view","item_id":"i"}', 422, "user_id"),
    ("no item", b'{"type":"view","user_id":"u"}', 422, "item_id"),
    ("surrogate id", b'{"type":"view","user_id":"\\ud800","item_id":"i"}', 422, "user_id"),
    ("NaN", b'{"type":"view","user_id":"u","item_id":"i","value":NaN}', 422, "value"),
    ("Infinity", b'{"type":"view","user_id":"u","item_id":"i","value":-Infinity}', 422, "value"),
    ("1e400", b'{"type":"view","user_id":"u","item_id":"i","value":1e400}', 422, "value"),
    ("huge integer", event()[:-1] + b',"value":1' + b"0" * 5000 + b"}", 422, "value"),
    ("huge number", event(value=1e300), 422, "value"),
    ("value text", event(value="3"), 422, "value"),
    ("value true", event(value=True), 422, "value"),
    ("rating without value", event(type="rating"), 422, "value"),
    ("rating 0", event(type="rating", value=0), 422, "value"),
    ("rating 6", event(type="rating", value=6), 422, "value"),
    ("int user", event(user_id=7), 422, "user_id"),
    ("int item", event(item_id=7), 422, "item_id"),
    ("list user", event(user_id=["u"]), 422, "user_id"),
    ("null user", event(user_id=None), 422, "user_id"),
    ("empty user", event(user_id=""), 422, "user_id"),
    ("NUL in id", event(item_id="a\0b"), 422, "item_id"),
    ("newline in id", event(item_id="a\nb"), 422, "item_id"),
    ("long id", event(item_id="x" * 129), 422, "item_id"),
    ("long event id", event(event_id="x" * 129), 422, "event_id"),
    ("type of records", event(type="item"), 422, "type"),
    ("reserved type", event(type="forget"), 422, "type"),
    ("capital type", event(type="View"), 422, "type"),
    ("int type", event(type=3), 422, "type"),
    ("text time", event(timestamp="yesterday"), 422, "timestamp"),
    ("no zone", event(timestamp="2026-01-31T12:00:00"), 422, "timestamp"),
    ("negative time", event(timestamp=-1), 422, "timestamp"),
    ("far time", event(timestamp=1e18), 422, "timestamp"),
    ("future", event(timestamp=4e9), 422, "timestamp"),
    ("too old", event(timestamp=1), 422, "timestamp"),
    ("context list", event(context=[1]), 422, "context"),
    ("context nested", event(context={"a": {"b": 1}}), 422, "context"),
    ("context wide", event(context={str(n): n for n in range(21)}), 422, "context"),
    ("schema 2", event(schema=2), 422, "schema"),
    ("consent text", event(consent="no"), 422, "consent"),
    ("events object", b'{"events":{}}', 422, "events"),
    ("events null", b'{"events":null}', 422, "events"),
    ("events empty", b'{"events":[]}', 422, "events"),
    ("events many", batch(*[event()] * 1001), 422, "events"),
    ("events and more", b'{"events":[' + event() + b'],"evil":1}', 422, None),
    ("element text", batch(event(), b'"x"'), 422, "events.1"),
    ("element list", batch(event(), b"[]"), 422, "events.1"),
    ("element value", batch(event(), event(), event(value="3")), 422, "events.2.value"),
    ("element NaN", batch(event(), event()[:-1] + b',"value":NaN}'), 422, "events.1.value"),
    ("element surrogate", batch(event(event_id="\udfff")), 422, "events.0.event_id"),
    ("cut array", b"[1,", 400, None),
    ("element missing", batch(event(), b"{}"), 422, "events.1.type"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "status", "field"), [e[1:] for e in EVENTS], ids=[e[0] for e in EVENTS]
)
def test_events(call: Any, service: Any, body: bytes, status: int, field: str | None) -> None:
    error = call.refused(status, field, "POST", "/v1/events", body=body)
    assert error["code"] == {400: "not_json", 422: "invalid"}[status]
    assert service.log == []


def test_a_number_as_an_id_is_answered_with_a_hint(call: Any) -> None:
    error = call.refused(422, "user_id", "POST", "/v1/events", {**VIEW, "user_id": 7})
    assert "quotes" in error["message"]


ITEMS: list[tuple[bytes, str | None]] = [
    (b"{}", "items"),
    (b'{"items":[]}', "items"),
    (b'{"items":{}}', "items"),
    (b'{"items":[{}]}', "items.0.item_id"),
    (b'{"items":[{"item_id":1}]}', "items.0.item_id"),
    (b'{"items":[{"item_id":""}]}', "items.0.item_id"),
    (b'{"items":[{"item_id":"a"},{"item_id":"b"},{"item_id":"c","price":-1}]}', "items.2.price"),
    (b'{"items":[{"item_id":"a","price":1e400}]}', "items.0.price"),
    (b'{"items":[{"item_id":"a","price":NaN}]}', "items.0.price"),
    (b'{"items":[{"item_id":"a","title":"\\ud800"}]}', "items.0.title"),
    (b'{"items":[{"item_id":"a","title":5}]}', "items.0.title"),
    (b'{"items":[{"item_id":"a","categories":"x"}]}', "items.0.categories"),
    (b'{"items":[{"item_id":"a","categories":["x",""]}]}', "items.0.categories.1"),
    (b'{"items":[{"item_id":"a","attributes":{"x":[]}}]}', "items.0.attributes"),
    (b'{"items":[{"item_id":"a","available":"no"}]}', "items.0.available"),
    (b'{"items":[{"item_id":"a"},{"item_id":"b","titel":"x"}]}', "items.1"),
    (b'{"items":[{"item_id":"a","deleted":true}]}', "items.0"),
    (b'{"items":[{"item_id":"a"}],"more":1}', None),
    (b'{"items":[' + b",".join([b'{"item_id":"a"}'] * 1001) + b"]}", "items"),
]


@pytest.mark.parametrize(("body", "field"), ITEMS, ids=[str(n) for n in range(len(ITEMS))])
def test_items(call: Any, service: Any, body: bytes, field: str | None) -> None:
    call.refused(422, field, "PUT", "/v1/items", body=body)
    assert service.log == []


def test_an_unknown_field_is_answered_with_the_nearest_known(call: Any) -> None:
    record = {"items": [{"item_id": "a", "titel": "x"}]}
    error = call.refused(422, "items.0", "PUT", "/v1/items", record)
    assert "title" in error["message"]
    assert "titel" not in error["message"]


@pytest.mark.parametrize(("body", "field"), [
    (b"{}", "users"),
    (b'{"users":[{"user_id":4}]}', "users.0.user_id"),
    (b'{"users":[{"user_id":"a","attributes":{"x":1e400}}]}', "users.0.attributes"),
    (b'{"users":[{"user_id":"a","x":1}]}', "users.0"),
])  # fmt: skip
def test_users(call: Any, service: Any, body: bytes, field: str) -> None:
    call.refused(422, field, "PUT", "/v1/users", body=body)
    assert service.log == []


@pytest.mark.parametrize(("body", "status", "field"), [
    (b"x", 400, None),
    (b"{}", 422, "events"),
    (b'{"events":[{"type":"view"}]}', 422, "events.0.item_id"),
    (b'{"events":[{"type":"view","item_id":"i","user_id":5}]}', 422, "events.0.user_id"),
    (b'{"events":[{"type":"view","item_id":"\\ud800"}]}', 422, "events.0.item_id"),
    (b'{"events":[{"type":"rating","item_id":"i","value":9}]}', 422, "events.0.value"),
    (b'{"events":[{"type":"view","item_id":"i","timestamp":4e9}]}', 422, "events.0.timestamp"),
    (b'{"events":[1]}', 422, "events.0"),
    (b'{"events":[],"k":0}', 422, "k"),
    (b'{"events":[],"k":101}', 422, "k"),
    (b'{"events":[],"k":1000000000}', 422, "k"),
    (b'{"events":[],"k":1' + b"0" * 5000 + b"}", 422, "k"),
    (b'{"events":[],"k":"10"}', 422, "k"),
    (b'{"events":[],"k":1.5}', 422, "k"),
    (b'{"events":[],"kk":1}', 422, None),
])  # fmt: skip
def test_sessions(call: Any, body: bytes, status: int, field: str | None) -> None:
    call.refused(status, field, "POST", "/v1/sessions/recommendations", body=body)


QUERIES: list[tuple[str, str]] = [
    ("k=0", "k"), ("k=101", "k"), ("k=1000000000", "k"), ("k=abc", "k"), ("k=", "k"), ("k", "k"),
    ("k=-1", "k"), ("k=1.5", "k"), ("k=1e1", "k"), ("k=NaN", "k"), ("k=%00", "k"), ("k=+5", "k"),
    ("k=" + "9" * 5000, "k"), ("k=%D9%A3", "k"), ("k=1&k=2", "k"), ("k=%FF", "k"),
    ("k=1&%6B=2", "k"), ("%6B=0", "k"),
    ("wait_ms=5001", "wait_ms"), ("wait_ms=-1", "wait_ms"), ("wait_ms=1&wait_ms=1", "wait_ms"),
    ("after=x", "after"), ("after=", "after"), ("after=1.0-1&after=1.0-1", "after"),
    ("after=" + "1.0-" + "9" * 2000, "after"), ("after=1.0-%00", "after"),
    ("category=", "category"), ("category=a&category=b", "category"),
    ("category=%ED%A0%80", "category"), ("category=%00", "category"),
    ("exclude=", "exclude"), ("exclude=" + "x" * 129, "exclude"),
    ("&".join(["exclude=x"] * 1001), "exclude"),
    ("limit=5", "query"), ("%FF=5", "query"), ("=5", "query"), ("K=5", "query"),
    ("k=5&" + "x" * 70_000, "query"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "field"), QUERIES, ids=[q[:20] for q, _ in QUERIES])
def test_queries(call: Any, query: str, field: str) -> None:
    call.refused(422, field, "GET", f"/v1/users/u/recommendations?{query}")


def test_names_and_values_may_be_encoded_and_parts_be_empty(call: Any, shop: Any) -> None:
    listed = call("GET", "/v1/trending?k=3").json()["items"]
    assert call("GET", "/v1/trending?&%6B=%33&&").json()["items"] == listed
    waited = call("GET", "/v1/users/u/recommendations?wait%5Fms=5&category=od%64")
    assert {name for item in waited.json()["items"] for name in item["categories"]} == {"odd"}


def test_an_unknown_parameter_is_answered_with_the_nearest_known(call: Any) -> None:
    error = call.refused(422, "query", "GET", "/v1/users/u/recommendations?wait=5")
    assert "wait_ms" in error["message"]
    call.refused(422, "query", "GET", "/livez?x=1")
    call.refused(422, "import", "POST", "/v1/events?import=yes", VIEW)


@pytest.mark.parametrize("segment", [
    "", "%00", "a%0Ab", "%FF", "%ED%A0%80", "100%", "%zz", "%C3", "x" * 129, "%E2%80%AE",
])  # fmt: skip
def test_ids_in_paths(call: Any, segment: str) -> None:
    call.refused(422, "user_id", "GET", f"/v1/users/{segment}/recommendations")
    call.refused(422, "user_id", "GET", f"/v1/users/{segment}/items/i/rating")
    call.refused(422, "item_id", "GET", f"/v1/users/u/items/{segment}/rating")
    call.refused(422, "item_id", "GET", f"/v1/items/{segment}/similar")
    call.refused(422, "item_id", "DELETE", f"/v1/items/{segment}")


MARK = "Qz7Xw"
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(MARK)
values = st.recursive(
    scalars,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(), inside, max_size=3),
)  # fmt: skip
names = st.sampled_from([
    "type", "user_id", "item_id", "value", "event_id", "timestamp", "context", "consent", "schema",
    "session_id", "items", "events", "users", "k", "title", "price", "attributes", "available",
]) | st.just(MARK) | st.text(max_size=5)  # fmt: skip
WRITES = [
    ("POST", "/v1/events"), ("PUT", "/v1/items"), ("PUT", "/v1/users"),
    ("POST", "/v1/sessions/recommendations"),
]  # fmt: skip


def marked(value: Any) -> Any:
    """The same, with every text told apart from anything the service says by itself."""
    if isinstance(value, str):
        return f"{MARK}{value}"
    if isinstance(value, list):
        return [marked(one) for one in value]
    return {k: marked(v) for k, v in value.items()} if isinstance(value, dict) else value


#: An app of the fixture's serves all examples, and machines differ.
UNMINDFUL = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=150, deadline=None, suppress_health_check=UNMINDFUL)
@given(
    call_to=st.sampled_from(WRITES),
    body=st.dictionaries(names, values, max_size=5),
    wrap=st.booleans(),
)
def test_whatever_is_sent_is_not_echoed_and_never_a_500(
    call: Any, call_to: tuple[str, str], body: dict[str, Any], wrap: bool
) -> None:
    method, target = call_to
    name = (
        "users" if target.endswith("users") else "items" if target.endswith("items") else "events"
    )
    whole = {name: [marked(body)]} if wrap else marked(body)
    response = call(method, target, body=json.dumps(whole).encode("utf-8", "surrogatepass"))
    assert response.status_code in (200, 202, 400, 422)
    if response.status_code >= 400:
        assert MARK not in response.text


@settings(max_examples=150, deadline=None, suppress_health_check=UNMINDFUL)
@given(method_target=st.sampled_from(WRITES), body=st.binary(max_size=200))
def test_bytes_are_never_a_500(call: Any, method_target: tuple[str, str], body: bytes) -> None:
    assert call(*method_target, body=body).status_code in (400, 422)


@settings(max_examples=150, deadline=None, suppress_health_check=UNMINDFUL)
@given(
    target=st.sampled_from([
        "/v1/users/u/recommendations", "/v1/items/i/similar", "/v1/trending", "/page/activity",
    ]),
    name=st.sampled_from(["k", "after", "wait_ms", "category", "exclude", MARK]),
    value=st.from_regex(r"[A-Za-z0-9%+.;-]{0,12}", fullmatch=True),
)  # fmt: skip
def test_no_query_is_echoed_or_a_500(call: Any, target: str, name: str, value: str) -> None:
    response = call("GET", f"{target}?{name}={MARK}{value}")
    assert response.status_code in (200, 422)
    assert MARK not in response.text


@settings(max_examples=100, deadline=None, suppress_health_check=UNMINDFUL)
@given(
    path=st.from_regex(r"(/(v1|users|items|page|static|[a-z0-9%.~-]{0,6})){1,6}", fullmatch=True)
)
def test_no_path_is_a_500(call: Any, path: str) -> None:
    for method in ("GET", "HEAD", "DELETE", "OPTIONS"):
        assert call(method, path).status_code in (200, 404, 405, 422)
