"""Planted bias of places: the loop learns it from impressions, and correcting it pays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from models.settings import LearningSettings
from producers.simulation.run import Simulation
from producers.simulation.session import examination
from producers.simulation.world import Size
from stream.manifest import Manifest

# Ten thousand lists, twice a seed.
pytestmark = [pytest.mark.full, pytest.mark.timeout(3_600)]

SEEDS = (7, 1)


@pytest.fixture(scope="module", params=SEEDS)
def loops(request: pytest.FixtureRequest) -> dict[bool, tuple[dict[str, Any], Any]]:
    """By `debias`: what people did, and the propensities the loop learned."""
    simulation = Simulation(Size(300, 300, 336.0), request.param)
    found: dict[bool, tuple[dict[str, Any], Any]] = {}
    for debias in (True, False):
        settings = LearningSettings()
        impressions = replace(settings.impressions, debias=debias)
        system = simulation.in_process(replace(settings, impressions=impressions), Manifest())
        found[debias] = simulation.run(system), system.propensities(simulation.k)
    return found


def test_propensities_come_within_a_fifth_of_the_truth(loops: Any) -> None:
    _, learned = loops[True]
    np.testing.assert_allclose(learned, examination(10), rtol=0.2)


def test_correcting_the_bias_lowers_regret(loops: Any) -> None:
    assert loops[True][0]["regret"] < loops[False][0]["regret"]
