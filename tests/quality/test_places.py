"""Planted bias of places: the loop learns it from the impressions of its own lists."""

from __future__ import annotations

import numpy as np
import pytest

from models.settings import LearningSettings
from producers.simulation.run import Simulation
from producers.simulation.session import examination
from producers.simulation.world import Size
from stream.manifest import Manifest

# Twenty thousand lists.
pytestmark = [pytest.mark.full, pytest.mark.timeout(3_600)]


def test_propensities_come_within_a_fifth_of_the_truth() -> None:
    simulation = Simulation(Size(600, 300, 336.0), seed=7)
    system = simulation.in_process(LearningSettings(), Manifest())
    simulation.run(system)
    learned = system.propensities(simulation.k)
    assert learned is not None
    np.testing.assert_allclose(np.array(learned), examination(10), rtol=0.2)
