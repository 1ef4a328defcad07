"""Prequential evaluation: every event is first foretold, then learned."""

from producers.evaluate.evaluation import Evaluation
from producers.evaluate.order import Prepared, prepare
from producers.evaluate.pipeline import Foretold

__all__ = ["Evaluation", "Foretold", "Prepared", "prepare"]
