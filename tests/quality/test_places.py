"""Planted bias of places: the loop learns it from the impressions of its own lists."""

from __future__ import annotations

import numpy as np
import pytest

from models.settings import LearningSettings
from producers.simulation.nature import Nature
from producers.simulation.run import Simulation
from producers.simulation.world import Size
from stream.manifest import Manifest

# Twenty thousand lists a seed.
pytestmark = [pytest.mark.full, pytest.mark.timeout(3_600)]

_FOLD = (1.0, 0.95, 0.9, 0.85, 0.3, 0.28, 0.26, 0.24, 0.22, 0.2)


@pytest.mark.parametrize("seed", [401, 402, 403])
@pytest.mark.parametrize("nature", [Nature(), Nature(looks=1.0), Nature(places=_FOLD)],
                         ids=["as a shop", "steep", "a fold after the fourth"])  # fmt: skip
def test_propensities_come_within_a_fifth_of_the_truth(nature: Nature, seed: int) -> None:
    simulation = Simulation(Size(600, 300, 336.0), seed, nature=nature)
    system = simulation.in_process(LearningSettings(), Manifest())
    simulation.run(system)
    np.testing.assert_allclose(
        system.propensities(simulation.k), nature.examination(simulation.k), rtol=0.2
    )
