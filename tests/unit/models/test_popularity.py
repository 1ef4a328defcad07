"""Counts that fade: with events for the ranker, with time for trending."""

from __future__ import annotations

import random

import numpy as np
import pytest

from models import popularity
from models.settings import LearningSettings, Popularity
from models.tables import Arena
from tests.unit.models.shops import START, Event, Shop

DAY = 86_400.0


def counted(events: list[tuple[int, float]], settings: Popularity) -> popularity.Popularity:
    arena = Arena("items")
    popularity.declare(arena)
    arena.reserve("items", 4)
    view = popularity.view(arena, settings)
    for item, time in events:
        popularity.learn(view, item, 1.0, time, 4)
    return view


def shares(counts: np.ndarray) -> np.ndarray:
    return counts[:4] / counts[:4].sum()


def test_trending_of_late_events_is_that_of_events_in_order() -> None:
    times = [START + DAY * at / 7 for at in range(200)]
    events = [(at % 3, time) for at, time in enumerate(times)]
    mixed = random.Random(1).sample(events, len(events))
    settings = Popularity(trending_half_life_s=DAY)
    a, b = counted(events, settings), counted([events[0], *mixed], settings)
    assert shares(a.trending) == pytest.approx(shares(b.trending), rel=1e-6)


def test_trending_halves_in_a_half_life() -> None:
    view = counted([(0, START), (1, START + DAY)], Popularity(trending_half_life_s=DAY))
    assert view.trending[1] / view.trending[0] == pytest.approx(2.0)


def test_counts_halve_in_their_half_life_whatever_the_rescaling() -> None:
    events = [(0, START)] + [(1, START)] * 10 + [(2, START)]
    view = counted(events, Popularity(fast_half_life=10))
    # Item 0 came eleven events before item 2.
    assert view.fast[2] / view.fast[0] == pytest.approx(2.0**1.1)
    many = counted([(at % 2, START) for at in range(1001)], Popularity(fast_half_life=10))
    assert many.fast[0] / many.fast[1] == pytest.approx(2.0**0.1)
    assert np.isfinite(many.fast).all()


def test_trending_follows_the_newest(shop: Shop) -> None:
    shop.model.apply_settings(LearningSettings(popularity=Popularity(trending_half_life_s=DAY)))
    shop.tell([Event(f"u{n}", "old", time=START + n) for n in range(10)])
    shop.tell([Event(f"v{n}", "new", time=START + 9 * DAY + n) for n in range(2)])
    assert shop.names(shop.model.trending(2)) == ["new", "old"]


def test_events_without_order_in_time_move_no_clock_back(shop: Shop) -> None:
    shop.tell([Event("u", "a", time=START), Event("u", "b", time=START - DAY)])
    assert shop.model.clock == START
