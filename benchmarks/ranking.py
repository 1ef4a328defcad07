"""One list, step by step, in the processor's time: `python -m benchmarks.ranking --items 10000`.

In process and without HTTP: what a list costs the kernels. `--against` names a former result,
whose figures then stand beside the new ones.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections import defaultdict, deque
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks import filled
from benchmarks.ranking_steps import STEPS, repeat
from benchmarks.record import RESULTS, Figure, record
from models import answers
from models.answers import Asked
from models.causes import CAUSES
from models.examples import HISTORY, SCORED, Examples, Past, types_of
from models.model import Model
from models.settings import LearningSettings

SIZES: Final = (1_682, 10_000, 100_000)
# What a list may take at most, in microseconds, by items.
_TARGETS: Final = {10_000: 250.0, 100_000: 900.0}
_USERS: Final = 1_000
_EACH: Final = 64
# Events of the end that are scored, for the cost of a lesson.
_SCORED: Final = 2_000
_REPEATS: Final = 7


class Crowd:
    """A model that learned of `_USERS` with `_EACH` events, and their pasts."""

    def __init__(self, items: int) -> None:
        self.model = Model(LearningSettings())
        self._pasts: dict[str, deque[tuple[int, float]]] = defaultdict(
            lambda: deque(maxlen=HISTORY)
        )
        for item in filled.catalogue(items):
            self.model.put_item(item)
        self.events = list(filled.feedback(items, _USERS, _EACH))
        self._keys = {f"i{n}": self.model.key_of(f"i{n}") for n in range(items)}

    def learn(self, start: int, stop: int, *, scored: bool) -> float:
        """Learn events; return the processor's seconds an event."""
        took = 0.0
        for at in range(start, stop, 500):
            lot = self.events[at : min(at + 500, stop)]
            examples, ids = self._examples(lot, scored)
            begun = time.process_time()
            self.model.learn(examples, ids, ["view"])
            took += time.process_time() - begun
        return took / (stop - start)

    def _examples(self, lot: list[dict[str, object]], scored: bool) -> tuple[Examples, list[str]]:
        pasts, ids = [], [str(event["item_id"]) for event in lot]
        for event in lot:
            past = self._pasts[str(event["user_id"])]
            pasts.append(list(past))
            key = self._keys[str(event["item_id"])]
            past.appendleft((key, float(str(event["timestamp"]))))
        n, key_of = len(lot), self.model.key_of
        return Examples(
            np.array([self._keys[item] for item in ids], np.uint64),
            np.array([key_of(str(event["event_id"])) for event in lot], np.uint64),
            np.array([key_of(str(event["user_id"])) for event in lot], np.uint64),
            np.zeros(n, np.uint8), np.full(n, math.nan),
            np.array([event["timestamp"] for event in lot], np.float64),
            np.full(n, SCORED if scored else 0, np.uint8), np.zeros(n, np.uint16),
            past_of(pasts),
        ), ids  # fmt: skip

    def asked(self) -> list[Asked]:
        return [Asked(past_of([list(past)]), ["view"]) for past in self._pasts.values()]


def past_of(pasts: list[list[tuple[int, float]]]) -> Past:
    """Columns of users' pasts, each (item's key, time), newest first; all of them are seen."""
    starts = np.cumsum([0, *[len(past) for past in pasts]])
    keys = np.array([key for past in pasts for key, _ in past], np.uint64)
    times = np.array([when for past in pasts for _, when in past], np.float64)
    n = len(keys)
    return Past(
        starts, keys, times, np.zeros(n, np.uint8), np.full(n, math.nan), starts, keys,
        np.ones(n, np.uint16), np.zeros(len(pasts) + 1, np.int64), np.empty(0, np.uint64),
    )  # fmt: skip


def figures(items: int) -> list[Figure]:
    crowd = Crowd(items)
    last, warm = len(crowd.events) - _SCORED, len(crowd.events) - 2 * _SCORED
    crowd.learn(0, warm - 500, scored=False)
    crowd.learn(warm - 500, warm, scored=True)
    learned = crowd.learn(warm, last, scored=False)
    scored = crowd.learn(last, len(crowd.events), scored=True)
    asked = crowd.asked()
    whole = _median([_of_list(crowd.model, asked) for _ in range(_REPEATS)])
    found = [Figure(f"{items} a list", whole, _TARGETS.get(items), "us", "lower")]
    for number, name in enumerate(STEPS):
        took = _median([_of_step(crowd.model, asked[:50], number) for _ in range(_REPEATS)])
        found.append(Figure(f"{items} {name}", took, None, "us", "lower"))
    return [
        *found,
        Figure(f"{items} an example", 1e6 * learned, None, "us", "lower"),
        Figure(f"{items} an example, scored", 1e6 * scored, None, "us", "lower"),
    ]


def _median(seconds: list[float]) -> float:
    return 1e6 * statistics.median(seconds)


def _of_list(model: Model, asked: list[Asked]) -> float:
    kit = model.reader.kit()
    types = types_of(["view"], model.settings.events)
    out = tuple(answers._room(1, 10))
    blocked = kit.state.blocked[: model.items]
    begun = time.process_time()
    for one in asked:
        answers._list_one(kit, tuple(one.past), tuple(types), out, blocked, 0.0)
    return (time.process_time() - begun) / len(asked)


def _of_step(model: Model, asked: list[Asked], step: int) -> float:
    kit = model.reader.kit()
    types = types_of(["view"], model.settings.events)
    took, times = 0.0, 20
    for one in asked:
        causes = np.full((10, CAUSES), -1)
        blocked = kit.state.blocked[: model.items]
        repeat(len(STEPS), 1, kit, one.past, types, blocked, causes)
        begun = time.process_time()
        repeat(step, times, kit, one.past, types, blocked, causes)
        took += time.process_time() - begun
    return took / len(asked) / times


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, action="append", help="sizes of the catalogue")
    parser.add_argument("--against", type=Path, help="a former result of this benchmark")
    chosen = parser.parse_args()
    found = [figure for items in chosen.items or SIZES for figure in figures(items)]
    former: dict[str, float] = {}
    if chosen.against:
        told = json.loads(chosen.against.read_text())["figures"]
        former = {figure["name"]: figure["measured"] for figure in told}
    reached = record("ranking", found)
    print(f"stored as {RESULTS / 'ranking.json'}")
    for figure in found:
        if figure.name in former:
            before = former[figure.name]
            print(f"{figure.name:<40}{before:>9.1f} -> {figure.measured:>9.1f}"
                  f"  x {before / max(figure.measured, 1e-9):.2f}")  # fmt: skip
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
