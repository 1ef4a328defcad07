"""Where candidates come from: every source in one place.

A source is a module with `declare` (its tables), `view` (what kernels see of them), ways to list
its best items and to score candidates (of all items the best one 1) and, where it learns from
events, `learn`. To add one: its name in `features.SOURCES`, its switch in `settings.Sources`,
its tables in `state`, and its calls here.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

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
from models.listing import list_best
from models.state import HORIZONS, LISTED, Scratch, State

# What was had once more counts this much less with every event since.
_OWN_DECAY: Final = np.float32(0.8)


@inner
def list_sources(s: State, w: Scratch, length: int, items: int) -> None:
    """List every source's best for the past in scratch; one that says nothing has -1 listed."""
    most = min(s.options[1], LISTED)
    for source in range(len(SOURCES)):
        w.listed_count[source] = -1
    _list_counts(s, w, length, most, items)
    if s.on[DEMOGRAPHICS]:
        out = w.scores[DEMOGRAPHICS]
        if demographics.score(s.demographics, w.groups, out, items):
            w.listed_count[DEMOGRAPHICS] = list_best(
                out, w.masked, w.listed[DEMOGRAPHICS], most, items
            )
    for number in range(len(HORIZONS)):
        if s.on[FAST + number]:
            _list_horizon(s, w, number, length, most, items)
    _list_vectors(s, w, length, most, items)
    if s.on[OWN] and s.options[0]:
        w.listed_count[OWN] = _list_own(w.taste, w.masked, w.listed[OWN], length, most)


@inner
def _list_counts(s: State, w: Scratch, length: int, most: int, items: int) -> None:
    p, stage = s.popularity, popularity.stage_of(length)
    if s.on[POPULAR_FAST]:
        w.listed_count[POPULAR_FAST] = popularity.best(
            p.fast, p.fast_tops, w.masked, w.listed[POPULAR_FAST], most, items
        )
    if s.on[POPULAR_SLOW]:
        w.listed_count[POPULAR_SLOW] = popularity.best(
            p.slow, p.slow_tops, w.masked, w.listed[POPULAR_SLOW], most, items
        )
    if s.on[STAGE]:
        w.listed_count[STAGE] = popularity.best(
            p.stage[stage], p.stage_tops[stage], w.masked, w.listed[STAGE], most, items
        )


@inner
def _list_horizon(s: State, w: Scratch, number: int, length: int, most: int, items: int) -> None:
    source = FAST + number
    out, touched, found = w.scores[source], w.touched[number], w.found[number]
    c = s.fast
    if source == SLOW:
        c = s.slow
    elif source == FORWARD:
        c = s.forward
    elif source == RECENT:
        c = s.recent
    count, divided = cooccurrence.score(c, w.taste, w.ages, length, out, touched, found, items)
    w.touched_count[number], w.divided[number] = count, divided
    w.listed_count[source] = cooccurrence.best(
        out, touched, found, count, w.masked, w.listed[source], most, items
    )


@inner
def _list_vectors(s: State, w: Scratch, length: int, most: int, items: int) -> None:
    if s.on[EMBEDDINGS] and embeddings.user(s.embeddings, w.taste, length, w.x) > 1e-9:
        out = w.scores[EMBEDDINGS]
        embeddings.score(s.embeddings, w.x, out, items)
        w.listed_count[EMBEDDINGS] = embeddings.best(
            out, w.masked, w.listed[EMBEDDINGS], most, items
        )
    if s.on[CONTENT] and content.user(s.content, w.taste, length, w.x):
        out = w.scores[CONTENT]
        content.score(s.content, w.x, out, items)
        w.listed_count[CONTENT] = list_best(out, w.masked, w.listed[CONTENT], most, items)
    if s.on[FACTORS] and factors.user(s.factors, w.taste, w.ages, length, w.work, w.x):
        out = w.scores[FACTORS]
        factors.score(s.factors, w.x, out, items)
        w.listed_count[FACTORS] = list_best(out, w.masked, w.listed[FACTORS], most, items)


@inner
def _list_own(
    taste: NDArray[np.int32], masked: NDArray[np.uint8], listed: NDArray[np.int32],
    length: int, most: int,
) -> int:  # fmt: skip
    """What the user has had, the newest first."""
    count = 0
    for lag in range(length):
        row = taste[lag]
        fresh = row >= 0 and count < most and not masked[row]
        for at in range(count):
            fresh = fresh and listed[at] != row
        if fresh:
            listed[count] = row
            count += 1
    return count


@inner
def say_of_candidates(s: State, w: Scratch, count: int, length: int, items: int) -> None:
    """Write every source's scores of `count` candidates into the features; spent ones are cleared.

    The best of all items has 1.
    """
    p, stage, rows, out = s.popularity, popularity.stage_of(length), w.candidates, w.features
    if w.listed_count[POPULAR_FAST] >= 0:
        popularity.say(p.fast, p.fast_tops, rows, count, out[3 * POPULAR_FAST], items)
    if w.listed_count[POPULAR_SLOW] >= 0:
        popularity.say(p.slow, p.slow_tops, rows, count, out[3 * POPULAR_SLOW], items)
    if w.listed_count[STAGE] >= 0:
        popularity.say(p.stage[stage], p.stage_tops[stage], rows, count, out[3 * STAGE], items)
    for source in (DEMOGRAPHICS, FACTORS):
        if w.listed_count[source] >= 0:
            _pick(w.scores[source], rows, count, out[3 * source])
    _say_horizon(w, 0, s.fast.target_norm, count, items)
    _say_horizon(w, 1, s.slow.target_norm, count, items)
    _say_horizon(w, 2, s.forward.target_norm, count, items)
    _say_horizon(w, 3, s.recent.target_norm, count, items)
    if w.listed_count[EMBEDDINGS] >= 0:
        embeddings.say(w.scores[EMBEDDINGS], rows, count, out[3 * EMBEDDINGS])
    if w.listed_count[CONTENT] >= 0:
        content.say(w.scores[CONTENT], rows, count, out[3 * CONTENT])
    if w.listed_count[OWN] >= 0:
        _say_own(w, count, length)


@inner
def _pick(
    scores: NDArray[np.float32], rows: NDArray[np.int32], count: int, out: NDArray[np.float32]
) -> None:
    for at in range(count):
        out[at] = scores[rows[at]]


@inner
def _say_horizon(
    w: Scratch, number: int, norm: NDArray[np.float64], count: int, items: int
) -> None:
    source, touched = FAST + number, w.touched_count[number]
    if w.listed_count[source] >= 0:
        scores, divided, out = w.scores[source], w.divided[number], w.features[3 * source]
        cooccurrence.say(norm, scores, touched, divided, w.candidates, count, out)
        cooccurrence.clear(scores, w.touched[number], touched, items)


@inner
def _say_own(w: Scratch, count: int, length: int) -> None:
    """The newest one 1, fading with every event since."""
    out, near = w.features[3 * OWN], np.float32(1.0)
    out[:count] = 0.0
    for lag in range(length):
        row = w.taste[lag]
        if row >= 0 and w.place[row] > 0:
            at = w.place[row] - 1
            out[at] = max(out[at], near)
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
