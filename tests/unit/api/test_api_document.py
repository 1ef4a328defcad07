"""The OpenAPI document: whole, valid, and true to what the API does."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from api import schemas
from api.app import create_app
from stream import events

METHODS = {"get", "put", "post", "delete"}
# What interface and routes must agree on.
CALLS = {
    ("post", "/v1/events"), ("get", "/v1/users/{user_id}/recommendations"),
    ("post", "/v1/sessions/recommendations"), ("get", "/v1/items/{item_id}/similar"),
    ("get", "/v1/trending"), ("get", "/v1/alerts"),
    ("put", "/v1/items"), ("get", "/v1/items/{item_id}"),
    ("delete", "/v1/items/{item_id}"), ("put", "/v1/users"), ("get", "/v1/users/{user_id}"),
    ("get", "/v1/users/{user_id}/embedding"),
    ("get", "/v1/users/{user_id}/items/{item_id}/rating"),
    ("post", "/v1/recommendations:batch"),
    ("get", "/v1/settings"), ("post", "/v1/settings"),
    ("get", "/v1/quality"), ("get", "/livez"), ("get", "/readyz"), ("get", "/metrics"),
}  # fmt: skip
WORDS = {
    "type", "properties", "required", "items", "description", "title", "default", "enum", "anyOf",
    "nullable", "example", "minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum",
    "pattern", "additionalProperties", "format", "$ref", "oneOf",
}  # fmt: skip


@pytest.fixture
def document(call: Any) -> dict[str, Any]:
    answer: dict[str, Any] = call("GET", "/openapi.json").json()
    return answer


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    for child in node if isinstance(node, list) else ():
        yield from walk(child)


def test_every_call_is_in_it_and_nothing_of_the_page(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.0.3"
    assert {(method, path) for method, path, _ in operations(document)} == CALLS


def test_references_lead_somewhere(document: dict[str, Any]) -> None:
    for node in walk(document):
        if "$ref" in node:
            assert len(node) == 1
            name = re.fullmatch(r"#/components/schemas/(\w+)", node["$ref"])
            assert name
            assert name[1] in document["components"]["schemas"]


def test_operations_are_whole(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(ids)) == len(ids)
    for _, path, operation in operations(document):
        assert operation["summary"]
        named = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert named == set(re.findall(r"\{(\w+)\}", path))
        for status, response in operation["responses"].items():
            assert response["description"]
            if status == "304":
                assert "content" not in response
                continue
            (content,) = response["content"].values()
            error = {"$ref": "#/components/schemas/Error"}
            assert (content["schema"] == error) == (int(status) >= 400)


def test_schemas_use_the_words_of_3_0(document: dict[str, Any]) -> None:
    def check(schema: Any) -> None:
        assert set(schema) <= WORDS, schema
        assert schema.get("type") in (
            None, "object", "array", "string", "number", "integer", "boolean"
        )  # fmt: skip
        for inner in schema.get("properties", {}).values():
            check(inner)
        for name in ("items", "additionalProperties"):
            if isinstance(schema.get(name), dict):
                check(schema[name])
        for inner in [*schema.get("anyOf", ()), *schema.get("oneOf", ())]:
            check(inner)

    for schema in document["components"]["schemas"].values():
        check(schema)


def test_examples_are_accepted(call: Any, document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        if "requestBody" in operation:
            example = operation["requestBody"]["content"]["application/json"]["example"]
            assert call(method.upper(), path, example).status_code in (200, 202)


def test_parameters_are_those_the_call_takes(call: Any, document: dict[str, Any]) -> None:
    good = {"k": "5", "after": "1.0-0", "wait_ms": "5", "category": "x", "exclude": "y",
            "import": "true", "include": "z", "in_stock": "true", "price_min": "1",
            "price_max": "2.5",
            "fields": "title,price", "diversity": "0.5", "explain": "true", "consent": "false",
            "next": "none"}  # fmt: skip
    for method, path, operation in operations(document):
        target = path.replace("{user_id}", "u").replace("{item_id}", "i")
        query = [p["name"] for p in operation["parameters"] if p["in"] == "query"]
        asked = "&".join(f"{name}={good[name]}" for name in query)
        body = operation.get("requestBody")
        example = body and body["content"]["application/json"]["example"]
        response = call(method.upper(), f"{target}?{asked}", example)
        assert str(response.status_code) in operation["responses"], target


def test_shapes_are_those_that_are_checked() -> None:
    def fields(struct: Any) -> set[str]:
        return set(struct.__struct_fields__)

    assert fields(schemas.Event) == fields(events.Feedback)
    assert fields(schemas.Item) == fields(events.Item) - {"deleted"}
    assert fields(schemas.UserRecord) == fields(events.User)
    assert fields(schemas.SessionEvent) <= fields(events.Feedback)


def test_the_reader_is_packaged(call: Any) -> None:
    page = call("GET", "/docs")
    assert page.headers["content-type"].startswith("text/html")
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert any("swagger-ui-bundle" in target for target in named)
    for target in named:
        assert target.startswith("/")
        assert not target.startswith("//")
        assert call("GET", target).status_code == 200
    assert "https://" not in page.text


def test_docs_can_be_left_out(service: Any, call: Any) -> None:
    other = type(call)(create_app(service, with_docs=False))
    try:
        assert other("GET", "/docs").status_code == 404
        assert other("GET", "/openapi.json").status_code == 404
    finally:
        other.close()
