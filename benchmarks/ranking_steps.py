"""The steps of a list, each again and again, compiled for `benchmarks.ranking` alone."""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models import content, cooccurrence, embeddings, ranker, ranking, sources
from models.causes import find_causes
from models.examples import Past, Types
from models.features import CONTENT, EMBEDDINGS, FAST
from models.kit import Kit
from models.listing import list_best

#: In the order of their numbers; one more is all of them.
STEPS: Final = (
    "past and mask", "popularity", "co-occurrence", "embeddings", "content", "list the best",
    "gather", "describe", "network", "dislikes and order", "causes",
)  # fmt: skip


@njit(nogil=True)
def repeat(  # noqa: PLR0912 - a branch a step
    step: int, times: int, kit: Kit, past: Past, types: Types,
    blocked: NDArray[np.uint8], causes: NDArray[np.int64],
) -> None:  # fmt: skip
    s, w = kit.state, kit.scratch
    items, now = s.used[0], s.clock[0]
    for _ in range(times):
        length = min(past.history_start[1], 64)
        every = step == 11
        if step == 0 or every:
            ranking.read_past(s, w, past, 0, types, items)
            ranking.read_ages(w, past, 0, length, now)
            ranking.mask(s, w, past, 0, types, blocked, items)
        if every:
            ranking.rank(s, w, length, now, items)
        if step == 1:
            sources._list_counts(s, w, length, s.options[1], items)
        elif step == 2:
            for number in range(4):
                sources._list_horizon(s, w, number, length, s.options[1], items)
                cooccurrence.clear(
                    w.scores[FAST + number], w.touched[number], w.touched_count[number], items
                )
        elif step == 3 and embeddings.user(s.embeddings, w.taste, length, w.x) > 0.0:
            embeddings.score(s.embeddings, w.x, w.scores[EMBEDDINGS], items)
        elif step == 4 and content.user(s.content, w.taste, length, w.x):
            content.score(s.content, w.x, w.scores[CONTENT], items)
        elif step == 5:
            for source in (EMBEDDINGS, CONTENT):
                w.listed_count[source] = list_best(
                    w.scores[source], w.masked, w.listed[source], s.options[1], items
                )
        elif step in (6, 7):
            count = ranking._gather(s, w, items)
            if step == 7:
                sources.say_of_candidates(s, w, count, length, items)
                ranking._describe(s, w, count, now)
            for at in range(count):
                w.place[w.candidates[at]] = 0
        elif step == 8:
            ranker.score(s.ranker, w.features, w.context, 200, w.units, w.plain)
        elif step == 9:
            ranking._penalise(s, w, 200, length)
            ranking._sort(w, 200)
        elif step == 10:
            causes[:] = -1
            rows = w.candidates[w.order[: len(causes)]].astype(np.int64)
            find_causes(s, w, rows, len(causes), length, causes)
