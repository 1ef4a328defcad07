"""Lists that another order made: what is learned from them ranks better where places are known.

An editor shows everybody what the editor likes, which says nothing of what people like. People
look at the top, so what stands there is clicked most. The lists Freshet would have shown instead,
to the same people at the same moments, are worth more with `debias` than without.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from models.settings import Impressions, LearningSettings
from producers.simulation.chance import chance
from producers.simulation.nature import Nature
from producers.simulation.policies import Event, Page, Request
from producers.simulation.run import Simulation
from producers.simulation.systems import InProcess
from producers.simulation.world import Size
from stream.manifest import Manifest

#: The worlds and the editor were tried on seeds 1 to 3; these are others.
SEEDS = (701, 702, 703, 704, 705, 706)


class Editor:
    """Shows an order of its own, every time a little different; two systems learn from it."""

    def __init__(self, simulation: Simulation, systems: Sequence[InProcess]) -> None:
        self._simulation, self._systems = simulation, systems
        items, seed = simulation.size.items, simulation.seed
        self._liking = chance(seed, "the editor's liking").random(items)
        self._looks = simulation.world.nature.examination(simulation.k)
        self._from = simulation.start + simulation.size.hours * 1800.0
        self.regrets: list[list[float]] = [[] for _ in systems]

    def show(self, request: Request, k: int) -> Page:
        if request.time >= self._from:
            for system, regrets in zip(self._systems, self.regrets, strict=True):
                regrets.append(self._regret(system.show(request, k).items, request))
        mood = chance(self._simulation.seed, "the editor's mood", request.number)
        order = np.argsort(-(self._liking + mood.random(len(self._liking))), kind="stable")
        items = [
            item for item in order.tolist() if request.there[item] and item not in request.opened
        ][:k]
        # The editor's scores say nothing, so they are all alike.
        return Page(
            items, request.recommendation_id, "static", "", [1.0] * len(items), [0.0] * len(items)
        )

    def hear(self, events: Sequence[Event]) -> None:
        for system in self._systems:
            system.hear(events)

    def _regret(self, items: list[int], request: Request) -> float:
        """Clicks that the oracle's list would be worth more, in expectation."""
        best = np.sort(request.truth)[::-1][: len(self._looks)]
        worth = request.truth[items]
        return float((self._looks * best).sum() - (self._looks[: len(items)] * worth).sum())


def regrets(seed: int, size: Size, nature: Nature) -> tuple[float, float]:
    """Mean regret a list of the second half: with debiasing, and without."""
    simulation = Simulation(size, seed, nature=nature)
    settings = [LearningSettings(impressions=Impressions(debias=on)) for on in (True, False)]
    editor = Editor(simulation, [simulation.in_process(one, Manifest()) for one in settings])
    simulation.run(editor)
    debiased, biased = (float(np.mean(regrets)) for regrets in editor.regrets)
    return debiased, biased


@pytest.mark.timeout(600)
def test_debiasing_lowers_regret() -> None:
    """Where places are looked at steeply two days tell: in a shop a week does, below."""
    size, steep = Size(300, 300, 48.0), Nature(looks=1.0)
    debiased, biased = np.array([regrets(seed, size, steep) for seed in SEEDS[:4]]).T
    assert np.mean(debiased) < np.mean(biased), (debiased, biased)


@pytest.mark.full
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize(
    "nature", [Nature(), Nature(looks=1.0), Nature(taste=0.2, searches=0.0)],
    ids=["a shop", "looked at steeply", "all alike, and nobody searches"],
)  # fmt: skip
def test_debiasing_lowers_regret_in_other_worlds(nature: Nature) -> None:
    debiased, biased = np.array([regrets(seed, Size(300, 300, 168.0), nature) for seed in SEEDS]).T
    assert np.mean(debiased) < np.mean(biased), (debiased, biased)
