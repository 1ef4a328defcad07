"""What a batch of examples taught a model, for whoever watches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from models.drift import Drift
from models.learning import Scores, no_scores


@dataclass(frozen=True)
class Learned:
    """What a batch taught: scores of its marked examples, and ratings as foretold before."""

    scores: Scores
    ratings: list[tuple[int, float, float]]  # (example, given, foretold)
    drifts: list[Drift] = field(default_factory=list)

    @classmethod
    def joined(cls, parts: Sequence[tuple[int, Learned]]) -> Learned:
        """One of the consecutive parts of a batch, each with the example it begins at."""
        if len(parts) == 1:
            return parts[0][1]
        columns = zip(*(part.scores for _, part in parts), strict=True)
        return cls(
            Scores._make(np.concatenate(column) for column in columns) if parts else no_scores(0),
            [(start + at, y, told) for start, part in parts for at, y, told in part.ratings],
            [replace(d, at=start + d.at) for start, part in parts for d in part.drifts],
        )
