"""Planted bias of places: the loop learns it from the impressions of its own lists."""

from __future__ import annotations

import numpy as np
import pytest

from models.settings import LearningSettings
from producers.simulation.run import Simulation
from producers.simulation.world import Size
from stream.manifest import Manifest

# Fifteen thousand lists a seed, of which 5,400 to 6,300 items are clicked.
pytestmark = [pytest.mark.full, pytest.mark.timeout(3_600)]


@pytest.mark.parametrize("seed", [801, 802, 803, 804])
def test_propensities_come_within_a_fifth_of_the_truth(seed: int) -> None:
    simulation = Simulation(Size(300, 300, 504.0), seed)
    system = simulation.in_process(LearningSettings(), Manifest())
    simulation.run(system)
    learned, planted = system.propensities(simulation.k), simulation.world.nature.examination(10)
    assert learned is not None
    np.testing.assert_allclose(np.array(learned), planted, rtol=0.2)
