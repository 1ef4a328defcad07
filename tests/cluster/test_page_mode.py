"""The page, on a cluster: it says which mode it is in, and nothing in it breaks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.cluster.test_cluster import Cluster, events, running, send
from tests.conftest import missing

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture
def cluster(kafka: str, redis_url: str, tmp_path: Path) -> Iterator[Cluster]:
    with running(kafka, redis_url, tmp_path) as made:
        yield made


@pytest.mark.full
def test_the_page_says_that_it_runs_on_a_cluster(cluster: Cluster) -> None:
    if not CHROMIUM.exists():
        missing("chromium is not installed; on Debian: apt-get install chromium")
    cluster.start("worker")
    api = cluster.api()
    send(api, events(0, 100))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            page, wrong = browser.new_page(), list[str]()
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.goto(str(api.base_url))
            expect(page.get_by_text("cluster", exact=True).first).to_be_visible(timeout=30_000)
            assert not wrong
        finally:
            browser.close()
