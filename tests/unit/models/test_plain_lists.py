"""What sources list and say against scores of all items, worked out plainly from the tables."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models import cooccurrence, features
from models.popularity import stage_of
from models.settings import LearningSettings
from models.state import Scratch, State
from tests.unit.models.shops import Shop, catalogue, crowd

Scores = NDArray[np.float32]


def shares_of(counts: NDArray[np.float64]) -> Scores:
    return (counts * (1.0 / counts.max())).astype(np.float32)


def pulls_of(c: cooccurrence.Cooccurrence, w: Scratch, length: int, items: int) -> Scores:
    out = np.zeros(items, np.float32)
    for lag in range(length):
        source = w.taste[lag]
        if source >= 0:
            factor = np.float32(cooccurrence.pull(c, source, lag, w.ages[lag]))
            row = np.array([cooccurrence.between(c, source, to) for to in range(items)], np.float32)
            out += factor * row
    out *= c.target_norm[:items].astype(np.float32)
    return out / out.max() if out.max() > 0.0 else out


def rounded(vectors: Scores, most: int) -> tuple[NDArray[np.int64], Scores]:
    steps = np.abs(vectors).max(axis=-1, keepdims=True) / np.float32(most)
    inverse = np.divide(np.float32(1.0), steps, out=np.zeros_like(steps), where=steps > 0.0)
    return np.floor(vectors * inverse + np.float32(0.5)).astype(np.int64), steps[..., 0]


def products_of(vectors: Scores, x: Scores) -> Scores:
    stored, steps = rounded(vectors, 127)
    asked, step = rounded(x, 31)
    return (stored @ asked).astype(np.float32) * (step * steps)


def odds_of(s: State, x: Scores, items: int) -> Scores:
    e = s.embeddings
    logits = np.float32(6.0) * products_of(e.outward[:items], x) + e.bias[:items]
    near = np.float32(1.0) + (logits - logits.max()) * np.float32(1.0 / 1024.0)
    for _ in range(10):
        near = near * near
    return near


def bag_of(vectors: Scores, taste: NDArray[np.int32], length: int, decay: float) -> Scores:
    share, out = np.float32(1.0), np.zeros(vectors.shape[1], np.float32)
    for row in taste[:length]:
        if row >= 0:
            out += share * vectors[row]
        share *= np.float32(decay)
    return out / np.linalg.norm(out)


def plain_scores(s: State, w: Scratch, length: int, items: int) -> dict[int, Scores]:
    """By source; those of embeddings and content but for how their user's vector is rounded."""
    p, e, c = s.popularity, s.embeddings, s.content
    x = bag_of(e.inward, w.taste, min(length, int(e.parameters[0])), e.parameters[1])
    kind = bag_of(c.vectors, w.taste, min(length, int(c.parameters[0])), c.parameters[1])
    horizons = (s.fast, s.slow, s.forward, s.recent)
    return {
        features.POPULAR_FAST: shares_of(p.fast[:items]),
        features.POPULAR_SLOW: shares_of(p.slow[:items]),
        features.STAGE: shares_of(p.stage[stage_of(length), :items]),
        **{features.FAST + at: pulls_of(h, w, length, items) for at, h in enumerate(horizons)},
        features.EMBEDDINGS: odds_of(s, x, items),
        features.CONTENT: np.maximum(products_of(c.vectors[:items], kind), 0.0),
    }


def told(items: int, sparse: bool, repeats: bool) -> Shop:
    shop = Shop(LearningSettings(preset="films", repeats=repeats))
    shop.put(*catalogue(items))
    events = list(crowd(400, items=items))
    shop.tell(events[:200])
    if sparse:
        shop.model._go_sparse()
    shop.tell(events[200:])
    shop.put(*({"item_id": f"i{n}", "title": "gone", "available": False} for n in range(5, 20, 3)))
    return shop


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
def test_sources_say_what_a_look_at_every_item_says(sparse: bool, repeats: bool) -> None:
    shop = told(200, sparse, repeats)
    reader = shop.model.reader
    s, w, items = reader.state, reader.scratch(), shop.model.items
    for user in ("u0", "u1"):
        asked = shop.asked(user, k=200)
        count = len(shop.model.recommend(asked))
        assert count >= 100
        rows, open_ = w.candidates[:count], w.masked[:items] == 0
        for source, scores in plain_scores(s, w, int(asked.past.history_start[1]), items).items():
            near = 0.03 if source in (features.EMBEDDINGS, features.CONTENT) else 0.0
            name, said = features.SOURCES[source], w.features[3 * source, :count]
            np.testing.assert_allclose(said, scores[rows], rtol=0, atol=near, err_msg=name)
            listed = w.listed[source, : w.listed_count[source]]
            assert open_[listed].all()
            assert len(listed) == min(60, int(((scores > 0.0) & open_).sum())), name
            best = np.sort(scores[open_])[::-1][: len(listed)]
            np.testing.assert_allclose(scores[listed], best, rtol=0, atol=near, err_msg=name)
    assert not w.scores[features.FAST : features.RECENT + 1].any()


def test_a_list_leaves_nothing_for_the_next_one() -> None:
    shop = told(200, sparse=True, repeats=False)
    first = shop.model.recommend(shop.asked("u1", k=50))
    for user in ("u2", "nobody", "u3"):
        shop.model.recommend(shop.asked(user, k=5))
    assert shop.model.recommend(shop.asked("u1", k=50)) == first
