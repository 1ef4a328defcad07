"""What holds for every call: methods, headers, probes, metrics, the page, and the last resort."""

import re
from typing import Any

import pytest

from api.app import create_app


def test_unknown_calls_are_404_and_wrong_methods_405_in_the_envelope(call: Any) -> None:
    for target in ("/nope", "/v1", "/v1/", "/v1/events/", "/v1//items", "/docs/", "/page/static"):
        assert call.refused(404, None, "GET", target)["code"] == "not_found"
    for method in ("DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"):
        error = call.refused(405, None, method, "/v1/events")
        assert error["code"] == "method_not_allowed"
    allowed = call("PATCH", "/v1/items/x").headers["allow"]
    assert set(allowed.split(", ")) == {"GET", "HEAD", "DELETE"}


@pytest.mark.parametrize(("method", "target"), [
    ("GET", "/"), ("GET", "/livez"), ("GET", "/nope"), ("PUT", "/v1/events"), ("GET", "/docs"),
    ("GET", "/v1/trending?k=x"), ("GET", "/metrics"), ("POST", "/v1/events"),
])  # fmt: skip
def test_every_answer_has_an_id_and_guards(call: Any, method: str, target: str) -> None:
    headers = [call(method, target, x_request_id="<mine>").headers for _ in range(2)]
    first = headers[0]
    assert re.fullmatch(r"[0-9a-f]{16}", first["x-request-id"])
    assert first["x-request-id"] != headers[1]["x-request-id"]
    assert first["x-content-type-options"] == "nosniff"
    assert first["referrer-policy"] == "no-referrer"
    assert "default-src 'self'" in first["content-security-policy"]
    assert "frame-ancestors 'none'" in first["content-security-policy"]
    assert len(first.get_list("content-security-policy")) == 1
    relaxed = "style-src 'self' 'unsafe-inline'" in first["content-security-policy"]
    assert relaxed is (target == "/docs"), "only the reader of the docs writes styles"


def test_lists_are_not_kept_by_caches(call: Any) -> None:
    assert call("GET", "/v1/trending").headers["cache-control"] == "no-store"


def test_what_nobody_foresaw_is_a_500_without_details(
    call: Any, service: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret of the house")

    service.position = fail
    response = call("GET", "/v1/users/u/recommendations")
    assert response.status_code == 500
    error = response.json()["error"]
    assert (error["code"], error["field"]) == ("internal", None)
    assert "secret" not in response.text
    assert response.headers["x-content-type-options"] == "nosniff"
    logged = capsys.readouterr()
    assert error["request_id"] in logged.out + logged.err


def test_probes(call: Any, service: Any) -> None:
    assert call("GET", "/livez").json() == {"status": "ok"}
    assert call("GET", "/readyz").json() == {"status": "ready"}
    service.not_ready = "the learner is still reading the log"
    assert call("GET", "/livez").status_code == 200
    error = call.refused(503, None, "GET", "/readyz")
    assert service.not_ready in error["message"]
    assert call("GET", "/readyz").headers["retry-after"] == "1"


def test_metrics(call: Any, shop: Any) -> None:
    call("GET", "/v1/users/secret-user/recommendations")
    call("GET", "/v1/items/secret-item")
    call("GET", "/secret-path")
    event = {"type": "view", "user_id": "secret-user", "item_id": "i1", "event_id": "e"}
    odd = {**event, "type": "secret_type", "event_id": "f"}
    events = {"events": [event, odd, {**event, "consent": False}]}
    call("POST", "/v1/events", {"events": [event]})
    call("POST", "/v1/events", odd)
    call("POST", "/v1/events", events)
    call("POST", "/v1/events", {"type": "Secret"})
    response = call("GET", "/metrics")
    text = response.text
    assert response.headers["content-type"].startswith("text/plain")
    assert "secret" not in text.lower()
    for line in (
        'freshet_request_duration_seconds_count{route="/v1/users/{user_id}/recommendations",'
        'status_class="2xx"} 1.0',
        'seconds_count{route="/v1/items/{item_id}",status_class="4xx"} 1.0',
        'freshet_request_duration_seconds_count{route="unmatched",status_class="4xx"} 1.0',
        'freshet_responses_total{degraded="false",served_by="trending"} 1.0',
        'freshet_events_total{result="accepted",type="view"} 1.0',
        'freshet_events_total{result="duplicate",type="view"} 1.0',
        'freshet_events_total{result="duplicate",type="other"} 1.0',
        'freshet_events_total{result="ignored",type="other"} 1.0',
        'freshet_events_total{result="refused",type="other"} 1.0',
        'freshet_events_total{result="accepted",type="other"} 1.0',
        "freshet_applied_total 7.0",
        "freshet_lag_records 3.0",
    ):
        assert line in text
    buckets = re.findall(r'seconds_bucket\{le="([^"]+)",route="unmatched"', text)
    assert buckets[:3] == ["0.001", "0.0025", "0.005"]


def test_metrics_answer_when_the_system_does_not(call: Any, service: Any) -> None:
    service.broken.add("status")
    assert "freshet_request_duration_seconds" in call("GET", "/metrics").text


def test_two_apps_count_apart(call: Any, service: Any) -> None:
    create_app(service)
    assert call("GET", "/metrics").status_code == 200


def test_the_page_and_its_files(call: Any) -> None:
    page = call("GET", "/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    named = re.findall(r'(?:src|href)="(/page/static/[^"]+)"', page.text)
    assert named
    for target in named:
        file = call("GET", target)
        assert file.status_code == 200
        again = call("GET", target, if_none_match=file.headers["etag"])
        assert (again.status_code, again.content) == (304, b"")
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page.text)


@pytest.mark.parametrize("name", [
    "nope.js", "..%2Fapp.py", "%2e%2e%2f%2e%2e%2fpyproject.toml", "..", "__init__.py",
    "%2Fetc%2Fpasswd",
])  # fmt: skip
def test_other_files_are_not_shown(call: Any, name: str) -> None:
    call.refused(404, "file", "GET", f"/page/static/{name}")
    call.refused(404, "file", "GET", f"/docs/static/{name}")


def test_what_the_page_asks(call: Any, shop: Any) -> None:
    assert call("GET", "/page/info").json() == {
        "mode": "fake", "demo": "shop", "namespace": "default", "version": "1.2.3",
        "event_types": list(shop.model.settings.events), "items": 20, "users": 5,
    }  # fmt: skip
    shoppers = call("GET", "/page/shoppers?limit=2").json()["shoppers"]
    assert [set(one) for one in shoppers] == [{"user_id", "events"}] * 2
    shop.entries = [
        {
            "seq": 1,
            "user_id": "u",
            "type": "view",
            "value": None,
            "item_id": "i3",
            "timestamp": 1.0,
        },
        {"seq": 2, "user_id": "u", "type": "view", "value": None, "item_id": "x", "timestamp": 2.0},
    ]
    answer = call("GET", "/page/activity?after=0").json()
    assert [entry["title"] for entry in answer["activity"]] == ["Item 3", None]
    assert answer["next"] == 2
    assert call("GET", "/page/activity?after=2").json() == {"activity": [], "next": 2}
    call.refused(422, "after", "GET", "/page/activity?after=x")
    call.refused(422, "limit", "GET", "/page/shoppers?limit=1000")


def test_head_is_get(call: Any, shop: Any) -> None:
    assert call("HEAD", "/v1/trending").status_code == 200
    assert call("HEAD", "/livez").status_code == 200
