"""What may come in by a snapshot."""

from __future__ import annotations

import math
import pickle
from fractions import Fraction

import pytest

from models.errors import GuestRefused
from models.river_guests import dump_guest, load_guest
from models.settings import LearningSettings


class _Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (eval, ("1 + 1",))


@pytest.mark.parametrize(
    "guest", [Fraction(1, 3), _Trap(), LearningSettings(), math.sqrt, pytest.raises]
)
def test_a_foreign_class_is_refused(guest: object) -> None:
    with pytest.raises(GuestRefused, match="may not be loaded"):
        load_guest(pickle.dumps(guest))


def test_plain_values_travel() -> None:
    assert load_guest(dump_guest(([1, 2], {"a": 0.5}))) == ([1, 2], {"a": 0.5})
