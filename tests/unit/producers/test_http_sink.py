"""The HTTP sink against a fake transport: requests, retries, refusals, sizes."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.errors import IngestRefused, OptionError, SinkError, SinkUnavailable
from producers.http_sink import ATTEMPTS, HttpSink
from producers.readers import Record

URL = "http://127.0.0.1:8000"
EVENT = {"event_id": "d:2", "type": "view", "user_id": "a", "item_id": "b"}


class Server:
    """Answers from a list; the last answer is repeated. Keeps every request."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.naps: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if not self.answers:
            events = json.loads(request.content).get("events", [])
            return httpx.Response(202, json={"accepted": len(events), "duplicates": 0})
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def sink(self, **options: Any) -> HttpSink:
        transport = httpx.MockTransport(self)
        return HttpSink(URL + "/", transport=transport, sleep=self.naps.append, **options)

    def bodies(self) -> list[Any]:
        return [json.loads(request.content) for request in self.requests]


def ok(accepted: int = 1, duplicates: int = 0) -> httpx.Response:
    return httpx.Response(202, json={"accepted": accepted, "duplicates": duplicates})


def refused(status: int, message: str, field: str | None) -> httpx.Response:
    error = {"code": "invalid", "message": message, "field": field, "request_id": "r"}
    return httpx.Response(status, json={"error": error})


def test_each_kind_goes_to_its_route() -> None:
    server = Server()
    with server.sink(api_key="k") as sink:
        sink.put_items([{"item_id": "i"}])
        sink.put_users([{"user_id": "u", "attributes": {}}])
        assert sink.send([EVENT, {**EVENT, "event_id": "d:3"}]) == (2, 0)
    calls = [(request.method, str(request.url)) for request in server.requests]
    assert calls == [
        ("PUT", f"{URL}/v1/items"),
        ("PUT", f"{URL}/v1/users"),
        ("POST", f"{URL}/v1/events?import=true"),
    ]
    assert server.bodies()[0] == {"items": [{"item_id": "i"}]}
    assert server.bodies()[2]["events"][0] == EVENT
    assert {request.headers["Authorization"] for request in server.requests} == {"Bearer k"}
    assert {request.headers["Content-Type"] for request in server.requests} == {"application/json"}


def test_live_events_carry_no_import_mark_and_no_key() -> None:
    server = Server()
    with server.sink(imported=False) as sink:
        sink.send([EVENT])
    assert str(server.requests[0].url) == f"{URL}/v1/events"
    assert "Authorization" not in server.requests[0].headers


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.Response(503, headers={"Retry-After": "3"}),
        httpx.Response(429, headers={"Retry-After": "3"}),
    ],
)
def test_later_is_waited_for_and_repeated_with_the_same_ids(trouble: httpx.Response) -> None:
    server = Server(trouble, trouble, ok(0, 1))
    event = {key: EVENT[key] for key in ("type", "user_id", "item_id")}
    with server.sink() as sink:
        assert sink.send([event]) == (0, 1)
    assert len(server.naps) == 2
    assert all(nap >= 3 for nap in server.naps)
    assert "event_id" not in event
    ids = {body["events"][0]["event_id"] for body in server.bodies()}
    assert len(server.requests) == 3
    assert len(ids) == 1


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.Response(500),
        httpx.Response(503, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
        httpx.ReadTimeout("late"),
        httpx.RemoteProtocolError("cut"),
    ],
)
def test_trouble_that_passes_is_outlived_and_lasting_trouble_is_named(
    trouble: httpx.Response | Exception,
) -> None:
    server = Server(trouble, ok())
    with server.sink() as sink:
        assert sink.send([EVENT]) == (1, 0)
    lasting = Server(trouble)
    with lasting.sink() as sink, pytest.raises(SinkUnavailable, match=f"{ATTEMPTS} tries"):
        sink.send([EVENT])
    assert len(lasting.requests) == ATTEMPTS
    assert lasting.naps[1] > lasting.naps[0] > 0


def test_the_last_wait_wanted_is_in_the_error() -> None:
    server = Server(httpx.Response(503, headers={"Retry-After": "7"}))
    with server.sink() as sink, pytest.raises(SinkUnavailable) as caught:
        sink.send([EVENT])
    assert caught.value.retry_after == 7


def test_a_refused_connection_names_the_url_at_once() -> None:
    server = Server(httpx.ConnectError("refused"))
    with server.sink() as sink, pytest.raises(SinkUnavailable, match=URL):
        sink.send([EVENT])
    assert server.naps == []


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x", "", "http://", "http://x:port"])
def test_what_is_no_url_is_named(url: str) -> None:
    with pytest.raises(OptionError, match="URL"):
        HttpSink(url)


def test_a_refused_element_names_its_line() -> None:
    records = [Record("films.inter", line, {**EVENT}) for line in (2, 5, 9)]
    server = Server(refused(422, "expected 1 to 5", "events.1.value"))
    with server.sink() as sink, pytest.raises(IngestRefused) as caught:
        sink.send(list(records))
    error = caught.value
    assert (error.status, error.field, error.file, error.line) == (
        422,
        "events.1.value",
        "films.inter",
        5,
    )
    assert str(error) == "films.inter, line 5, value: expected 1 to 5"
    assert len(server.requests) == 1


def test_a_refused_element_of_memory_is_named_by_its_id() -> None:
    server = Server(refused(422, "too long", "items.0.title"))
    with server.sink() as sink, pytest.raises(IngestRefused, match="item_id x, title: too long"):
        sink.put_items([{"item_id": "x"}])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refused(401, "no key", None), "API key"),
        (refused(403, "not yours", None), "may not import"),
        (refused(422, "wrong", "events.9.value"), "wrong"),
        (refused(422, "wrong", "events.x"), "wrong"),
        (refused(422, "wrong", "k"), "wrong"),
        (httpx.Response(404, text="<html>"), "404"),
        (httpx.Response(400, json=["odd"]), "400"),
        (httpx.Response(301, headers={"Location": "/"}), "301"),
        (httpx.Response(422, json={"error": {"field": 3, "message": None}}), "422"),
    ],
)
def test_other_refusals_are_told_whole(answer: httpx.Response, words: str) -> None:
    with Server(answer).sink() as sink, pytest.raises(IngestRefused, match=words) as caught:
        sink.send([EVENT])
    assert URL in str(caught.value)
    assert caught.value.line is None


@pytest.mark.parametrize("answer", [httpx.Response(200, text="hello"), httpx.Response(200, json=1)])
def test_a_server_of_another_kind_is_noticed(answer: httpx.Response) -> None:
    with Server(answer).sink() as sink, pytest.raises(SinkUnavailable, match="Freshet"):
        sink.send([EVENT])


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(0, 400_000), max_size=12))
def test_bodies_stay_below_a_mebibyte_and_keep_order(sizes: list[int]) -> None:
    server = Server()
    events = [{**EVENT, "event_id": str(n), "note": "x" * size} for n, size in enumerate(sizes)]
    with server.sink() as sink:
        assert sink.send(events) == (len(events), 0)
    assert all(len(request.content) < 1 << 20 for request in server.requests)
    sent = [event["event_id"] for body in server.bodies() for event in body["events"]]
    assert sent == [str(n) for n in range(len(sizes))]


def test_a_part_of_a_split_batch_still_names_the_right_line() -> None:
    records: list[dict[str, Any]] = [
        Record("f", n, {**EVENT, "note": "x" * 400_000}) for n in range(1, 5)
    ]
    server = Server(ok(2), refused(422, "no", "events.1.note"))
    with server.sink() as sink, pytest.raises(IngestRefused) as caught:
        sink.send(records)
    assert caught.value.line == 4


def test_one_element_too_large_for_any_body_is_refused_here() -> None:
    server = Server()
    with server.sink() as sink, pytest.raises(IngestRefused, match="f, line 3"):
        sink.send([Record("f", 3, {**EVENT, "note": "x" * (1 << 20)})])
    assert server.requests == []


@pytest.mark.parametrize("make", [SinkUnavailable, IngestRefused])
def test_both_errors_are_sink_errors(make: Callable[[str], SinkError]) -> None:
    assert isinstance(make("x"), SinkError)
