"""The canary's clicks: its own profile knows of them, and nothing else does."""

from typing import Any

import numpy as np
import pytest

from models.model import Model
from models.settings import LearningSettings
from stream.canary import CANARY
from stream.errors import InvalidEvent
from stream.examples import ExampleBatch
from stream.impressions import Impression, Shown, impression_record
from stream.manifest import Manifest
from stream.model_stage import ModelStage
from stream.service import accept


def people(tape: Any) -> None:
    for n in range(60):
        tape.now += 0.25
        tape.event(f"u{n % 7}", f"i{n * n % 11}", event_id=f"e{n}")


def with_canary(tape: Any) -> None:
    """The same people, and a canary that clicks and is shown lists in between."""
    for n in range(60):
        tape.now += 0.25
        tape.event(f"u{n % 7}", f"i{n * n % 11}", event_id=f"e{n}")
        tape.event(CANARY if n % 2 else f"{CANARY}-3", f"i{n % 5}", "click", event_id=f"c{n}")
        shown = Impression(
            user_id=CANARY, recommendation_id=f"r{n}", items=[Shown(item_id="i1", place=0)]
        )
        tape.raw(impression_record(shown))


def learned(profiles: Any, records: list[Any], size: int) -> ModelStage:
    stage = ModelStage(Model(LearningSettings(), 1))
    for at in range(0, len(records), size):
        for piece in profiles.step(records[at : at + size]).pieces:
            # Positions differ between the logs; what the model is told must not.
            stage.marks.clear()
            if isinstance(piece, ExampleBatch):
                stage.model.learn(piece.examples, piece.item_ids, piece.types, piece.lists)
    return stage


def test_the_model_learns_as_if_there_were_no_canary(new_tape: Any, new_profiles: Any) -> None:
    """On a log so busy that the share of events that is scored depends on how many there are."""
    digests = []
    for write in (people, with_canary):
        tape = new_tape()
        write(tape)
        stage = learned(new_profiles(scoring_rate=2.0), tape.records, len(tape.records))
        digests.append(stage.model.digest())
    assert digests[0] == digests[1]


def test_its_profile_learns_and_counts_of_people_pass_it_over(tape: Any, new_profiles: Any) -> None:
    with_canary(tape)
    profiles = new_profiles()
    emitted = profiles.step(tape.records)
    assert profiles.row(CANARY).counts == {"click": 30}
    assert profiles.row(CANARY).past.history_key[0] == profiles.key_of("i4")
    assert profiles.users == 7
    assert profiles.counts() == {
        "applied": 60, "duplicates": 0, "capped": 0, "dead_letters": 0, "other": 120,
    }  # fmt: skip
    assert {name for name, _ in profiles.user_ids(100)} == {f"u{n}" for n in range(7)}
    assert set(emitted.described) == {CANARY, f"{CANARY}-3"}, "its rows are written to the store"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_batches_do_not_show_and_a_restart_knows_its_canaries(
    tape: Any, new_profiles: Any, size: int
) -> None:
    with_canary(tape)
    whole, parts, restored = new_profiles(), new_profiles(), new_profiles()
    whole.step(tape.records)
    for records in tape.batches(size):
        parts.step(records)
    assert parts.digest() == whole.digest()
    tables, objects = parts.dump()
    restored.load(tables, objects)
    assert restored.users == 7
    assert len(restored.user_ids(100)) == 7
    assert np.isin([CANARY], restored.all_user_ids()).all()


def test_clients_may_not_use_its_id() -> None:
    manifest = Manifest()
    for user_id in (CANARY, f"{CANARY}-12"):
        body = b'{"type":"view","user_id":"%s","item_id":"i"}' % user_id.encode()
        with pytest.raises(InvalidEvent) as refused:
            accept(body, 1e9, manifest, True)
        assert refused.value.field == "user_id"
    assert accept(b'{"type":"view","user_id":"_canaryx","item_id":"i"}', 1e9, manifest, True)
