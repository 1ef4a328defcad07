"""Lists: their shape, their freshness, their filters, and the ladder when things break."""

from typing import Any

import msgspec
import pytest

from api import schemas
from api.ladder import Ladder
from api.wanted import Wanted
from stream.events import Item
from stream.positions import to_token

U1 = "/v1/users/u1/recommendations"
STRANGER = "/v1/users/stranger/recommendations"


def ids(response: Any) -> list[str]:
    return [item["item_id"] for item in response.json()["items"]]


def break_model(shop: Any, *names: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    for name in names:
        setattr(shop.model.reader, name, fail)


def test_a_user_gets_a_personal_list(call: Any, shop: Any) -> None:
    response = call("GET", U1)
    answer = response.json()
    assert response.status_code == 200
    msgspec.convert(answer, schemas.Recommendations)
    assert (answer["served_by"], answer["degraded"]) == ("personal", False)
    assert answer["user_id"] == "u1"
    assert answer["position"] == to_token({0: len(shop.log)})
    assert answer["model_version"] == shop.model.version
    assert 200 <= answer["age_ms"] < 60_000
    assert 1 <= len(answer["items"]) <= 10
    scores = [item["score"] for item in answer["items"]]
    assert scores == sorted(scores, reverse=True)
    seen = {"i1", "i16"}
    assert not seen & set(ids(response))


def test_the_list_is_the_models(call: Any, shop: Any) -> None:
    from models.answers import Asked

    row = shop.profiles.row("u1")
    expected = shop.model.recommend(Asked(row.past, row.types, 5))
    assert ids(call("GET", f"{U1}?k=5")) == [shop.model.id_of(place.row) for place in expected]


def test_items_carry_the_catalogues_fields_but_not_over_ours(call: Any, shop: Any) -> None:
    item = {"item_id": "new", "title": "New", "attributes": {"score": 7}, "price": 3}
    call("PUT", "/v1/items", {"items": [item]})
    listed = {i["item_id"]: i for i in call("GET", f"{U1}?k=100").json()["items"]}
    assert listed["new"]["title"] == "New"
    assert listed["new"]["price"] == 3
    assert listed["new"]["attributes"] == {"score": 7}
    assert isinstance(listed["new"]["score"], float)


def test_no_field_of_the_catalogue_has_the_name_of_what_is_said_of_a_place() -> None:
    assert {"score", "reason", "because", "explanation"}.isdisjoint(Item.__struct_fields__)


def test_because_names_items_of_the_history(call: Any, shop: Any) -> None:
    history = {entry["item_id"] for entry in call("GET", "/v1/users/u2").json()["history"]}
    named = {
        item_id
        for item in call("GET", "/v1/users/u2/recommendations").json()["items"]
        for item_id in item["because"]
    }
    assert named <= history


def test_every_answer_has_an_id_of_its_own(call: Any, shop: Any) -> None:
    assert len({call("GET", U1).json()["recommendation_id"] for _ in range(5)}) == 5


@pytest.mark.parametrize("k", [1, 3, 10])
def test_k(call: Any, shop: Any, k: int) -> None:
    assert len(ids(call("GET", f"{U1}?k={k}"))) == k


def test_filters(call: Any, shop: Any) -> None:
    odd = ids(call("GET", f"{U1}?category=odd&k=100"))
    assert odd
    assert all(int(item_id[1:]) % 2 for item_id in odd)
    left = ids(call("GET", f"{U1}?k=100&exclude={odd[0]}&exclude={odd[1]}&exclude=unknown"))
    assert not {odd[0], odd[1]} & set(left)
    nothing = call("GET", f"{U1}?category=nowhere").json()
    assert (nothing["items"], nothing["degraded"]) == ([], False)


def test_a_stranger_gets_what_is_trending_which_is_no_fault(call: Any, shop: Any) -> None:
    answer = call("GET", STRANGER).json()
    assert (answer["served_by"], answer["degraded"]) == ("trending", False)
    assert answer["user_id"] == "stranger"
    assert len(answer["items"]) == 10
    assert ids(call("GET", f"{STRANGER}?category=odd&k=3"))[0][1:] in "1 3 5 7 9 11 13 15 17 19"


def test_an_empty_system_answers_too(call: Any) -> None:
    answer = call("GET", STRANGER).json()
    assert (answer["items"], answer["served_by"], answer["degraded"]) == ([], "trending", False)
    assert call("GET", "/v1/trending").json()["items"] == []
    assert call("GET", "/v1/items/x/similar").json()["items"] == []


def test_a_catalogue_without_events_is_shown(call: Any) -> None:
    call("PUT", "/v1/items", {"items": [{"item_id": f"i{n}"} for n in range(4)]})
    response = call("GET", f"{STRANGER}?exclude=i0")
    assert set(ids(response)) == {"i1", "i2", "i3"}
    assert response.json()["served_by"] == "trending"


def test_after_waits_and_says_when_it_was_in_vain(call: Any, shop: Any) -> None:
    shop.paused = True
    event = {"type": "view", "user_id": "u1", "item_id": "i7"}
    position = call("POST", "/v1/events", event).json()["position"]
    late = call("GET", f"{U1}?after={position}&wait_ms=20").json()
    assert late["degraded"]
    assert late["served_by"] == "personal"
    assert late["position"] != position
    assert shop.awaited[-1] == ("u1", {0: len(shop.log)}, 0.02)

    shop.learn()
    response = call("GET", f"{U1}?after={position}&k=100")
    assert not response.json()["degraded"]
    assert response.json()["position"] == position
    assert "i7" not in ids(response)
    assert shop.awaited[-1][2] == 1.0


def test_without_after_nothing_waits(call: Any, shop: Any) -> None:
    call("GET", f"{U1}?wait_ms=5000")
    assert shop.awaited == []


def test_a_store_that_cannot_wait_degrades(call: Any, shop: Any) -> None:
    shop.broken.add("wait")
    answer = call("GET", f"{U1}?after=1.0-5").json()
    assert (answer["served_by"], answer["degraded"]) == ("personal", True)


def test_rungs(call: Any, shop: Any) -> None:
    healthy = call("GET", U1).json()
    shop.broken.add("rows")
    answer = call("GET", U1).json()
    assert (answer["served_by"], answer["degraded"]) == ("trending", True)
    shop.broken.clear()

    break_model(shop, "recommend")
    answer = call("GET", f"{U1}?k=2").json()
    assert (answer["served_by"], answer["degraded"]) == ("trending", True)
    assert len(answer["items"]) == 2

    break_model(shop, "trending", "similar")
    response = call("GET", f"{U1}?category=odd&exclude=i1")
    answer = response.json()
    assert (answer["served_by"], answer["degraded"]) == ("static", True)
    assert answer["items"]
    assert "i1" not in ids(response)
    assert all(item["categories"] == ["odd"] for item in answer["items"])
    assert healthy["served_by"] == "personal"
    for target in ("/v1/trending", "/v1/items/i1/similar"):
        assert call("GET", target).json()["served_by"] == "static"
    session = call("POST", "/v1/sessions/recommendations", {"events": []}).json()
    assert (session["served_by"], session["degraded"]) == ("static", True)


def test_everything_broken_from_the_start_is_an_empty_list(shop: Any) -> None:
    break_model(shop, "recommend", "trending", "similar")
    answer = Ladder(shop).personal(None, Wanted())
    assert (bytes(answer.items), answer.served_by, answer.degraded) == (b"[]", "static", True)


def test_a_degraded_list_still_hides_what_was_seen(call: Any, shop: Any) -> None:
    break_model(shop, "recommend")
    assert not {"i1", "i16"} & set(ids(call("GET", f"{U1}?k=4")))


def test_similar(call: Any, shop: Any) -> None:
    response = call("GET", "/v1/items/i4/similar?k=3")
    msgspec.convert(response.json(), schemas.Listed)
    assert set(response.json()) == {"items", "served_by"}
    assert response.json()["served_by"] == "session"
    assert len(ids(response)) == 3
    assert "i4" not in ids(response)


def test_similar_to_something_unknown_is_what_is_trending(call: Any, shop: Any) -> None:
    response = call("GET", "/v1/items/never-met/similar")
    assert response.status_code == 200
    assert response.json()["served_by"] == "trending"
    assert ids(response) == ids(call("GET", "/v1/trending"))


def test_trending(call: Any, shop: Any) -> None:
    response = call("GET", "/v1/trending?k=2")
    msgspec.convert(response.json(), schemas.Listed)
    assert len(ids(response)) == 2
    assert response.json()["served_by"] == "trending"


def test_a_session_is_answered_as_a_user_with_these_events_would_be(call: Any, shop: Any) -> None:
    events = [{"type": "view", "item_id": i} for i in ("i4", "i9", "i4", "i16")]
    response = call("POST", "/v1/sessions/recommendations", {"events": events, "k": 5})
    answer = response.json()
    msgspec.convert(answer, schemas.Recommendations)
    assert (answer["served_by"], answer["degraded"]) == ("session", False)
    assert answer["user_id"] is None
    assert not {"i4", "i9", "i16"} & set(ids(response))
    assert shop.profiles.row("session") is None
    assert len(shop.log) == 60

    shop.paused = True
    call("POST", "/v1/events", {"events": [{**e, "user_id": "new"} for e in events]})
    shop.profiles.step(shop.log[60:])
    assert ids(call("GET", "/v1/users/new/recommendations?k=5")) == ids(response)


@pytest.mark.parametrize("events", [
    [], [{"type": "view", "item_id": "never-met"}],
    [{"type": "view", "item_id": "i4", "consent": False}],
])  # fmt: skip
def test_a_session_that_tells_nothing_gets_what_is_trending(
    call: Any, shop: Any, events: list[object]
) -> None:
    answer = call("POST", "/v1/sessions/recommendations", {"events": events}).json()
    assert (answer["served_by"], answer["degraded"]) == ("trending", False)


def test_a_sessions_events_may_be_old_and_in_any_order(call: Any, shop: Any) -> None:
    events = [{"type": "view", "item_id": f"i{n}", "timestamp": 1000 + n} for n in (9, 4, 16)]
    asked = [
        ids(call("POST", "/v1/sessions/recommendations", {"events": given}))
        for given in (events, events[::-1])
    ]
    assert asked[0] == asked[1]


def test_a_session_with_many_types_and_a_name_is_fine(call: Any, shop: Any) -> None:
    events = [{"type": f"t{n}", "item_id": "i4", "user_id": "u1"} for n in range(40)]
    response = call("POST", "/v1/sessions/recommendations", {"events": events})
    assert response.status_code == 200
    assert len(shop.profiles.row("u1").counts) == 1
