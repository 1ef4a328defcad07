"""The page's tile of live quality, in a real browser."""

import re
from typing import Any

import httpx
from playwright.sync_api import Page, expect


def test_the_hit_rate_and_its_trend_are_those_of_the_api(page: Page, page_server: str) -> None:
    page.goto(page_server)
    value = page.locator("#quality-value")
    expect(value).to_have_text(re.compile(r"^\d+ %$"))
    newest = httpx.get(f"{page_server}/v1/quality").json()["windows"]["1000"]
    assert newest["scored"] >= 20
    expect(value).to_have_text(f"{round(newest['hr@20'] * 100)} %")
    expect(page.locator("#quality-note")).to_contain_text(f"{newest['scored']} scored events")
    trend = page.get_by_role("img", name=re.compile(r"From \d+ % to \d+ %"))
    expect(trend).to_be_visible()
    assert len(trend.locator("polyline").get_attribute("points").split()) > 1  # type: ignore[union-attr]


def test_nothing_scored_and_a_drift_are_told_in_words(page: Page, page_server: str) -> None:
    answer: dict[str, Any] = httpx.get(f"{page_server}/v1/quality").json()
    answer["windows"]["1000"].update(scored=0, **{"hr@20": None})
    drift = {"detector": "adwin", "signal": "hit_rate", "effect": "worse", "size": 0.2}
    place = {"example": 9, "partition": 0, "position": 11, "timestamp": 1_700_000_000.0}
    answer["drifts"] = [{**drift, **place}]
    page.route("**/v1/quality", lambda route: route.fulfill(json=answer))
    page.goto(page_server)
    expect(page.locator("#quality-drift")).to_contain_text("Last drift: the hit rate got worse")
    expect(page.locator("#quality-value")).to_have_text("–")
    expect(page.locator("#quality-note")).to_contain_text("as soon as a few events")
    expect(page.locator("#quality-trend svg")).to_have_count(0)
