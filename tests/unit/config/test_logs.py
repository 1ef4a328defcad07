"""What stands in the log: lines that machines read, joined by request and trace, without people."""

import json
import subprocess
import sys
from typing import Any

import pytest

#: Serves two requests over a service that breaks, and logs as libraries do.
PROGRAM = """
import asyncio, logging, sys, warnings
import structlog
from config.cli.logs import set_up_logs
from config.settings import Logs
from api.metrics import Metrics
from api.observe import SEEN, Observe

set_up_logs(Logs(json={json}, ids="{ids}", access=True))

async def app(scope, receive, send):
    scope[SEEN].route = "/v1/users/{{user_id}}"
    scope[SEEN].ids = {{"user_id": "ada-lovelace"}}
    logging.getLogger("uvicorn.error").warning("a %s of uvicorn's", "line")
    structlog.get_logger("api.ladder").warning("within", item_id="tea-1", rung="personal")
    if scope["path"] == "/broken":
        raise RuntimeError("it broke")
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": b""}})

async def main():
    observed = Observe(app, Metrics(dict), access=True)
    trace = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    for path, headers in (("/fine", [(b"traceparent", trace)]), ("/broken", [])):
        scope = {{"type": "http", "method": "GET", "path": path, "headers": headers}}
        async def send(message):
            if message["type"] == "http.response.start":
                told = dict(message["headers"])[b"x-request-id"].decode()
                print(told)
        await asyncio.create_task(observed(scope, None, send))

asyncio.run(main())
logging.getLogger("aiokafka.conn").error("outside of any request")
warnings.warn("a warning")
"""


def logged(ids: str, machine: bool = True) -> tuple[list[str], str]:
    """The request ids answered, and what stood on stderr."""
    program = PROGRAM.format(ids=ids, json=machine)
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", program], capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return done.stdout.split(), done.stderr


@pytest.fixture(scope="module")
def lines() -> tuple[list[str], list[dict[str, Any]]]:
    ids, text = logged("none")
    return ids, [json.loads(line) for line in text.splitlines()]


def test_every_line_is_json_with_time_level_logger_and_event(lines: Any) -> None:
    _, told = lines
    for line in told:
        assert {"timestamp", "level", "logger", "event"} <= set(line)
        assert line["timestamp"].endswith("Z")
    loggers = {line["logger"] for line in told}
    assert {"uvicorn.error", "api.ladder", "api.observe", "aiokafka.conn", "py.warnings"} <= loggers
    assert told[0]["event"] == "a line of uvicorn's"


def test_every_line_within_a_request_has_its_id_and_its_trace(lines: Any) -> None:
    ids, told = lines
    fine = [line for line in told if line.get("request_id") == ids[0]]
    broken = [line for line in told if line.get("request_id") == ids[1]]
    assert [line["logger"] for line in fine] == ["uvicorn.error", "api.ladder", "api.observe"]
    assert {line["trace_id"] for line in fine} == {"0af7651916cd43dd8448eb211c80319c"}
    assert [line["logger"] for line in broken] == [
        "uvicorn.error", "api.ladder", "api.observe", "api.observe"
    ]  # fmt: skip
    assert not any("trace_id" in line for line in broken)
    assert "RuntimeError: it broke" in broken[2]["exception"]
    outside = [line for line in told if "request_id" not in line]
    assert {line["logger"] for line in outside} == {"aiokafka.conn", "py.warnings"}


def test_a_request_has_one_access_line_by_its_template(lines: Any) -> None:
    _, told = lines
    access = [line for line in told if line["event"] == "request"]
    assert [(line["method"], line["route"], line["status"]) for line in access] == [
        ("GET", "/v1/users/{user_id}", 200), ("GET", "/v1/users/{user_id}", 500),
    ]  # fmt: skip
    assert all(line["ms"] >= 0 for line in access)


def test_people_are_left_out_or_hashed_unless_asked_for(lines: Any) -> None:
    _, told = lines
    assert not any({"user_id", "item_id"} & set(line) for line in told)
    _, hashed = logged("hashed")
    found = {json.loads(line).get("user_id") for line in hashed.splitlines()} - {None}
    assert len(found) == 1
    assert "ada-lovelace" not in hashed and "tea-1" not in hashed
    _, plain = logged("plain", machine=False)
    assert "user_id=ada-lovelace" in plain and "request_id=" in plain
