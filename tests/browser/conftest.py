"""The real product with a small catalogue, and a Chromium to look at it with."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from deploy.local.processes import free_port

CHROMIUM = Path("/usr/bin/chromium")
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CATEGORIES = ["Rivers", "Lakes", "Springs", "Marshes", "Glaciers"]
PER_CATEGORY = 12
USERS = 25
EVENTS_PER_USER = 16

# The first start compiles the kernels, which takes a slow machine a while.
START_LIMIT_S = 180.0
# What is waited for on the page takes milliseconds, on a machine that does nothing else.
PATIENCE_S = 30.0


def items() -> list[dict[str, object]]:
    return [
        {
            "item_id": f"{category.lower()}/{number}",
            "title": f"{category} No. {number}",
            "categories": [category],
            "price": 10.0 + number,
        }
        for category in CATEGORIES
        for number in range(PER_CATEGORY)
    ]


def events() -> list[dict[str, object]]:
    """User n keeps to the n-th category, but for every fourth event; low numbers are popular."""
    start = time.time() - 3600.0
    made: list[dict[str, object]] = []
    for user in range(USERS):
        for turn in range(EVENTS_PER_USER):
            home = user % len(CATEGORIES)
            place = home if turn % 4 else (home + 1 + turn // 4) % len(CATEGORIES)
            number = (turn * 5 + user) % (PER_CATEGORY - 2) if turn % 4 else turn // 4
            made.append(
                {
                    "event_id": f"seed:{user}:{turn}",
                    "type": "like",
                    "user_id": f"walker-{user}",
                    "item_id": f"{CATEGORIES[place].lower()}/{number}",
                    "timestamp": start + turn * USERS + user,
                }
            )
    return sorted(made, key=lambda event: str(event["timestamp"]))


def wait_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"the server left with {process.returncode}:\n{log.read_text()[-3000:]}")
        try:
            if httpx.get(f"{url}/readyz", timeout=2.0).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(f"the server was not ready in time:\n{log.read_text()[-3000:]}")


def fill(url: str) -> None:
    with httpx.Client(base_url=url, timeout=30.0) as client:
        client.put("/v1/items", json={"items": items()}).raise_for_status()
        body = {"events": events()}
        receipt = client.post("/v1/events", params={"import": "true"}, json=body)
        receipt.raise_for_status()
        after = {"after": receipt.json()["position"], "wait_ms": 5000}
        while client.get("/v1/users/walker-0/recommendations", params=after).json()["degraded"]:
            pass


@pytest.fixture(scope="module")
def page_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a filled server of its own, started as a user would start it."""
    folder = tmp_path_factory.mktemp("page-server")
    port = free_port()
    command = [sys.executable, "-m", "config.cli.main", "run", "--demo", "none"]
    command += ["--port", str(port), "--data-dir", str(folder / "data")]
    log = folder / "server.log"
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT)
        try:
            wait_ready(url, process, log)
            fill(url)
            yield url
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=20.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{CHROMIUM} is missing, and CI must look at the page")
        pytest.skip(f"{CHROMIUM} is missing (Debian: apt-get install chromium)")
    expect.set_options(timeout=PATIENCE_S * 1000)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGS)
        yield chromium
        chromium.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    fresh = browser.new_context(viewport={"width": 1280, "height": 900})
    yield fresh
    fresh.close()


@pytest.fixture
def page(context: BrowserContext, page_server: str) -> Iterator[Page]:
    """A page that fails its test on a console error or on a request to anywhere else."""
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on(
        "request",
        lambda request: None if request.url.startswith(page_server) else wrong.append(request.url),
    )
    yield opened
    assert wrong == []
