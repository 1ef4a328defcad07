"""The page's tile of freshness and alerts, in a real browser."""

import re

import httpx
from playwright.sync_api import Page, expect


def test_the_canary_is_shown_and_alerts_only_while_they_fire(page: Page, page_server: str) -> None:
    page.goto(page_server)
    expect(page.locator("#fresh-value")).to_have_text(re.compile(r"^\d+(\.\d)? m?s$"))
    expect(page.locator("#fresh-note")).to_contain_text("99 of 100 within")
    answer = httpx.get(f"{page_server}/v1/alerts").json()
    for alert in answer["alerts"]:
        alert["state"] = "inactive"
    page.route("**/v1/alerts", lambda route: route.fulfill(json=answer))
    page.reload()
    expect(page.locator("#fresh-value")).to_have_text(re.compile(r"^\d+(\.\d)? m?s$"))
    expect(page.locator("#alerts")).to_be_hidden()
    answer["alerts"][1]["state"], answer["alerts"][2]["state"] = "firing", "pending"
    page.reload()
    expect(page.locator("#alerts li")).to_have_count(1)
    summary = answer["alerts"][1]["summary"]
    expect(page.locator("#alerts li")).to_have_text(f"Critical: {summary}.")
