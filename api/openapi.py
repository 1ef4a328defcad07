"""The OpenAPI document, made from the declared calls; 3.0.3 is what the packaged reader knows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from api import schemas
from api.call import Call
from api.query import Param

_ABOUT: Final = (
    "Send what people do, get what to show them next. Every event answered with 202 is in that "
    "person's next list; pass its `position` as `after` to be sure of it."
)
_KEYS: Final = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_PATHS: Final = "#/components/schemas/{name}"
_SAID: Final = {
    200: "Here it is",
    202: "Durable, and learned from now on",
    304: "The items are those that `If-None-Match` names",
    400: "Not JSON",
    401: "No key, or one that is not known, where keys are asked for",
    403: "The key has not got the scope",
    404: "Not known",
    408: "The body took too long",
    413: "The body is too large",
    414: "The address is too long",
    415: "Not sent as JSON",
    421: "Not a host that this server answers to",
    422: "Something in it is wrong; `field` says what",
    431: "The headers are too long",
    429: "Too many requests; `Retry-After` says when",
    503: "Not now; `Retry-After` says when",
}


def document(calls: Iterable[Call], version: str) -> dict[str, Any]:
    """Return the document of all calls that are not hidden."""
    shown = [call for call in calls if not call.hidden]
    types = {t for call in shown for t in (*call.takes, call.returns) if t is not str}
    ordered = sorted(types | {schemas.Error}, key=lambda t: t.__name__)
    _, components = msgspec.json.schema_components(ordered, ref_template=_PATHS)
    paths: dict[str, dict[str, Any]] = {}
    for call in shown:
        paths.setdefault(call.path, {})[call.method.lower()] = _operation(call)
    return {
        "openapi": "3.0.3",
        "info": {"title": "Freshet", "version": version, "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": {n: _older(s) for n, s in sorted(components.items())},
            "securitySchemes": _KEYS,
        },
    }


def _operation(call: Call) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": call.summary,
        "operationId": f"{call.method.lower()}_{'_'.join(_words(call.path))}",
        "tags": [call.tag],
        "parameters": [*map(_in_path, call.ids), *map(_in_query, call.query)],
        "responses": {
            str(status): _response(status, call)
            for status in (call.status, *call.also, *_refusals(call))
        },
    }
    if call.access != "open":
        operation["security"] = [{}, {"bearer": []}, {"header": []}]
    if call.takes:
        refs = [_ref(one) for one in call.takes]
        schema = refs[0] if len(refs) == 1 else {"oneOf": refs}
        content = {"application/json": {"schema": schema, "example": call.example}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _words(path: str) -> list[str]:
    parts = path.replace(":", "/").split("/")
    return [part.strip("{}") for part in parts if part not in ("", "v1")]


def _refusals(call: Call) -> list[int]:
    may_be_wrong = {422}  # an unknown parameter of the query, at least
    guarded = {401, 403, 429, 503} if call.access != "open" else set()
    return sorted({*call.refuses, *may_be_wrong, *guarded, 414, 421, 431})


def _response(status: int, call: Call) -> dict[str, Any]:
    if status == 304:
        return {"description": _SAID[status]}
    if status >= 400:
        content = {"application/json": {"schema": _ref(schemas.Error)}}
    elif call.returns is str:
        content = {"text/plain": {"schema": {"type": "string"}}}
    else:
        content = {"application/json": {"schema": _ref(call.returns)}}
    return {"description": _SAID[status], "content": content}


def _ref(kind: type) -> dict[str, str]:
    return {"$ref": _PATHS.format(name=kind.__name__)}


def _in_path(name: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": 128}
    says = "Percent-encode it: `a/b` is `a%2Fb`"
    return {"name": name, "in": "path", "required": True, "schema": schema, "description": says}


def _in_query(param: Param) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": param.name, "in": "query", "schema": param.schema()}
    if param.says:
        shown["description"] = param.says
    if shown["schema"]["type"] == "array":
        shown.update(style="form", explode=param.repeated)
    return shown


def _older(schema: Any) -> Any:
    """The same in the words of OpenAPI 3.0, which has `nullable` and one `example`."""
    if isinstance(schema, list):
        return [_older(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    told = {key: _older(value) for key, value in schema.items() if key not in ("anyOf", "examples")}
    if "examples" in schema:
        told["example"] = schema["examples"][0]
    if "anyOf" in schema:
        some = [_older(one) for one in schema["anyOf"] if one != {"type": "null"}]
        if len(some) < len(schema["anyOf"]):
            told["nullable"] = True
        # A reference may have no neighbours in 3.0, so it is wrapped.
        told.update(some[0] if len(some) == 1 and "$ref" not in some[0] else {"anyOf": some})
    if None in told.get("enum", ()):
        told["enum"] = [value for value in told["enum"] if value is not None]
        told["nullable"] = True
    return told
