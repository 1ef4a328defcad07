"""Stage two: applies what stage one emits to the model, each piece exactly once."""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from models.learned import Learned
from models.model import Model
from models.settings import LearningSettings
from models.suitable import known_guests
from stream.ahead import Ahead
from stream.errors import SequenceGap
from stream.examples import NOTHING, Control, ExampleBatch, Piece
from stream.setting import with_horizons, with_widths

logger = logging.getLogger(__name__)

#: Called with every batch that was learned and what it taught.
Watcher = Callable[[ExampleBatch, Learned], None]


class ModelStage:
    """A model and its marks: the position applied last, a partition each."""

    def __init__(self, model: Model, marks: dict[int, int] | None = None) -> None:
        self.model = model
        self.marks = marks or {}
        self._ahead = Ahead()

    def apply(self, partition: int, piece: Piece, watch: Watcher | None = None) -> None:
        """Apply a piece in order; what is at or below the mark was applied before and is dropped.

        Raises SequenceGap when the piece does not follow the mark: something was lost on
        the way, and going on would lose it for good.
        """
        mark = self.marks.get(partition, NOTHING)
        if not isinstance(piece, ExampleBatch):
            if piece.position > mark:
                self._require(partition, mark, piece.previous)
                if isinstance(piece, Control):
                    self._control(piece)
                else:
                    self.model.observe(piece.outcomes, piece.types)
                self.marks[partition] = piece.position
            return
        fresh = piece.after(mark)
        if not fresh.item_ids:
            return
        self._require(partition, mark, int(fresh.previous[0]))
        learned = self.model.learn(
            fresh.examples, fresh.item_ids, fresh.types, fresh.lists, fresh.positions, partition
        )
        self.marks[partition] = int(fresh.positions[-1])
        self._ahead.look(self.model)
        if watch is not None:
            watch(fresh, learned)

    def _require(self, partition: int, mark: int, previous: int) -> None:
        if previous != mark:
            raise SequenceGap(
                f"partition {partition}: an example follows position {previous}, "
                f"but {mark} was applied last; stage one must emit again from there"
            )

    def _control(self, piece: Control) -> None:
        if piece.kind == "item":
            self.model.put_item(piece.body)
            self._ahead.look(self.model)
        elif piece.kind == "setting":
            settings = msgspec.convert(piece.body["learning"], LearningSettings)
            self.model.apply_settings(_fitting(settings, self.model))


def _fitting(settings: LearningSettings, model: Model) -> LearningSettings:
    """The part of `settings` a model can take, whoever wrote the record.

    Every horizon stays, guests that River has not got are left out, and vectors keep their
    dimensions once there are items: kernels would read past the end of the tables.
    """
    now, guests = model.settings, known_guests(settings.river)
    for name in settings.river.keys() - guests.keys():
        logger.error("learning.river.%s is left out: this River has no such model", name)
    settings = with_horizons(now, replace(settings, river=guests))
    return with_widths(now, settings) if model.items else settings
