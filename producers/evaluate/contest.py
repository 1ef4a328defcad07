"""Baselines beside Freshet: the same events, the same candidates, the same rule."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

from models.learning import LIST
from producers.baselines import Baseline, Ledger, best, build
from producers.evaluate.bootstrap import difference
from producers.evaluate.judge import Scoreboard, Verdict, place_in


class Contest:
    """Baselines over one ledger. Candidates: all items so far, less the user's own but for
    `repeats`; who has nothing to say of an item ranks it by popularity."""

    def __init__(self, names: Sequence[str], refit_every: int, repeats: bool) -> None:
        self._ledger = Ledger()
        self._repeats = repeats
        self._baselines = build(names, self._ledger, refit_every)
        self.boards = {name: Scoreboard() for name in names}
        self._seconds = dict.fromkeys(names, 0.0)
        #: Seconds all of them took, to be taken off the time of the whole.
        self.seconds = 0.0

    def meet(self, verdict: Verdict, user_id: str, item_id: str, rating: float | None) -> None:
        """Every baseline lists for the user; only then is the item looked up, and learned."""
        if not self._baselines:
            return
        start = time.perf_counter()
        user = self._ledger.user(user_id)
        lists = {b.name: self._list(b, user) for b in self._baselines} if verdict.scored else {}
        item = self._ledger.item(item_id)
        for name, rows in lists.items():
            self.boards[name].place(verdict, user_id, place_in(rows, item), rows)
        for baseline in self._baselines:
            self._learn(baseline, verdict, user_id, item_id, rating)
        self._ledger.take(user_id, item_id)
        self.seconds += time.perf_counter() - start

    def _list(self, baseline: Baseline, user: int) -> list[int]:
        start = time.perf_counter()
        without = [] if self._repeats else self._ledger.taken(user)
        rows = best(baseline.score(user), self._ledger.counts, without, LIST)
        self._seconds[baseline.name] += time.perf_counter() - start
        return rows

    def _learn(
        self, baseline: Baseline, verdict: Verdict, user_id: str, item_id: str,
        rating: float | None,
    ) -> None:  # fmt: skip
        start = time.perf_counter()
        user = self._ledger.user(user_id)
        if rating is not None and not math.isnan(rating):
            told = baseline.rate(user, self._ledger.item(item_id))
            if told is not None:
                self.boards[baseline.name].error(verdict, user_id, told - rating)
        baseline.learn(user, self._ledger.new_item(item_id), rating)
        self._seconds[baseline.name] += time.perf_counter() - start

    def report(self, ours: Scoreboard, items: int) -> dict[str, Any]:
        """By baseline: metrics, its time an event, and by how much Freshet is ahead."""
        found = {}
        for baseline in self._baselines:
            board, seconds = self.boards[baseline.name], self._seconds[baseline.name]
            events = max(self._ledger.events, 1)
            found[baseline.name] = {
                **board.report(items),
                "ms_per_event": round((seconds - (baseline.refit_s or 0.0)) / events * 1e3, 4),
                "refits": baseline.refits,
                "refit_s": None if baseline.refit_s is None else round(baseline.refit_s, 3),
                "slices": board.slices_report(),
                "over_time": board.over_time(),
                "difference": difference(ours, board),
            }
        return found
