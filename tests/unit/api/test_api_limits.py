"""Bodies: how large, how long, of which type."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from api.errors import ClientGone, Refused
from api.limits import BODY_BYTES, read_body

VIEW = b'{"type":"view","user_id":"u","item_id":"i"}'
WRITES = [
    ("POST", "/v1/events"), ("PUT", "/v1/items"), ("PUT", "/v1/users"),
    ("POST", "/v1/sessions/recommendations"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "target"), WRITES)
def test_what_claims_to_be_too_large_is_refused_unread(call: Any, method: str, target: str) -> None:
    for length in (BODY_BYTES + 1, 10_000_000, 10**40):
        response = call.stream(method, target, [b"x"], content_length=str(length))
        assert response.status_code == 413
        assert response.json()["error"]["code"] == "too_large"
        assert call.unread == [b"x"]


@pytest.mark.parametrize(("method", "target"), WRITES)
def test_what_turns_out_too_large_is_refused_before_its_end(
    call: Any, service: Any, method: str, target: str
) -> None:
    response = call.stream(method, target, [b" " * 65_536] * 200)
    assert response.status_code == 413
    assert len(call.unread) > 180
    lied = call.stream(method, target, [b" " * 65_536] * 20, content_length="5")
    assert lied.status_code == 413
    assert service.log == []


def test_a_body_of_just_the_limit_is_read(call: Any) -> None:
    padded = VIEW + b" " * (BODY_BYTES - len(VIEW))
    parts = [padded[at : at + 100_000] for at in range(0, len(padded), 100_000)]
    assert call.stream("POST", "/v1/events", parts).status_code == 202
    assert call.stream("POST", "/v1/events", [*parts, b" "]).status_code == 413


@pytest.mark.parametrize("content_type", [
    "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
    "application/xml", "application/jsonp", "application/json; charset=latin-1", "", "json",
    "text/json+json/x", "application/x+jsonx",
])  # fmt: skip
def test_other_types_are_refused(call: Any, content_type: str) -> None:
    response = call("POST", "/v1/events", body=VIEW, content_type=content_type)
    assert response.status_code == 415
    assert response.json()["error"]["code"] == "unsupported_media_type"


def test_a_form_of_curl_is_answered_with_a_hint(call: Any) -> None:
    error = call.refused(
        415, None, "POST", "/v1/events", body=VIEW, content_type="application/x-www-form-urlencoded"
    )
    assert "Content-Type: application/json" in error["message"]
    assert "curl" in error["message"]


def test_compressed_bodies_are_refused(call: Any) -> None:
    assert call("POST", "/v1/events", body=VIEW, content_encoding="gzip").status_code == 415
    assert call("POST", "/v1/events", body=VIEW, content_encoding="identity").status_code == 202


def test_a_body_that_does_not_arrive_is_given_up() -> None:
    async def silent() -> Any:
        await asyncio.sleep(60)

    with pytest.raises(Refused) as refused:
        asyncio.run(read_body({"type": "http", "headers": []}, silent, timeout_s=0.01))
    assert refused.value.status == 408


def test_a_client_that_left_is_not_answered(app: Any, service: Any) -> None:
    parts: Iterator[dict[str, Any]] = iter(
        [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    )

    async def receive() -> dict[str, Any]:
        return next(parts)

    with pytest.raises(ClientGone):
        asyncio.run(read_body({"type": "http", "headers": []}, receive))
    parts = iter([{"type": "http.disconnect"}])
    scope = {
        "type": "http", "method": "POST", "path": "/v1/events", "raw_path": b"/v1/events",
        "query_string": b"", "headers": [], "root_path": "",
    }  # fmt: skip
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    assert sent == []
    assert service.log == []
