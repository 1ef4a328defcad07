"""Hashes at agreed positions: the same as asked for directly, kept for a while, and compared."""

from __future__ import annotations

import time

from models.model import Model
from models.settings import LearningSettings
from stream.cluster.hashes import Hashes


def test_a_frozen_digest_is_that_of_the_moment_it_was_taken() -> None:
    model = Model(LearningSettings(), 1)
    model.put_item({"item_id": "a", "title": "one"})
    before, frozen = model.digest(), model.frozen_digest()
    model.put_item({"item_id": "b", "title": "two"})
    assert frozen() == before != model.digest()


def test_only_what_is_known_and_another_differs() -> None:
    hashes = Hashes(every=10)
    assert [n for n in range(31) if hashes.due(n)] == [0, 10, 20, 30]
    assert hashes.newest is None
    for position in range(10, 200, 10):
        hashes.take(position, lambda position=position: f"h{position}")  # type: ignore[misc]
    until = time.monotonic() + 60
    while hashes.newest != (190, "h190"):
        assert time.monotonic() < until
        time.sleep(0.001)
    assert not hashes.differs(190, "h190")
    assert hashes.differs(190, "other")
    assert not hashes.differs(10, "other")  # long forgotten
    assert not hashes.differs(195, "other")
    hashes.forget()
    assert not hashes.differs(190, "other")


def test_none_are_taken_where_nobody_compares() -> None:
    assert not any(Hashes().due(n) for n in range(100))
