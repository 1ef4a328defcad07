"""What a list can be asked for: reasons, filters, pages, diversity, many at once, as before."""

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from fastapi import FastAPI

from api import schemas
from api.app import create_app
from api.routes.recommendations import Serving
from models.settings import Exploration, LearningSettings

U1 = "/v1/users/u1/recommendations"
STRANGER = "/v1/users/stranger/recommendations"
SESSIONS = "/v1/sessions/recommendations"
BATCH = "/v1/recommendations:batch"
VIEWED = [{"type": "view", "item_id": "i1"}, {"type": "view", "item_id": "i4"}]


def ids(answer: Any) -> list[str]:
    return [item["item_id"] for item in answer.json()["items"]]


def break_model(shop: Any, *names: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    for name in names:
        setattr(shop.model.reader, name, fail)


@pytest.fixture
def calling(service: Any, call: Any) -> Iterator[Any]:
    """Call an app that serves lists in another way."""
    made = []

    def calling(serving: Serving) -> Any:
        app: FastAPI = create_app(service, serving=serving)
        made.append(type(call)(app))
        return made[-1]

    yield calling
    for one in made:
        one.close()


@pytest.mark.parametrize("target", [U1, STRANGER, f"{U1}?diversity=0.9", f"{U1}?k=100"])
def test_an_explanation_adds_up_to_the_score(call: Any, shop: Any, target: str) -> None:
    with_reasons = f"{target}{'&' if '?' in target else '?'}explain=true"
    answer = call("GET", with_reasons)
    msgspec.convert(answer.json(), schemas.Recommendations)
    assert ids(answer) == ids(call("GET", target))
    for item in answer.json()["items"]:
        told = item["explanation"]
        assert told["base"] + sum(told["sources"].values()) == pytest.approx(
            item["score"], abs=1e-6
        )
        assert "context" in told["sources"]
        assert all(set(event) == {"item_id", "source", "value"} for event in told["events"])
    assert all("explanation" not in item for item in call("GET", target).json()["items"])


@pytest.mark.parametrize("broken", [("recommend",), ("recommend", "trending")])
def test_lower_rungs_explain_themselves_too(call: Any, shop: Any, broken: tuple[str, ...]) -> None:
    call("GET", U1)
    break_model(shop, *broken)
    items = call("GET", f"{U1}?explain=true&k=3").json()["items"]
    assert items
    for item in items:
        told = item["explanation"]
        assert told["base"] + sum(told["sources"].values()) == pytest.approx(item["score"])


def test_a_session_explains_by_its_events(call: Any, shop: Any) -> None:
    items = call("POST", SESSIONS, {"events": VIEWED, "explain": True}).json()["items"]
    named = {event["item_id"] for item in items for event in item["explanation"]["events"]}
    assert named
    assert named <= {"i1", "i4"}


FILTERED: list[tuple[dict[str, Any], set[int]]] = [
    ({"include": ["i3", "i4", "unknown"]}, {3, 4}),
    ({"include": ["i3", "i4"], "exclude": ["i4"]}, {3}),
    ({"price_min": 17}, {17, 18, 19}),
    ({"price_max": 2.5}, {0, 1, 2}),
    ({"price_min": 3, "price_max": 6.0, "category": "even"}, {4}),
    ({"price_min": 5, "price_max": 9, "in_stock": True}, {5, 7, 8}),
]


def query_of(options: dict[str, Any]) -> str:
    pairs = []
    for name, value in options.items():
        for one in value if isinstance(value, list) else [value]:
            pairs.append(f"{name}={str(one).lower() if isinstance(one, bool) else one}")
    return "&".join(pairs)


@pytest.mark.parametrize(("options", "expected"), FILTERED)
def test_filters_are_the_same_wherever_they_are_given(
    call: Any, shop: Any, options: dict[str, Any], expected: set[int]
) -> None:
    stock = {"item_id": "i6", "price": 6.5, "stock": 0, "categories": ["even"]}
    call("PUT", "/v1/items", {"items": [stock]})
    names = {f"i{n}" for n in expected}
    seen = set(ids(call("GET", "/v1/users/u1/recommendations?k=100"))) ^ {
        f"i{n}" for n in range(20)
    }
    assert set(ids(call("GET", f"{U1}?k=100&{query_of(options)}"))) == names - seen
    assert set(ids(call("GET", f"{STRANGER}?k=100&{query_of(options)}"))) == names
    session = {"events": [{"type": "view", "item_id": "i9"}], "k": 100, **options}
    assert set(ids(call("POST", SESSIONS, session))) == names
    body = {"user_ids": ["stranger"], "k": 100, **options}
    (listed,) = call("POST", BATCH, body).json()["lists"]
    assert {item["item_id"] for item in listed["items"]} == names


@pytest.mark.parametrize(("options", "expected"), FILTERED)
def test_the_last_rung_filters_too(
    call: Any, shop: Any, options: dict[str, Any], expected: set[int]
) -> None:
    stock = {"item_id": "i6", "price": 6.5, "stock": 0, "categories": ["even"]}
    call("PUT", "/v1/items", {"items": [stock]})
    call("GET", STRANGER)
    break_model(shop, "recommend", "trending")
    answer = call("GET", f"{STRANGER}?k=100&{query_of(options)}")
    assert answer.json()["served_by"] == "static"
    assert set(ids(answer)) == {f"i{n}" for n in expected}


def test_only_the_fields_that_are_wanted(call: Any, shop: Any) -> None:
    bare = {"item_id", "score", "reason", "because"}
    for fields, more in (("title,price", {"title", "price"}), ("", set()), ("stock", set())):
        items = call("GET", f"{U1}?fields={fields}").json()["items"]
        assert all(set(item) == bare | more for item in items)
    items = call("POST", SESSIONS, {"events": VIEWED, "fields": ["title"]}).json()["items"]
    assert all(set(item) == {*bare, "title"} for item in items)


WRONG = [
    ("in_stock", "yes"), ("price_min", "-1"), ("price_min", "."), ("price_min", "1e"),
    ("price_min", "nan"), ("price_max", "1e999"),
    ("price_max", "x"), ("fields", "title,secret"), ("diversity", "1.1"), ("explain", "1"),
    ("consent", ""), ("next", "x"), ("next", "é"), ("include", ""), ("k", "0"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_what_is_wrong_in_a_query_is_named(call: Any, shop: Any, name: str, value: str) -> None:
    call.refused(422, name, "GET", f"{U1}?{name}={value}".encode().decode("latin-1"))


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("k", {"k": 0}), ("k", {"k": True}), ("in_stock", {"in_stock": 1}),
        ("price_min", {"price_min": -1}), ("price_min", {"price_min": 3, "price_max": 2}),
        ("fields.1", {"fields": ["title", "secret"]}), ("fields", {"fields": "title"}),
        ("diversity", {"diversity": 2}), ("include", {"include": []}),
        ("include.0", {"include": [""]}), ("exclude", {"exclude": ["i1"] * 1001}),
        ("exclude.0", {"exclude": [1]}), ("category", {"category": ""}),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("target", "body"), [(SESSIONS, {"events": []}), (BATCH, {"user_ids": ["u1"]})]
)
def test_what_is_wrong_in_a_body_is_named(
    call: Any, shop: Any, target: str, body: dict[str, Any], field: str, options: dict[str, Any]
) -> None:
    call.refused(422, field, "POST", target, {**body, **options})


def pages(call: Any, target: str, k: int) -> Iterator[list[str]]:
    answer = call("GET", f"{target}?k={k}")
    while True:
        yield ids(answer)
        token = answer.json()["next"]
        if token is None:
            return
        answer = call("GET", f"{target}?next={token}")


@pytest.mark.parametrize("target", [U1, STRANGER])
def test_pages_hold_everything_once(call: Any, shop: Any, target: str) -> None:
    whole = ids(call("GET", f"{target}?k=100"))
    listed = list(pages(call, target, 4))
    assert all(len(page) == 4 for page in listed[:-1])
    flat = [item for page in listed for item in page]
    assert sorted(flat) == sorted(whole)
    assert flat[:4] == whole[:4]


def test_events_between_pages_repeat_nothing(call: Any, shop: Any) -> None:
    first = call("GET", f"{U1}?k=5").json()
    shown = {item["item_id"] for item in first["items"]}
    for item_id in ("i7", "i13", "i18"):
        for user in ("u1", "u2", "u3"):
            event = {"type": "purchase", "user_id": user, "item_id": item_id}
            call("POST", "/v1/events", event)
    call("PUT", "/v1/items", {"items": [{"item_id": "fresh", "title": "Fresh"}]})
    second = ids(call("GET", f"{U1}?next={first['next']}&k=15"))
    assert second
    assert shown.isdisjoint(second)


def test_any_process_serves_the_next_page(call: Any, calling: Any, shop: Any) -> None:
    answer = call("GET", f"{U1}?k=3&category=odd&price_min=4&fields=price&diversity=0.2").json()
    other = calling(Serving())("GET", f"{U1}?next={answer['next']}")
    assert all(int(item_id[1:]) % 2 for item_id in ids(other))
    assert all(item["price"] >= 4 and "title" not in item for item in other.json()["items"])
    assert len(ids(other)) == 3
    same = call("GET", f"{U1}?next={answer['next']}&k=3&category=odd&price_min=4.0&fields=price")
    assert ids(same) == ids(other)


def test_a_page_is_of_its_list(call: Any, shop: Any) -> None:
    token = call("GET", f"{U1}?k=3&category=odd&exclude=i3").json()["next"]
    call.refused(422, "next", "GET", f"/v1/users/u2/recommendations?next={token}")
    call.refused(422, "category", "GET", f"{U1}?next={token}&category=even")
    call.refused(422, "exclude", "GET", f"{U1}?next={token}&exclude=i5")
    call.refused(422, "price_max", "GET", f"{U1}?next={token}&price_max=3")
    for broken in (
        token[:-2],
        token[1:],
        token[:-1] + ("A" if token[-1] != "A" else "Q"),
        "A" * 40000,
    ):
        call.refused(422, "next", "GET", f"{U1}?next={broken}")


def test_a_session_turns_its_page_with_its_events(call: Any, shop: Any) -> None:
    body = {"events": VIEWED, "k": 6}
    first = call("POST", SESSIONS, body)
    second = call("POST", SESSIONS, {"events": VIEWED, "next": first.json()["next"]})
    assert len(ids(second)) == 6
    assert set(ids(first)).isdisjoint(ids(second))
    call.refused(422, "next", "POST", SESSIONS, {"events": VIEWED, "next": "x"})


def test_diversity_says_what_it_moved(call: Any, shop: Any) -> None:
    plain, mixed = call("GET", U1), call("GET", f"{U1}?diversity=0.8")
    assert ids(call("GET", f"{U1}?diversity=0")) == ids(plain)
    assert ids(mixed) != ids(plain)
    items = mixed.json()["items"]
    assert any(item["reason"] == "diversity" for item in items)
    for before, item in itertools.pairwise(items):
        if item["score"] > before["score"]:
            assert item["reason"] == before["reason"] == "diversity"


def test_many_get_what_each_would_get(call: Any, shop: Any) -> None:
    user_ids = ["u0", "stranger", "u1", "u2", "u1"]
    response = call("POST", BATCH, {"user_ids": user_ids, "k": 7, "fields": ["title"]})
    answer = response.json()
    msgspec.convert(answer, schemas.UserLists)
    assert [one["user_id"] for one in answer["lists"]] == user_ids
    for one in answer["lists"]:
        alone = call("GET", f"/v1/users/{one['user_id']}/recommendations?k=7&fields=title").json()
        assert one["items"] == alone["items"]
        assert (one["served_by"], one["degraded"]) == (alone["served_by"], alone["degraded"])
    assert "title" not in call("POST", BATCH, {"user_ids": ["u1"]}).json()["lists"][0]["items"][0]


def test_many_are_answered_when_things_break(call: Any, shop: Any) -> None:
    call("GET", U1)
    body = {"user_ids": ["u1", "stranger"], "k": 3}
    shop.broken.add("rows")
    for one in call("POST", BATCH, body).json()["lists"]:
        assert (one["served_by"], one["degraded"], len(one["items"])) == ("trending", True, 3)
    shop.broken.clear()
    break_model(shop, "recommend_all", "recommend", "trending")
    for one in call("POST", BATCH, body).json()["lists"]:
        assert (one["served_by"], one["degraded"], len(one["items"])) == ("static", True, 3)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "user_ids"), ({"user_ids": []}, "user_ids"), ({"user_ids": [1]}, "user_ids.0"),
        ({"user_ids": ["u1", ""]}, "user_ids.1"), ({"user_ids": ["u"] * 1001}, "user_ids"),
        ({"user_ids": ["u1"], "explain": True}, None), ({"user_ids": ["u1"], "ids": []}, None),
        ({"user_ids": "u1"}, "user_ids"),
    ],
)  # fmt: skip
def test_who_is_wrong_among_many_is_named(call: Any, shop: Any, body: Any, field: Any) -> None:
    call.refused(422, field, "POST", BATCH, body)


def impressions(shop: Any) -> list[dict[str, Any]]:
    records = [msgspec.json.decode(record.body) for record in shop.log]
    return [record for record in records if record["type"] == "impression"]


def test_what_was_shown_is_remembered(calling: Any, shop: Any) -> None:
    call = calling(Serving(impressions=1.0))
    answer = call("GET", f"{U1}?k=4").json()
    (shown,) = impressions(shop)
    assert (shown["user_id"], shown["recommendation_id"]) == ("u1", answer["recommendation_id"])
    assert (shown["served_by"], shown["model_id"]) == ("personal", "default")
    assert [(s["item_id"], s["place"], s["score"]) for s in shown["items"]] == [
        (item["item_id"], place, item["score"]) for place, item in enumerate(answer["items"])
    ]
    assert all(s["propensity"] == 1.0 for s in shown["items"])


def test_what_leaves_no_trace(calling: Any, shop: Any) -> None:
    call = calling(Serving(impressions=1.0, cache_entries=9))
    token = call("GET", f"{U1}?consent=false&k=3").json()["next"]
    call("GET", f"{U1}?next={token}")
    call("POST", SESSIONS, {"events": VIEWED, "consent": False})
    call("POST", SESSIONS, {"events": VIEWED})
    call("POST", BATCH, {"user_ids": ["u1"]})
    call("GET", "/v1/trending")
    call("GET", "/v1/users/_canary/recommendations")
    call("GET", "/v1/users/_canary-3/recommendations")
    assert impressions(shop) == []
    assert calling(Serving(impressions=0.0))("GET", U1).status_code == 200
    assert impressions(shop) == []


def test_a_share_of_lists_is_remembered(calling: Any, shop: Any) -> None:
    call = calling(Serving(impressions=0.5))
    for _ in range(60):
        call("GET", f"{U1}?k=2")
    assert 10 < len(impressions(shop)) < 50


def test_an_answer_does_not_need_its_impression_kept(calling: Any, shop: Any) -> None:
    def full(*_: object) -> None:
        raise RuntimeError("full")

    shop.append_impressions = full
    assert calling(Serving(impressions=1.0))("GET", U1).status_code == 200


def test_without_consent_nothing_is_tried_out(calling: Any, shop: Any) -> None:
    shop.model.apply_settings(LearningSettings(exploration=Exploration(share=1.0)))
    call = calling(Serving(impressions=1.0))
    call("PUT", "/v1/items", {"items": [{"item_id": f"new{n}"} for n in range(5)]})
    tried = [call("GET", f"{U1}?k=3").json()["items"] for _ in range(20)]
    explored = [i for items in tried for i in items if i["reason"] == "explored"]
    assert explored
    drawn = [s for shown in impressions(shop) for s in shown["items"] if s["propensity"] < 0.5]
    assert [s["item_id"] for s in drawn] == [i["item_id"] for i in explored]
    assert shop.profiles.counts()["dead_letters"] == 0
    for _ in range(20):
        items = call("GET", f"{U1}?k=3&consent=false").json()["items"]
        assert all(item["reason"] != "explored" for item in items)


def test_a_list_that_is_still_the_same_is_not_sent_again(call: Any, shop: Any) -> None:
    first = call("GET", U1)
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    again = call("GET", U1, if_none_match=f'"other", {tag}')
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert call("GET", U1).json()["recommendation_id"] != first.json()["recommendation_id"]
    assert call("GET", f"{U1}?k=3", if_none_match=tag).status_code == 200
    event = {"type": "purchase", "user_id": "u1", "item_id": first.json()["items"][0]["item_id"]}
    call("POST", "/v1/events", event)
    assert call("GET", U1, if_none_match=tag).status_code == 200


def test_kept_answers_are_those_of_now(calling: Any, shop: Any) -> None:
    call = calling(Serving(cache_entries=2))
    asked: list[Any] = []
    call("GET", "/v1/trending")  # the list for the worst case is drawn
    recommend = shop.model.reader.recommend

    def counted(*args: Any) -> Any:
        asked.append(args)
        return recommend(*args)

    shop.model.reader.recommend = counted
    first = call("GET", U1)
    same = call("GET", U1)
    assert len(asked) == 1
    assert ids(first) == ids(same)
    assert first.json()["recommendation_id"] != same.json()["recommendation_id"]
    for target in (f"{U1}?k=3", f"{U1}?category=odd", f"{U1}?explain=true"):
        call("GET", target)
    assert len(asked) == 4
    call("GET", U1)  # two entries only: it had to go
    assert len(asked) == 5
    call("POST", "/v1/events", {"type": "view", "user_id": "u1", "item_id": ids(first)[0]})
    assert ids(first)[0] not in ids(call("GET", U1))


def test_one_thread_explains_while_others_are_answered(call: Any, shop: Any) -> None:
    """Asked through the event loop, an explanation does not run on it."""
    threads = set()
    recommend = shop.model.reader.recommend

    def noted(*args: Any) -> Any:
        threads.add(threading.current_thread())
        return recommend(*args)

    call("GET", "/v1/trending")
    shop.model.reader.recommend = noted
    call("GET", U1)
    assert threads == {threading.current_thread()}
    call("GET", f"{U1}?explain=true")
    assert len(threads) == 2
