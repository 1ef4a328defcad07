"""Live quality over HTTP and for Prometheus: as documented, bounded, and from what was learned."""

import re
from typing import Any

import msgspec
import pytest

from api.quality_schemas import Quality


def view(n: int) -> dict[str, Any]:
    event = {"type": "view", "user_id": f"u{n % 7}", "item_id": f"i{n * n % 11}"}
    return {**event, "event_id": str(n), "timestamp": 1_700_000_000 + n}


def tell(call: Any, count: int) -> None:
    events = [
        {**view(n), "recommendation_id": "r"} if n % 4 == 0 else view(n) for n in range(count)
    ]
    assert call("POST", "/v1/events?import=true", {"events": events}).status_code == 202


def test_quality_is_what_the_document_says(call: Any) -> None:
    for count in (0, 60):
        if count:
            tell(call, count)
        answer = call("GET", "/v1/quality")
        assert answer.status_code == 200
        told = msgspec.json.decode(answer.content, type=Quality, strict=True)
        assert msgspec.to_builtins(told) == answer.json()
        assert told.learned == count
    everything = told.windows.all
    assert 0 < everything.scored <= everything.samples == 60
    assert everything.slices.new_users.scored + everything.slices.warm_users.scored > 0
    assert everything.event_types["view"].events == 60
    assert everything.event_types["view"].attributed == 15
    assert everything.event_types["view"].ctr is None


def test_quality_takes_no_parameters(call: Any) -> None:
    call.refused(422, "query", "GET", "/v1/quality?k=3")


def test_quality_is_in_the_metrics_with_bounded_labels(call: Any) -> None:
    tell(call, 60)
    text = call("GET", "/metrics").text
    found = re.findall(
        r'^freshet_quality\{metric="(.+?)",slice="(.+?)",window="(.+?)"\}', text, re.M
    )
    assert {window for _, _, window in found} == {"1000", "10000", "all"}
    assert ("hr@20", "all", "1000") in found
    assert ("hr@10", "warm_users", "all") in found
    assert any(part.startswith("source:") for _, part, _ in found)
    assert len(found) < 500
    for effect in ("better", "worse", "slight"):
        labels = f'detector="adwin",effect="{effect}",signal="hit_rate"'
        assert f"freshet_drifts_total{{{labels}}} 0.0" in text
    assert "freshet_drift_acting 0.0" in text
    for part in ("embeddings", "factors", "ranker", "ratings"):
        assert f'freshet_updates_rejected_total{{part="{part}"}} 0.0' in text


def test_each_source_tells_its_share_of_the_lists(call: Any) -> None:
    tell(call, 9)
    assert set(call("GET", "/v1/quality").json()["source_shares"].values()) == {0.0}
    assert call("GET", "/v1/users/u1/recommendations").json()["items"]
    shares = call("GET", "/v1/quality").json()["source_shares"]
    assert sum(shares.values()) == pytest.approx(1.0)
    told = dict(
        re.findall(
            r'^freshet_source_share\{source="(.+?)"\} (.+)$', call("GET", "/metrics").text, re.M
        )
    )
    assert {name: float(share) for name, share in told.items()} == shares


def test_a_type_that_a_client_made_up_is_no_label(call: Any) -> None:
    call("POST", "/v1/events", {**view(1), "type": "made_up", "timestamp": None})
    assert "made_up" in call("GET", "/v1/quality").json()["windows"]["all"]["event_types"]
    assert "made_up" not in call("GET", "/metrics").text


def test_a_guest_that_fails_is_counted_by_name(call: Any, service: Any) -> None:
    assert "freshet_guest_failures_total{" not in call("GET", "/metrics").text
    river = {"wild": {"class": "linear_model.LinearRegression", "role": "rating"}}
    assert call("POST", "/v1/settings", {"learning": {"river": river}}).status_code == 202
    assert 'freshet_guest_failures_total{guest="wild"} 0.0' in call("GET", "/metrics").text
    service.model.guests._guests[0].failures = 3
    assert 'freshet_guest_failures_total{guest="wild"} 3.0' in call("GET", "/metrics").text


def test_metrics_outlive_a_model_without_figures(call: Any, service: Any) -> None:
    tell(call, 5)
    service.model.quality = None
    text = call("GET", "/metrics").text
    assert "freshet_quality{" not in text
    assert "freshet_lag_records" in text
