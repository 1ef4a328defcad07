"""Where people look at the top and items come and go, debiasing finds the good ones sooner."""

from __future__ import annotations

import numpy as np
import pytest

from models.settings import Impressions, LearningSettings
from producers.simulation.nature import Nature
from producers.simulation.run import Simulation
from producers.simulation.world import Size
from stream.manifest import Manifest

# Ten thousand lists a run.
pytestmark = [pytest.mark.full, pytest.mark.timeout(3_600)]

# The world and its hours were chosen on seeds 1 to 4.
SEEDS = range(501, 509)
#: A front page of news: one order for nearly all, nobody searches, two days and all is new.
FRONT_PAGE = Nature(looks=1.0, taste=0.2, life_hours=48.0, searches=0.0)


def regret(seed: int, debias: bool) -> float:
    """Clicks a list that the oracle's list is worth more, for the same person and moment."""
    simulation = Simulation(Size(600, 450, 168.0), seed, nature=FRONT_PAGE)
    settings = LearningSettings(impressions=Impressions(debias=debias))
    report = simulation.run(simulation.in_process(settings, Manifest()))
    return float(report["regret"])


def test_debiasing_lowers_regret() -> None:
    lower = [regret(seed, False) - regret(seed, True) for seed in SEEDS]
    assert np.mean(lower) > 0.0, lower
