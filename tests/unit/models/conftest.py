"""Shops to test the models with."""

from __future__ import annotations

import pytest

from tests.unit.models.shops import Shop, catalogue, crowd


@pytest.fixture
def shop() -> Shop:
    """An empty shop with default settings."""
    return Shop()


@pytest.fixture
def busy() -> Shop:
    """A shop with a catalogue and 300 events."""
    shop = Shop()
    shop.put(*catalogue())
    shop.tell(crowd(300))
    return shop
