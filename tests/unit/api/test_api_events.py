"""POST /v1/events: what is taken, what is counted, what comes back."""

import time
from typing import Any

import msgspec
import pytest

from api import schemas
from stream.positions import from_token

VIEW = {"type": "view", "user_id": "u", "item_id": "i"}


def test_one_event_is_accepted_and_learned(call: Any, service: Any) -> None:
    response = call("POST", "/v1/events", VIEW)
    answer = response.json()
    assert response.status_code == 202
    msgspec.convert(answer, schemas.EventsAccepted)
    assert (answer["accepted"], answer["duplicates"], answer["ignored"]) == (1, 0, 0)
    assert len(answer["event_ids"]) == 1
    assert from_token(answer["position"]) == {0: 1}
    assert service.profiles.row("u").counts == {"view": 1}


def test_ids_are_answered_in_the_order_sent(call: Any, service: Any) -> None:
    events = [{**VIEW, "event_id": f"e{n}"} for n in range(3)]
    del events[1]["event_id"]
    ids = call("POST", "/v1/events", {"events": events}).json()["event_ids"]
    assert ids[0] == "e0"
    assert ids[2] == "e2"
    assert [record.json()["event_id"] for record in service.log] == ids


def test_a_repeated_batch_is_all_duplicates_with_a_valid_position(call: Any) -> None:
    batch = {"events": [{**VIEW, "event_id": f"e{n}"} for n in range(4)]}
    call("POST", "/v1/events", batch)
    answer = call("POST", "/v1/events", batch).json()
    assert (answer["accepted"], answer["duplicates"]) == (0, 4)
    assert from_token(answer["position"]) == {0: 4}


def test_without_consent_nothing_is_kept(call: Any, service: Any) -> None:
    events = [VIEW, {**VIEW, "consent": False, "event_id": "secret"}, {**VIEW, "consent": True}]
    answer = call("POST", "/v1/events", {"events": events}).json()
    assert (answer["accepted"], answer["ignored"]) == (2, 1)
    assert answer["event_ids"][1] is None
    assert len(service.log) == 2
    alone = call("POST", "/v1/events", events[1])
    assert alone.status_code == 202
    assert (alone.json()["accepted"], alone.json()["ignored"]) == (0, 1)
    assert from_token(alone.json()["position"]) == {0: 2}


def test_unknown_fields_are_kept(call: Any, service: Any) -> None:
    call("POST", "/v1/events", {**VIEW, "colour": {"deep": [1, 2]}})
    assert service.log[0].json()["colour"] == {"deep": [1, 2]}


def test_a_refused_batch_teaches_nothing(call: Any, service: Any) -> None:
    batch = [VIEW, VIEW, {**VIEW, "value": "three"}]
    call.refused(422, "events.2.value", "POST", "/v1/events", {"events": batch})
    assert service.log == []


def test_old_events_need_import(call: Any, service: Any) -> None:
    old = {**VIEW, "timestamp": time.time() - 400 * 86_400}
    error = call.refused(422, "timestamp", "POST", "/v1/events", old)
    assert "import=true" in error["message"]
    assert call("POST", "/v1/events?import=true", old).status_code == 202
    assert service.log[0].imported
    assert call("POST", "/v1/events?import=false", VIEW).status_code == 202
    assert not service.log[1].imported


def test_a_thousand_events_are_the_most(call: Any) -> None:
    assert call("POST", "/v1/events", {"events": [VIEW] * 1000}).status_code == 202
    call.refused(422, "events", "POST", "/v1/events", {"events": [VIEW] * 1001})


def test_a_full_log_says_when_to_come_back_and_which_ids_to_send(call: Any, service: Any) -> None:
    service.unavailable = True
    events: list[dict[str, Any]] = [
        {**VIEW, "event_id": "mine"}, dict(VIEW), {**VIEW, "consent": False}
    ]  # fmt: skip
    response = call("POST", "/v1/events", {"events": events})
    assert response.status_code == 503
    assert response.headers["retry-after"] == "3"
    assert response.json()["error"]["code"] == "unavailable"
    ids = response.json()["event_ids"]
    assert ids[0] == "mine"
    assert ids[1]
    assert ids[2] is None

    service.unavailable = False
    events[1]["event_id"] = ids[1]
    assert call("POST", "/v1/events", {"events": events}).json()["accepted"] == 2


@pytest.mark.parametrize(("method", "target", "record"), [
    ("PUT", "/v1/items", {"items": [{"item_id": "i"}]}),
    ("PUT", "/v1/users", {"users": [{"user_id": "u"}]}),
])  # fmt: skip
def test_a_full_log_refuses_other_records_too(
    call: Any, service: Any, method: str, target: str, record: object
) -> None:
    service.unavailable = True
    call.refused(503, None, method, target, record)
    assert call(method, target, record).headers["retry-after"] == "3"


@pytest.mark.parametrize("content_type", [
    "application/json", "application/json; charset=utf-8", "APPLICATION/JSON",
    "application/vnd.freshet+json", 'application/json; charset="UTF-8"',
])  # fmt: skip
def test_json_types(call: Any, content_type: str) -> None:
    assert call("POST", "/v1/events", VIEW, content_type=content_type).status_code == 202


def test_a_body_without_a_type_is_taken_for_json(call: Any) -> None:
    assert call("POST", "/v1/events", body=msgspec.json.encode(VIEW)).status_code == 202
