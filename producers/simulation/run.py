"""A simulation: the same seeded world under the system, the oracle, bestsellers and chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from models.settings import LearningSettings
from producers.errors import OptionError
from producers.simulation.measures import Measures
from producers.simulation.nature import Nature
from producers.simulation.policies import Chance, Event, MostPopular, Oracle, Policy
from producers.simulation.session import Seen, Shoppers
from producers.simulation.systems import InProcess
from producers.simulation.visits import Visit, visits
from producers.simulation.world import Size, World
from stream.manifest import Manifest

# Points of the curves over time, at most; each has an hour at least.
_WINDOWS: Final = 24
#: Monday, 5 January 2026, 00:00 UTC: a fixed start, so that a simulation repeats.
START: Final = 1_767_571_200.0

Write = Callable[[Sequence[Event]], None]


def nowhere(_: Sequence[Event]) -> None:
    """A log nobody keeps."""


def never() -> bool:
    """Nobody wants it to stop."""
    return False


class Simulation:
    """One world and its visits. Each `run` lives them from the start, under one policy."""

    def __init__(
        self,
        size: Size,
        seed: int,
        k: int = 10,
        start: float = START,
        nature: Nature | None = None,
    ) -> None:
        if size.items < k:
            raise OptionError(f"--items: must be at least {k}, the length of a list")
        self.size, self.seed, self.k, self.start = size, seed, k, start
        self.world = World(size, seed, nature)
        self.visits: list[Visit] = visits(size, seed)
        self.planned = len(self.visits)
        if not self.visits:
            raise OptionError("nobody comes in so short a time; more --users or --hours are needed")

    def run(
        self,
        policy: Policy,
        write: Write = nowhere,
        progress: Callable[[int], None] | None = None,
        stop: Callable[[], bool] = never,
    ) -> dict[str, Any]:
        """Live the visits under a policy; `write` gets every record in order of time.

        `stop` is asked before each visit, and ends it there.
        """
        shoppers = Shoppers(self.world, policy, self.k, self.start)
        windows = max(min(_WINDOWS, int(self.size.hours)), 1)
        looks = self.world.nature.examination(self.k)
        measures = Measures(self.world.vectors, looks, self.size.hours, windows)
        lived = 0
        for visit in self.visits:
            if stop():
                break
            for happened in shoppers.visit(visit):
                if isinstance(happened, Seen):
                    measures.note(happened)
                else:
                    write(happened)
            lived += 1
            if progress is not None:
                progress(1)
        return {"visits": lived, **measures.report()}

    def end_after(self, visits: int) -> None:
        """Let nobody come after the first `visits`: two runs compare as far as both have gone."""
        self.visits = self.visits[:visits]

    def in_process(self, settings: LearningSettings, manifest: Manifest) -> InProcess:
        """A fresh Freshet of this world."""
        return InProcess(settings, manifest, self.world)

    def others(self) -> dict[str, Policy]:
        """What the system is measured against, each fresh."""
        return {
            "oracle": Oracle(),
            "bestsellers": MostPopular(self.size.items),
            "random": Chance(self.seed),
        }

    def report(self, policies: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """The comparison of runs by name; `freshet` is among them, and the rest as far as they are.

        `regret` is in clicks a list: what the named policy's lists were worth more, in its own
        run; `in_state` what the oracle's list was worth more for the same person and moment.
        """
        ours = policies["freshet"]
        regret = {
            name: found["value"] - ours["value"]
            for name, found in policies.items()
            if name != "freshet"
        }
        return {
            "users": self.size.users,
            "items": self.size.items,
            "hours": self.size.hours,
            "seed": self.seed,
            "visits": len(self.visits),
            "complete": len(self.visits) == self.planned and policies.keys() > self.others().keys(),
            "examination": self.world.nature.examination(self.k).tolist(),
            "regret": {**regret, "in_state": ours["regret"]},
            "policies": policies,
        }
