"""What all tests share: where data comes from, and what may be skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from producers import datasets
from producers.errors import DatasetUnavailable

# The first call of a kernel compiles it, and machines differ: no example is held to a time.
settings.register_profile(
    "full", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
# A run that is to pass or fail for what was changed tries what the run before it tried; `--full`
# looks for what nobody has thought of.
settings.register_profile("quick", settings.get_profile("full"), derandomize=True)


def missing(reason: str) -> None:
    """Skip, with the reason; fail where everything must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("full" if config.getoption("--full") else "quick")
    # kafka-python leaves the sockets of refused connections to the garbage collector.
    config.addinivalue_line("filterwarnings", "ignore:unclosed <socket:ResourceWarning")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--full"):
        return
    for item in items:
        if item.get_closest_marker("full"):
            item.add_marker(pytest.mark.skip(reason="a long one: run it with --full"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full", action="store_true", default=bool(os.environ.get("FRESHET_FULL")),
        help="the full figures instead of the quick ones: 20 kills, 50,000 events",
    )  # fmt: skip


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """True when the full figures are asked for."""
    return bool(request.config.getoption("--full"))


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The MovieLens-100K `.inter` file, fetched as a user would."""
    try:
        return datasets.get("ml-100k", tmp_path_factory.mktemp("datasets")) / "ml-100k.inter"
    except DatasetUnavailable as error:
        missing(str(error))
        raise


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Data files that are not fetched; their tests are skipped where there are none."""
    folder = os.environ.get("FRESHET_TEST_DATA")
    if not folder:
        pytest.skip("FRESHET_TEST_DATA is not set")
    return Path(folder)
