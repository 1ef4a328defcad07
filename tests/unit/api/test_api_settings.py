"""Changing the learning configuration of a running server over HTTP."""

import sys
from typing import Any

import msgspec
import pytest

from models import sentences
from models.settings import LearningSettings


def body(**changes: Any) -> dict[str, Any]:
    return {"learning": {**msgspec.to_builtins(LearningSettings()), **changes}}


def test_what_is_sent_is_in_force_from_its_position_on(call: Any, shop: Any) -> None:
    answer = call("POST", "/v1/settings", body(repeats=True))
    assert answer.status_code == 202
    told = answer.json()
    assert told["changed"] == ["learning.repeats"]
    assert shop.model.settings.repeats
    assert call("GET", "/v1/settings").json()["learning"]["repeats"] is True
    again = call("POST", "/v1/settings", body(repeats=True))
    assert (again.status_code, again.json()["changed"]) == (202, [])
    horizons = body()["learning"]["cooccurrence"]
    del horizons["slow"]  # what is learned goes on being learned
    answer = call("POST", "/v1/settings", body(repeats=True, cooccurrence=horizons))
    assert (answer.status_code, answer.json()["changed"]) == (202, [])


def test_whether_a_type_hides_is_a_setting_that_can_change(call: Any, shop: Any) -> None:
    def listed() -> set[str]:
        items = call("GET", "/v1/users/u1/recommendations?k=100").json()["items"]
        return {item["item_id"] for item in items}

    viewed = {"i1", "i16"}
    assert not viewed & listed()
    events = body()["learning"]["events"]
    events["view"]["hides"] = False
    assert call("POST", "/v1/settings", body(events=events)).status_code == 202
    assert viewed <= listed()
    events["view"]["hides"] = True
    call("POST", "/v1/settings", body(events=events))
    assert not viewed & listed()


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({}, "learning"),
        ({"learning": {"repeats": "yes"}}, "learning.repeats"),
        ({"learning": {"no such": 1}}, "learning"),
        ({"learning": {"exploration": {"share": 2}}}, "learning.exploration.share"),
        (
            {"learning": {"river": {"a": {"class": "reco.NoMF", "role": "rating"}}}},
            "learning.river",
        ),
        ({"learning": {"content": {"dims": 32}}}, "learning.content.dims"),
        ({"learning": {"ratings": {"n_factors": 8}}}, "learning.ratings.n_factors"),
        ({**body(), "more": 1}, None),
    ],
)
def test_what_is_wrong_is_named_and_changes_nothing(
    call: Any, shop: Any, sent: Any, field: str | None
) -> None:
    before = shop.model.digest()
    call.refused(422, field, "POST", "/v1/settings", sent)
    assert shop.model.digest() == before


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"drift": {"least_loss": -1}}, "learning.drift.least_loss must be a number >= 0"),
        ({"max_items": 10**8}, "learning.max_items must be a whole number <= 10000000"),
        ({"exploration": {"new_for_s": 0}}, "new_for_s must be a number > 0"),
        ({"ratings": {"neighbours": "all"}}, "neighbours is none of the values that are known"),
        ({"embeddings": {"dims": 33}}, "learning.embeddings.dims is none of the values that are"),
        ({"embeddings": {"dims": "x"}}, "learning.embeddings.dims must be a whole number"),
    ],
)
def test_what_is_wrong_with_a_value_is_said(call: Any, changed: dict[str, Any], said: str) -> None:
    [part] = changed
    inside = changed[part]
    field = f"learning.{part}" + (f".{next(iter(inside))}" if isinstance(inside, dict) else "")
    error = call.refused(422, field, "POST", "/v1/settings", {"learning": changed})
    assert said in error["message"]


def test_a_setting_that_needs_an_extra_is_refused_without_it(
    call: Any, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wordllama", None)
    sentences._language.cache_clear()
    before = shop.model.digest()
    sent = {"learning": {"content": {"text": "sentences"}}}
    error = call.refused(422, "learning.content.text", "POST", "/v1/settings", sent)
    assert "pip install -e '.[sentences]'" in error["message"]
    assert shop.model.digest() == before


def test_clients_cannot_send_an_impression(call: Any, shop: Any) -> None:
    sent = {"type": "impression", "user_id": "u1", "item_id": "i1"}
    call.refused(422, "type", "POST", "/v1/events", sent)
