"""A `setting` of the log that names a model River does not have is refused by name."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
import pytest

from models.model import Model
from models.settings import LearningSettings, River
from stream.examples import NOTHING, Control
from stream.model_stage import ModelStage

KNOWN = LearningSettings(river={"mf": River(path="reco.BiasedMF", role="rating")})
UNKNOWN = LearningSettings(repeats=True, river={"mf": River(path="reco.NoMF", role="rating")})
KEY = "learning.river.mf.class"


def test_stage_one_makes_a_dead_letter_of_it(tape: Any, new_profiles: Any) -> None:
    profiles = new_profiles()
    tape.setting(KNOWN)
    tape.setting(UNKNOWN)
    tape.event("u", "i")
    emitted = profiles.step(tape.records)
    assert [(d.offset, d.reason) for d in emitted.dead] == [(1, KEY)]
    assert KEY in emitted.dead[0].error and "did you mean" in emitted.dead[0].error
    assert [type(piece).__name__ for piece in emitted.pieces] == ["Control", "ExampleBatch"]


def test_a_model_with_another_river_goes_on_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    stage = ModelStage(Model(KNOWN))
    body = {"learning": msgspec.to_builtins(UNKNOWN)}
    with caplog.at_level(logging.ERROR):
        stage.apply(0, Control("setting", body, 5, NOTHING))
    assert "learning.river.mf" in caplog.text
    assert stage.model.settings.river == {}
    assert stage.model.settings.repeats is True
    assert stage.marks == {0: 5}
    assert stage.model.guests.failures() == {}
