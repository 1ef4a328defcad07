"""Lists that are less of the same: maximal marginal relevance over the ranked candidates.

The next place goes to the candidate with the largest `(1 - d)·relevance - d·nearness`:
relevance is the score between the worst and the best candidate's, nearness the largest
cosine, by content or by embedding, to what stands above (Carbonell & Goldstein, 1998).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from models.compiled import inner
from models.state import Scratch, State
from models.vectors import dot


@inner
def alike(s: State, one: int, other: int) -> float:
    """How near two items are, from 0 to 1: the larger cosine of content and of embedding."""
    c, e = s.content.vectors, s.embeddings.inward
    near = max(float(dot(c[one], c[other], c.shape[1])), 0.0)
    norms = float(dot(e[one], e[one], e.shape[1])) * float(dot(e[other], e[other], e.shape[1]))
    if norms > 0.0:
        near = max(near, float(dot(e[one], e[other], e.shape[1])) / math.sqrt(norms))
    return min(near, 1.0)


@inner
def diversify(
    s: State, w: Scratch, count: int, places: int, share: float, moved: NDArray[np.uint8]
) -> None:
    """Put the first `places` of `w.order` in another order; `moved` (uint8[places]) says which."""
    plain = w.order[:count].copy()
    near, taken = np.zeros(count), np.zeros(count, np.uint8)
    best, worst = w.final[plain[0]], w.final[plain[count - 1]]
    span = best - worst if best > worst else 1.0
    ranks = np.zeros(places, np.int64)
    for place in range(places):
        chosen, most = -1, -np.inf
        for rank in range(count):
            if not taken[rank]:
                worth = (1.0 - share) * (w.final[plain[rank]] - worst) / span - share * near[rank]
                if worth > most:  # ties keep the order of the scores
                    chosen, most = rank, worth
        taken[chosen], ranks[place] = 1, chosen
        w.order[place] = plain[chosen]
        row = w.candidates[plain[chosen]]
        for rank in range(count):
            if not taken[rank]:
                near[rank] = max(near[rank], alike(s, row, w.candidates[plain[rank]]))
    for place in range(places):
        # Moved is what would not be in the list, or not on this side of something in it.
        out_of_turn = ranks[place] >= places
        for other in range(places):
            out_of_turn |= (other < place) != (ranks[other] < ranks[place]) and other != place
        moved[place] = out_of_turn
