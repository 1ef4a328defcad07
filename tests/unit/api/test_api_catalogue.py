"""Items in, out and away; ids of every kind in paths; users and what is foretold."""

from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from api import schemas

ODD_IDS = ["a/b,ü?", "100%", "%2F", "a b", "a+b", "#", "..", "ключ", "日本", "a&b=c", "{id}", "💧"]


def test_an_item_is_there_once_it_was_put(call: Any, service: Any) -> None:
    item = {
        "item_id": "tea", "title": "Sencha", "categories": ["Green"], "description": "Steamed",
        "tags": ["loose"], "price": 7.5, "discount_percent": 10, "stock": 3, "rating": 4.5,
        "attributes": {"origin": "Uji", "organic": True},
    }  # fmt: skip
    response = call("PUT", "/v1/items", {"items": [item, {"item_id": "bare"}]})
    assert response.status_code == 202
    assert msgspec.convert(response.json(), schemas.Accepted).accepted == 2
    shown = call("GET", "/v1/items/tea")
    assert shown.status_code == 200
    assert shown.json() == {**item, "available": True}
    assert call("GET", "/v1/items/bare").json() == {"item_id": "bare", "available": True}


def test_a_write_waits_until_it_is_applied(call: Any, service: Any) -> None:
    call("PUT", "/v1/items", {"items": [{"item_id": "a"}]})
    call("DELETE", "/v1/items/a")
    assert [(after, limit) for _, after, limit in service.awaited] == [({0: 1}, 1.0), ({0: 2}, 1.0)]


def test_a_write_that_is_not_applied_in_time_is_accepted_all_the_same(
    call: Any, service: Any
) -> None:
    service.paused = True
    response = call("PUT", "/v1/items", {"items": [{"item_id": "a"}]})
    assert response.status_code == 202
    call.refused(404, "item_id", "GET", f"/v1/items/a?after={response.json()['position']}")
    service.learn()
    assert call("GET", f"/v1/items/a?after={response.json()['position']}").status_code == 200


def test_putting_again_replaces(call: Any) -> None:
    call("PUT", "/v1/items", {"items": [{"item_id": "a", "title": "One", "price": 1}]})
    call("PUT", "/v1/items", {"items": [{"item_id": "a", "title": "Two"}]})
    assert call("GET", "/v1/items/a").json() == {"item_id": "a", "title": "Two", "available": True}


def test_unavailable_items_leave_every_list_but_stay_known(call: Any, shop: Any) -> None:
    lists = [
        "/v1/trending?k=100",
        "/v1/items/i4/similar?k=100",
        "/v1/users/new/recommendations?k=100",
    ]
    assert all("i16" in call("GET", target).text for target in lists)
    call("PUT", "/v1/items", {"items": [{"item_id": "i16", "available": False}]})
    assert all('"i16"' not in call("GET", target).text for target in lists)
    assert call("GET", "/v1/items/i16").json()["available"] is False


def test_deleted_items_are_gone(call: Any, shop: Any) -> None:
    response = call("DELETE", "/v1/items/i16")
    assert response.status_code == 202
    assert msgspec.convert(response.json(), schemas.Accepted).accepted == 1
    call.refused(404, "item_id", "GET", "/v1/items/i16")
    call.refused(404, "item_id", "DELETE", "/v1/items/i16")
    assert '"i16"' not in call("GET", "/v1/trending?k=100").text
    call("PUT", "/v1/items", {"items": [{"item_id": "i16", "title": "Back"}]})
    assert call("GET", "/v1/items/i16").json()["title"] == "Back"


def test_unknown_items_are_404(call: Any) -> None:
    call.refused(404, "item_id", "GET", "/v1/items/nobody")
    call.refused(404, "item_id", "DELETE", "/v1/items/nobody")


def test_an_item_known_by_events_alone_is_not_in_the_catalogue(call: Any, shop: Any) -> None:
    call("POST", "/v1/events", {"type": "view", "user_id": "u", "item_id": "bare"})
    call.refused(404, "item_id", "GET", "/v1/items/bare")


@pytest.mark.parametrize("name", ODD_IDS)
def test_ids_are_matched_on_the_raw_path(call: Any, shop: Any, name: str) -> None:
    path = quote(name, safe="")
    call("PUT", "/v1/items", {"items": [{"item_id": name, "title": "Odd"}]})
    call("POST", "/v1/events", {"type": "view", "user_id": name, "item_id": name})
    assert call("GET", f"/v1/items/{path}").json()["item_id"] == name
    assert call("GET", f"/v1/users/{path}").json()["user_id"] == name
    assert call("GET", f"/v1/users/{path}/recommendations").json()["served_by"] == "personal"
    assert call("GET", f"/v1/users/{path}/embedding").json()["user_id"] == name
    rating = call("GET", f"/v1/users/{path}/items/{path}/rating").json()
    assert (rating["user_id"], rating["item_id"]) == (name, name)
    assert call("GET", f"/v1/items/{path}/similar").status_code == 200
    left = call("GET", "/v1/trending?k=100").json()["items"]
    assert name in [item["item_id"] for item in left]
    excluded = call("GET", f"/v1/users/x/recommendations?k=100&exclude={path}").json()["items"]
    assert name not in [item["item_id"] for item in excluded]
    assert call("DELETE", f"/v1/items/{path}").status_code == 202


def test_a_slash_that_is_not_encoded_parts_the_path(call: Any) -> None:
    call.refused(404, None, "GET", "/v1/items/a/b")


def test_users(call: Any, service: Any) -> None:
    attributes = {"users": [{"user_id": "ada", "attributes": {"country": "NZ"}}]}
    response = call("PUT", "/v1/users", attributes)
    assert response.status_code == 202
    assert msgspec.convert(response.json(), schemas.Accepted).accepted == 1
    assert service.profiles.attributes("ada") == {"country": "NZ"}


def test_a_user(call: Any, service: Any) -> None:
    events = [
        {"type": "view", "user_id": "ada", "item_id": "a", "timestamp": 1000.0},
        {"type": "rating", "user_id": "ada", "item_id": "b", "value": 4, "timestamp": 1001.0},
        {"type": "view", "user_id": "ada", "item_id": "c", "timestamp": 1002.0},
    ]
    position = call("POST", "/v1/events?import=true", {"events": events}).json()["position"]
    answer = call("GET", f"/v1/users/ada?after={position}").json()
    msgspec.convert(answer, schemas.User)
    assert answer == {
        "user_id": "ada",
        "counts": {"view": 2, "rating": 1},
        "history": [
            {"item_id": "c", "type": "view", "value": None, "timestamp": 1002.0},
            {"item_id": "b", "type": "rating", "value": 4.0, "timestamp": 1001.0},
            {"item_id": "a", "type": "view", "value": None, "timestamp": 1000.0},
        ],
        "position": position,
    }


def test_unknown_users_are_404_where_there_is_nothing_to_say(call: Any, shop: Any) -> None:
    call.refused(404, "user_id", "GET", "/v1/users/nobody")
    call.refused(404, "user_id", "GET", "/v1/users/nobody/embedding")
    assert call("GET", "/v1/users/nobody/recommendations").status_code == 200
    assert call("GET", "/v1/users/nobody/items/nothing/rating").status_code == 200


def test_an_embedding(call: Any, shop: Any) -> None:
    answer = call("GET", "/v1/users/u1/embedding").json()
    msgspec.convert(answer, schemas.Embedding)
    assert answer["dim"] == len(answer["embedding"]) == 64
    assert any(answer["embedding"])


def test_a_rating_moves_with_what_was_rated(call: Any, service: Any) -> None:
    target = "/v1/users/ada/items/a/rating"
    before = call("GET", target).json()
    msgspec.convert(before, schemas.Rating)
    rated = {"type": "rating", "user_id": "ada", "item_id": "a", "value": 5}
    call("POST", "/v1/events", rated)
    assert call("GET", target).json()["prediction"] > before["prediction"]


def test_a_rating_of_somebody_new_knows_what_was_told_of_them(call: Any, service: Any) -> None:
    for at in range(40):
        kind = at % 2
        person = {"user_id": f"k{at}", "attributes": {"kind": "ab"[kind]}}
        assert call("PUT", "/v1/users", {"users": [person]}).status_code == 202
        for item in "xyz":
            rated = {"type": "rating", "user_id": f"k{at}", "item_id": item, "value": 1 + 4 * kind}
            assert call("POST", "/v1/events", rated).status_code == 202
    told = [{"user_id": f"new-{kind}", "attributes": {"kind": kind}} for kind in "ab"]
    assert call("PUT", "/v1/users", {"users": told}).status_code == 202
    low, high, unknown = (
        call("GET", f"/v1/users/{name}/items/x/rating").json()["prediction"]
        for name in ("new-a", "new-b", "nobody")
    )
    assert low < unknown < high
    service.broken.add("rows")
    assert call("GET", "/v1/users/new-b/items/x/rating").json()["prediction"] == unknown
