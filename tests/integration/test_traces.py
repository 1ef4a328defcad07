"""One trace from the click to what has been learned of it, told through OpenTelemetry."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from config import bootstrap
from config.errors import ConfigError
from config.load import load
from config.settings import Traces
from config.traces import send_through, set_up_traces
from tests.http_threads import in_a_thread

sdk = pytest.importorskip("opentelemetry.sdk.trace.export")
memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def told() -> Iterator[Any]:
    """What was exported, as soon as a span ends."""
    exporter = memory.InMemorySpanExporter()
    end = send_through(sdk.SimpleSpanProcessor(exporter), "freshet-test")
    yield exporter
    end()


def test_one_trace_from_a_click_to_what_is_learned(told: Any, tmp_path: Path) -> None:
    running = bootstrap.embedded(load({"core.data_dir": str(tmp_path)}, environ={}))
    running.service.start()
    try:
        with (
            in_a_thread(create_app(running.service)) as url,
            httpx.Client(base_url=url, timeout=60) as client,
        ):
            event = {"type": "view", "user_id": "u", "item_id": "i"}
            sent = client.post("/v1/events", json=event, headers={"traceparent": CALLER}).json()
            client.get(
                "/v1/users/u/recommendations", params={"after": sent["position"], "wait_ms": 5000}
            ).raise_for_status()
    finally:
        running.close()
    spans = told.get_finished_spans()
    trace_id = int(CALLER.split("-")[1], 16)
    ours = {span.name: span for span in spans if span.context.trace_id == trace_id}
    assert set(ours) == {"POST", "append", "learn"}
    assert ours["POST"].parent.span_id == int(CALLER.split("-")[2], 16)
    assert ours["append"].parent.span_id == ours["POST"].context.span_id
    assert ours["learn"].parent.span_id == ours["append"].context.span_id
    assert ours["POST"].attributes == {"route": "/v1/events", "status": 202}
    assert ours["learn"].start_time <= ours["learn"].end_time
    # A request without a trace begins its own.
    [get] = [span for span in spans if span.name == "GET"]
    assert get.parent is None and get.context.trace_id != trace_id


def test_nothing_of_it_is_imported_unless_it_is_asked_for() -> None:
    program = (
        "import sys; from config.cli.verbs import VERBS, command_line; command_line(VERBS);"
        "import api.app, config.bootstrap, config.traces;"
        "from config.settings import Traces; config.traces.set_up_traces(Traces(), 'x');"
        "ours = ('opentelemetry.sdk', 'opentelemetry.exporter');"
        "assert not [name for name in sys.modules if name.startswith(ours)]"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_without_the_extra_the_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ConfigError, match=r"'\.\[traces\]'"):
        set_up_traces(Traces(endpoint="http://127.0.0.1:4318/v1/traces"), "freshet-test")
