"""The page at / in a real browser: what a click changes, how soon, and for whom it works."""

import re
import time
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect


def begin(page: Page, url: str, name: str) -> None:
    """Make a new shopper through the dialog, as a visitor does, and wait for the list."""
    page.goto(url)
    expect(page.locator(".cell").first).to_be_visible()
    page.get_by_role("button", name="New shopper").click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"For {name}")
    expect(page.locator(".cell").first).to_be_visible()


def shown(page: Page) -> list[str]:
    ids: list[str] = page.locator("#cards > .cell").evaluate_all(
        "cells => cells.map((cell) => cell.dataset.item)"
    )
    return ids


def measured(page: Page) -> int:
    return int(page.locator("#badge").get_attribute("data-measured") or "0")


def act(page: Page, gesture: Callable[[], None]) -> tuple[float, float]:
    """Do something to a card; returns what the badge says and what this test saw, in ms."""
    before, count = shown(page), measured(page)
    started = time.perf_counter()
    gesture()
    page.wait_for_function(
        "count => Number(document.querySelector('#badge').dataset.measured) > count", arg=count
    )
    seen_ms = (time.perf_counter() - started) * 1000
    assert shown(page) != before
    text = page.locator("#badge-value").inner_text()
    match = re.fullmatch(r"(\d+) ms", text)
    assert match, text
    return float(match[1]), seen_ms


def card(page: Page, place: int) -> Locator:
    return page.locator("#cards > .cell").nth(place)


def press_until(page: Page, key: str, reached: str, limit: int = 200) -> None:
    """Press a key until the focus is on something that matches the selector."""
    for _ in range(limit):
        if page.evaluate("reached => document.activeElement.matches(reached)", reached):
            return
        page.keyboard.press(key)
    pytest.fail(f"{key} never reached {reached}")


def test_new_shopper_sees_what_is_popular(page: Page, page_server: str) -> None:
    begin(page, page_server, "newcomer")
    expect(page.locator("#lede")).to_contain_text("new here")
    expect(page.locator("#facts")).to_contain_text("trending")
    expect(card(page, 0).locator(".card-title")).to_have_text(re.compile(r"No\. \d+"))
    expect(card(page, 0).locator(".art svg")).to_be_visible()


def test_click_changes_the_list_and_the_badge_tells_how_soon(page: Page, page_server: str) -> None:
    begin(page, page_server, "clicker")
    liked = shown(page)[1]
    badge_ms, seen_ms = act(page, card(page, 1).locator("[data-type=like]").click)
    assert 0 <= badge_ms <= seen_ms + 1, "the badge rounds to a millisecond"
    assert liked not in shown(page)
    expect(page.locator("#trail")).to_contain_text("Liked")


def test_first_clicks_make_the_list_personal(page: Page, page_server: str) -> None:
    begin(page, page_server, "settler")
    for _ in range(2):
        act(page, card(page, 0).locator("[data-type=like]").click)
    expect(page.locator("#facts")).to_contain_text("personal")
    expect(page.locator(".why", has_text="Because you liked").first).to_be_visible()
    named = page.locator(".why cite").first
    expect(named).to_have_text(re.compile(r"No\. \d+"))


def test_disliked_card_leaves(page: Page, page_server: str) -> None:
    begin(page, page_server, "grumbler")
    disliked = shown(page)[0]
    act(page, card(page, 0).locator("[data-type=dislike]").click)
    assert disliked not in shown(page)


def test_rate_and_buy_by_keyboard_alone(page: Page, page_server: str) -> None:
    begin(page, page_server, "typist")
    [rated, *_] = shown(page)
    press_until(page, "Tab", ".cell:first-child .star")
    press_until(page, "ArrowRight", ".cell:first-child .star[data-value='4']")
    act(page, lambda: page.keyboard.press("Enter"))
    assert page.evaluate("document.activeElement.closest('#cards') !== null"), "focus stays"
    press_until(page, "Tab", ".cell [data-type=purchase]")
    bought = page.evaluate("document.activeElement.closest('.cell').dataset.item")
    act(page, lambda: page.keyboard.press("Space"))
    profile = httpx.get(f"{page_server}/v1/users/typist").json()
    done = {(entry["item_id"], entry["type"], entry["value"]) for entry in profile["history"]}
    assert (rated, "rating", 4) in done
    assert bought in {item for item, kind, _ in done if kind == "purchase"}


def test_known_shopper_can_be_chosen(page: Page, page_server: str) -> None:
    page.goto(page_server)
    known = page.locator("#shopper option[value^='walker-']").first
    expect(known).to_be_attached()
    walker = known.get_attribute("value")
    page.get_by_label("Shopper", exact=True).select_option(walker)
    expect(page.get_by_role("heading", level=1)).to_have_text(f"For {walker}")
    expect(page.locator("#trail .step").first).to_be_visible()
    expect(page.locator(".why", has_text="Because you").first).to_be_visible()


def test_what_others_do_ticks_by_and_can_be_paused(page: Page, page_server: str) -> None:
    begin(page, page_server, "onlooker")

    def somebody(user_id: str) -> None:
        event = {"type": "like", "user_id": user_id, "item_id": "lakes/11"}
        httpx.post(f"{page_server}/v1/events", json=event).raise_for_status()

    somebody("passer-by")
    row = page.locator("#activity .row", has_text="passer-by").first
    expect(row).to_contain_text("liked Lakes No. 11")
    pause = page.get_by_role("button", name="Pause")
    pause.click()
    expect(pause).to_have_attribute("aria-pressed", "true")


def test_ids_and_names_are_text_and_never_markup(page: Page, page_server: str) -> None:
    name = "a/b,ü?<b>&#x"
    begin(page, page_server, name)
    act(page, card(page, 0).locator("[data-type=view]").click)
    assert httpx.get(f"{page_server}/v1/users/a%2Fb%2C%C3%BC%3F%3Cb%3E%26%23x").status_code == 200
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"For {name}")


def test_fits_a_phone(page: Page, page_server: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    begin(page, page_server, "commuter")
    act(page, card(page, 0).locator("[data-type=like]").click)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    expect(page.locator("#badge")).to_be_in_viewport()


def test_can_be_read_aloud(page: Page, page_server: str) -> None:
    begin(page, page_server, "listener")
    for role in ("banner", "main", "complementary", "contentinfo"):
        expect(page.get_by_role(role)).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    assert page.locator("html").get_attribute("lang")
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('button, a, select, input')].filter((node) =>
            !(node.getAttribute('aria-label') || node.textContent.trim() || node.labels?.length))
            .map((node) => node.outerHTML)"""
    )
    assert nameless == []
    twice = page.evaluate(
        """() => { const ids = [...document.querySelectorAll('[id]')].map((node) => node.id);
            return ids.filter((id, i) => ids.indexOf(id) !== i); }"""
    )
    assert twice == []
    act(page, card(page, 0).locator("[data-type=like]").click)
    expect(page.get_by_role("status")).to_contain_text("New list in")


def test_says_when_the_server_is_away_and_comes_back(
    context: BrowserContext, page_server: str
) -> None:
    page = context.new_page()  # its console may complain: the requests do fail
    begin(page, page_server, "stranded")
    away = re.compile(r"/(page|v1)/(?!static)")
    page.route(away, lambda route: route.abort())
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    page.unroute(away)
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.locator(".cell").first).to_be_visible()


def test_empty_catalogue_shows_how_to_begin(page: Page, page_server: str) -> None:
    info = httpx.get(f"{page_server}/page/info").json()
    page.route("**/page/info", lambda route: route.fulfill(json={**info, "items": 0}))
    page.route(
        "**/recommendations*",
        lambda route: route.fulfill(json={**route.fetch().json(), "items": []}),
    )
    page.goto(page_server)
    expect(page.get_by_role("heading", name="Nothing to recommend yet")).to_be_visible()
    expect(page.locator("#curl-event")).to_contain_text(f"curl -X POST {page_server}/v1/events")
