"""The OpenAPI document against a running server: no 5xx, no status or shape it does not tell of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import create_app
from config import bootstrap
from config.load import load
from tests.http_threads import await_ready, in_a_thread
from tests.unit.api.conftest import FakeService

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance,
    response_schema_conformance,
]  # fmt: skip
#: Examples a call: enough for each of its parameters to be wrong in some way.
QUICK, FULL = 12, 300


def operations() -> dict[str, Any]:
    schema: Any = schemathesis.openapi.from_dict(create_app(FakeService()).openapi_schema or {})
    found = [result.ok() for result in schema.get_all_operations()]
    return {operation.label: operation for operation in found}


OPERATIONS = operations()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("openapi")
    running = bootstrap.embedded(load({"core.data_dir": str(folder)}, environ={}))
    running.service.catch_up()
    running.service.start()
    try:
        await_ready(running.service)
        with in_a_thread(create_app(running.service)) as url:
            yield url
    finally:
        running.close()


@pytest.mark.parametrize("mode", list(GenerationMode), ids=["right", "wrong"])
@pytest.mark.parametrize("label", OPERATIONS)
def test_every_call_is_as_told(url: str, full: bool, label: str, mode: GenerationMode) -> None:
    @settings(
        max_examples=FULL if full else QUICK, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=OPERATIONS[label].as_strategy(generation_mode=mode))
    def tried(case: Any) -> None:
        case.call_and_validate(base_url=url, checks=CHECKS)

    try:
        tried()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, "there is nothing right to send"
