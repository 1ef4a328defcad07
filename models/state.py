"""The model's tables as kernels see them, and the scratch memory a thread ranks in."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models import (
    content,
    cooccurrence,
    demographics,
    embeddings,
    factors,
    impressions,
    popularity,
    presets,
    ranker,
)
from models.attributes import ATTRIBUTES
from models.examples import HISTORY
from models.features import CONTEXT, NAMES, SOURCES
from models.index import Slots, build
from models.partners import SLOTS
from models.settings import LearningSettings
from models.tables import Arena

#: Candidates a list is chosen from, at most.
CANDIDATES: Final = 200
#: Entries a source may list, at most (`ranker.candidates_per_source` is bounded by it).
LISTED: Final = 100

HORIZONS: Final = ("fast", "slow", "forward", "recent")

#: Places in `items.counts`: acts on items (events and catalogue records), and items that left.
ACTS, LEFT = range(2)


class State(NamedTuple):
    """Everything learning reads and writes; arrays have spare capacity, `used[0]` items count."""

    used: NDArray[np.int64]
    slots: Slots
    key: NDArray[np.uint64]
    born: NDArray[np.float64]  # model clock when the item was first met, seconds
    blocked: NDArray[np.uint8]  # 1: in no list
    active: NDArray[np.int64]  # number of the newest act on the item
    counts: NDArray[np.int64]  # [acts, items that left]
    clock: NDArray[np.float64]  # [1] the model clock, seconds
    popularity: popularity.Popularity
    fast: cooccurrence.Cooccurrence
    slow: cooccurrence.Cooccurrence
    forward: cooccurrence.Cooccurrence
    recent: cooccurrence.Cooccurrence
    embeddings: embeddings.Embeddings
    content: content.Content
    demographics: demographics.Demographics
    factors: factors.Factors
    ranker: ranker.Ranker
    impressions: impressions.Impressions
    census: NDArray[np.int64]  # what `presets` counts
    options: NDArray[np.int64]  # [repeats, candidates per source]
    on: NDArray[np.uint8]  # [sources]


class Scratch(NamedTuple):
    """Memory of one thread; nothing in it outlives a call."""

    # [sources, items] of the sources that score items one and all; between two calls those of
    # co-occurrence are zeros.
    scores: NDArray[np.float32]
    touched: NDArray[np.int32]  # [horizons, *] rows with scores by co-occurrence
    touched_count: NDArray[np.int64]  # [horizons], -1 = all may have one
    found: NDArray[np.float32]  # [horizons, *] those scores
    divided: NDArray[np.float32]  # [horizons] what made the best of them 1
    masked: NDArray[np.uint8]  # [items]
    place: NDArray[np.int32]  # [items] place among the candidates + 1, 0 = none
    history: NDArray[np.int32]  # [HISTORY] rows, newest first, -1 = unknown
    taste: NDArray[np.int32]  # [HISTORY] the same less what was disliked outright
    ages: NDArray[np.float64]  # [HISTORY] seconds
    disliked: NDArray[np.float32]  # [HISTORY] how much, 0 = not
    groups: NDArray[np.int32]  # [ATTRIBUTES] of the user, -1 = none
    work: NDArray[np.float32]  # what `factors` solves
    x: NDArray[np.float32]
    gradient: NDArray[np.float32]
    listed: NDArray[np.int32]  # [sources, LISTED]
    listed_count: NDArray[np.int64]  # [sources], -1 = the source says nothing of anything
    candidates: NDArray[np.int32]
    ranks: NDArray[np.int32]  # [sources, CANDIDATES]
    features: NDArray[np.float32]  # [features, CANDIDATES]
    plain: NDArray[np.float64]  # [CANDIDATES] the ranker's score
    final: NDArray[np.float64]  # [CANDIDATES] less what the user dislikes
    order: NDArray[np.int32]  # [CANDIDATES] best first
    context: NDArray[np.float32]  # [context] what the ranker sees of the user
    units: NDArray[np.float32]  # [HIDDEN + 1, CANDIDATES] the ranker's hidden layer, its errors
    norms: NDArray[np.float64]  # [CANDIDATES] squared norms of the candidates' embeddings
    best: NDArray[np.int8]  # [CANDIDATES] the source that ranks it best, -1 = none lists it
    errors: NDArray[np.float64]  # [CANDIDATES] of the list a click came from


def declare(arena: Arena, settings: LearningSettings) -> None:
    """Declare every table of the model; the order is part of the snapshot format."""
    arena.add("items.key", np.uint64, "items")
    arena.add("items.born", np.float64, "items")
    arena.add("items.blocked", np.uint8, "items")
    arena.add("items.active", np.int64, "items")
    arena.add("items.counts", np.int64, 2)
    arena.add("clock", np.float64, 1)
    popularity.declare(arena)
    for name in HORIZONS:
        cooccurrence.declare(arena, name)
    embeddings.declare(arena, settings.embeddings)
    content.declare(arena, settings.content)
    demographics.declare(arena)
    factors.declare(arena, settings.factors, settings.sources.factors)
    ranker.declare(arena, settings.preset)
    presets.declare(arena)
    impressions.declare(arena)


def view(arena: Arena, settings: LearningSettings, slots: Slots) -> State:
    """The tables under effective `settings` (see `presets`)."""
    return State(
        arena.used,
        slots,
        arena["items.key"],
        arena["items.born"],
        arena["items.blocked"],
        arena["items.active"],
        arena["items.counts"],
        arena["clock"],
        popularity.view(arena, settings.popularity),
        cooccurrence.view(arena, "fast", settings.cooccurrence["fast"]),
        cooccurrence.view(arena, "slow", settings.cooccurrence["slow"]),
        cooccurrence.view(arena, "forward", settings.cooccurrence["forward"]),
        cooccurrence.view(arena, "recent", settings.cooccurrence["recent"]),
        embeddings.view(arena, settings.embeddings),
        content.view(arena, settings.content),
        demographics.view(arena),
        factors.view(arena, settings.factors),
        ranker.view(arena, settings.ranker),
        impressions.view(arena, settings.impressions),
        arena["census"],
        np.array([settings.repeats, settings.ranker.candidates_per_source], np.int64),
        np.array([getattr(settings.sources, name, False) for name in SOURCES], np.uint8),
    )


def item_index(arena: Arena) -> Slots:
    return build(arena["items.key"], arena.count("items"), arena.capacity("items"))


def scratch(items: int, dims: int) -> Scratch:
    """Return scratch for a capacity of `items` rows and vectors of up to `dims`."""
    return Scratch(
        scores=np.zeros((len(SOURCES), items), np.float32),
        touched=np.zeros((len(HORIZONS), HISTORY * SLOTS + 1), np.int32),
        touched_count=np.zeros(len(HORIZONS), np.int64),
        found=np.zeros((len(HORIZONS), HISTORY * SLOTS + 1), np.float32),
        divided=np.ones(len(HORIZONS), np.float32),
        masked=np.zeros(items, np.uint8),
        place=np.zeros(items, np.int32),
        history=np.full(HISTORY, -1, np.int32),
        taste=np.full(HISTORY, -1, np.int32),
        ages=np.zeros(HISTORY),
        disliked=np.zeros(HISTORY, np.float32),
        groups=np.full(ATTRIBUTES, -1, np.int32),
        work=np.zeros((factors.MOST_DIMS + 1, factors.MOST_DIMS), np.float32),
        x=np.zeros(dims, np.float32),
        gradient=np.zeros(dims, np.float32),
        listed=np.zeros((len(SOURCES), LISTED), np.int32),
        listed_count=np.zeros(len(SOURCES), np.int64),
        candidates=np.zeros(CANDIDATES, np.int32),
        ranks=np.zeros((len(SOURCES), CANDIDATES), np.int32),
        features=np.zeros((len(NAMES), CANDIDATES), np.float32),
        plain=np.zeros(CANDIDATES),
        final=np.zeros(CANDIDATES),
        order=np.zeros(CANDIDATES, np.int32),
        context=np.zeros(len(CONTEXT), np.float32),
        units=np.zeros((ranker.HIDDEN + 1, CANDIDATES), np.float32),
        norms=np.zeros(CANDIDATES),
        best=np.full(CANDIDATES, -1, np.int8),
        errors=np.zeros(CANDIDATES),
    )
