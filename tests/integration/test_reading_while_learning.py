"""Readers beside the learner: every list is whole, whatever is being learned meanwhile."""

import threading

import msgspec

from models.answers import Asked, nobody
from models.model import Model
from models.settings import LearningSettings
from stream.manifest import Manifest
from stream.model_stage import ModelStage
from stream.profiles import Profiles
from stream.records import LogRecord

BATCH = 256


def batch(first: int) -> list[LogRecord]:
    """Events of a growing catalogue: every second one brings an item nobody has met."""
    return [
        LogRecord(n, 1.7e9 + n / 100, True, msgspec.json.encode({
            "type": "view", "user_id": f"u{n % 20}", "item_id": f"i{n // 2 if n % 2 else n}",
        }))
        for n in range(first, first + BATCH)
    ]  # fmt: skip


def test_lists_name_their_items_while_new_ones_are_learned() -> None:
    profiles, model = Profiles(Manifest(dedup_window=1 << 15)), Model(LearningSettings())
    stage, stop = ModelStage(model), threading.Event()
    wrong: list[object] = []

    def read() -> None:
        while not stop.is_set():
            row = profiles.row("u1")
            asked = Asked(row.past, row.types, 20) if row is not None else nobody(20)
            for listed in (model.recommend(asked), model.trending(20), model.recommend(nobody(20))):
                try:
                    wrong.extend(place for place in listed if not model.id_of(place.row))
                except IndexError as error:
                    wrong.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for first in range(0, BATCH * 12, BATCH):
        for piece in profiles.step(batch(first)).pieces:
            stage.apply(0, piece)
    stop.set()
    for reader in readers:
        reader.join()
    assert not wrong, f"{len(wrong)} places without an id, such as {wrong[0]!r}"
