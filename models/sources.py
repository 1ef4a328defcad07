"""Where candidates come from: every source in one place.

A source is a module with `declare` (its tables), `view` (what kernels see of them), `score`
(a number an item, the best one 1) and, where it learns from events, `learn`. To add one: its
name in `features.SOURCES`, its switch in `settings.Sources`, its tables in `state`, and its
calls here.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models import content, cooccurrence, demographics, embeddings, factors, popularity
from models.compiled import inner
from models.examples import Examples
from models.features import (
    CONTENT,
    DEMOGRAPHICS,
    EMBEDDINGS,
    FACTORS,
    FAST,
    FORWARD,
    OWN,
    POPULAR_FAST,
    POPULAR_SLOW,
    RECENT,
    SLOW,
    SOURCES,
    STAGE,
)
from models.state import Scratch, State

# What was had once more counts this much less with every event since.
_OWN_DECAY: Final = np.float32(0.8)


@inner
def score_sources(s: State, w: Scratch, length: int, items: int) -> None:
    """Fill `w.scores` for the past in scratch; a source that says nothing has -1 listed.

    The guest's row is filled before, by whoever asks, where `s.on` says that there is one.
    """
    for source in range(len(SOURCES)):
        w.listed_count[source] = 0 if s.on[source] else -1
    if s.on[POPULAR_FAST]:
        popularity.score(s.popularity.fast, w.scores[POPULAR_FAST], items)
    if s.on[POPULAR_SLOW]:
        popularity.score(s.popularity.slow, w.scores[POPULAR_SLOW], items)
    if s.on[STAGE]:
        stage = popularity.stage_of(length)
        popularity.score(s.popularity.stage[stage], w.scores[STAGE], items)
    if not (
        s.on[DEMOGRAPHICS]
        and demographics.score(s.demographics, w.groups, w.scores[DEMOGRAPHICS], items)
    ):
        w.listed_count[DEMOGRAPHICS] = -1
    _score_horizons(s, w, length, items)
    _score_vectors(s, w, length, items)
    if s.on[OWN] and s.options[0]:
        _score_own(w, length, items)
    else:
        w.listed_count[OWN] = -1


@inner
def _score_horizons(s: State, w: Scratch, length: int, items: int) -> None:
    if s.on[FAST]:
        cooccurrence.score(s.fast, w.taste, w.ages, length, w.scores[FAST], items)
    if s.on[SLOW]:
        cooccurrence.score(s.slow, w.taste, w.ages, length, w.scores[SLOW], items)
    if s.on[FORWARD]:
        cooccurrence.score(s.forward, w.taste, w.ages, length, w.scores[FORWARD], items)
    if s.on[RECENT]:
        cooccurrence.score(s.recent, w.taste, w.ages, length, w.scores[RECENT], items)


@inner
def _score_vectors(s: State, w: Scratch, length: int, items: int) -> None:
    if s.on[EMBEDDINGS] and embeddings.user(s.embeddings, w.taste, length, w.x) > 1e-9:
        embeddings.score(s.embeddings, w.x, w.scores[EMBEDDINGS], items)
    else:
        w.listed_count[EMBEDDINGS] = -1
    if s.on[CONTENT] and content.user(s.content, w.taste, length, w.x):
        content.score(s.content, w.x, w.scores[CONTENT], items)
    else:
        w.listed_count[CONTENT] = -1
    if s.on[FACTORS] and factors.user(s.factors, w.taste, w.ages, length, w.work, w.x):
        factors.score(s.factors, w.x, w.scores[FACTORS], items)
    else:
        w.listed_count[FACTORS] = -1


@inner
def _score_own(w: Scratch, length: int, items: int) -> None:
    """What the user has had: the newest one 1, fading with every event since."""
    out, near = w.scores[OWN], np.float32(1.0)
    out[:items] = 0.0
    for lag in range(length):
        row = w.taste[lag]
        if row >= 0:
            out[row] = max(out[row], near)
        near *= _OWN_DECAY


@inner
def learn_sources(
    s: State, w: Scratch, examples: Examples, at: int, item: int, length: int, weight: float
) -> None:
    """Teach the sources an event of `weight` on `item` after the past in scratch."""
    items = s.used[0]
    if s.on[FAST]:
        cooccurrence.learn(s.fast, item, w.history, w.ages, length, weight, items)
    if s.on[SLOW]:
        cooccurrence.learn(s.slow, item, w.history, w.ages, length, weight, items)
    if s.on[FORWARD]:
        cooccurrence.learn(s.forward, item, w.history, w.ages, length, weight, items)
    if s.on[RECENT]:
        cooccurrence.learn(s.recent, item, w.history, w.ages, length, weight, items)
    if s.on[EMBEDDINGS]:
        embeddings.learn(
            s.embeddings, item, w.history, length, min(weight, 1.0),
            examples.event_key[at], items, w.x, w.gradient,
        )  # fmt: skip
    if s.on[STAGE]:
        popularity.learn_stage(s.popularity, item, weight, length)
    if s.on[DEMOGRAPHICS]:
        if length == 0:
            demographics.admit(s.demographics, examples.past, at, w.groups, items)
        demographics.learn(s.demographics, w.groups, item, weight)
    if s.on[FACTORS]:
        key = examples.item_key[at]
        factors.learn(
            s.factors, item, key, w.history, w.ages, length, min(weight, 1.0), w.x
        )  # fmt: skip
