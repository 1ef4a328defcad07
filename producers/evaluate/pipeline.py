"""Both stages over one log in memory: what a server would have learned, and would answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import structs

from models.answers import Asked, nobody
from models.learning import LIST
from models.model import Model
from models.settings import LearningSettings
from producers.evaluate.order import time_of
from stream.manifest import Manifest
from stream.model_stage import ModelStage, Watcher
from stream.profiles import Profiles
from stream.records import LogRecord

#: Records the stages take at once where nobody asks in between.
BATCH: Final = 256


@dataclass(frozen=True)
class Foretold:
    """One scored event: its number in the evaluated order, who, what, and the list before it."""

    number: int
    user_id: str
    item_id: str
    place: int
    rows: list[int]


def every_event(manifest: Manifest) -> Manifest:
    """The manifest under which every event is a lesson of the ranker's."""
    return structs.replace(manifest, scoring="all")


class Log:
    """Numbers records as a log would: the catalogue first, then events."""

    def __init__(self) -> None:
        self.next = 0

    def records(self, bodies: Iterable[dict[str, Any]]) -> list[LogRecord]:
        made = []
        for body in bodies:
            made.append(LogRecord(self.next, time_of(body), True, msgspec.json.encode(body)))
            self.next += 1
        return made


class Pipeline:
    """Profiles and a model; learns what it is fed, and answers for a user."""

    def __init__(self, settings: LearningSettings, manifest: Manifest) -> None:
        self.profiles = Profiles(every_event(manifest))
        self.model = Model(settings, manifest.seed)
        self._stage = ModelStage(self.model)
        self.log = Log()

    def learn(self, bodies: Iterable[dict[str, Any]], watch: Watcher | None = None) -> None:
        """Learn records in order. `watch` is told the list before each event, and its lesson."""
        for piece in self.profiles.step(self.log.records(bodies)).pieces:
            self._stage.apply(0, piece, watch)

    def ask(self, user_id: str, profiles: Profiles | None = None) -> list[int]:
        """The rows a server would list now: it knows who asks, and nothing of what comes.

        `profiles` stands in for its own where a user's history is ahead of the model.
        """
        row = (profiles or self.profiles).row(user_id)
        asked = nobody(LIST) if row is None else Asked(row.past, row.types, LIST)
        return [listed.row for listed in self.model.recommend(asked)]

    def row_of(self, item_id: str) -> int | None:
        """The model's row of an item, None where it was never met."""
        row = self.model.row_of(self.model.key_of(item_id))
        return row if row >= 0 else None
