"""A line in the log for every drift, with its position: what alerts and people read."""

from __future__ import annotations

import logging

from models.drift import SERIOUS
from models.learned import Learned
from stream.examples import ExampleBatch

logger = logging.getLogger(__name__)


def note(batch: ExampleBatch, learned: Learned) -> None:
    """Log the drifts a batch showed, as warnings where alerts fire on them.

    A replay of the log tells them again.
    """
    for drift in learned.drifts:
        logger.log(
            logging.WARNING if drift.effect in SERIOUS else logging.INFO,
            "drift: %s sees a change of %s, %s, by %.2f, at partition %d, position %d"
            " (event time %.0f)",
            drift.detector, drift.signal, drift.effect, drift.size, drift.partition,
            drift.position, batch.examples.time[drift.at],
        )  # fmt: skip
