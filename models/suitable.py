"""Whether a learning configuration can be learned under, beyond what its types say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from models.errors import GuestUnknown, SettingUnsuitable
from models.examples import TYPES
from models.rating_tables import GUESTS
from models.river_models import build
from models.sentences import require_sentences
from models.settings import LearningSettings, River

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_NAMED_SO: Final = "must be 1-64 of a-z, 0-9 and _, beginning with a letter"


def require_suitable(settings: LearningSettings) -> None:
    """Raise SettingUnsuitable naming the first key that is wrong."""
    for name in settings.events:
        if not _NAME.fullmatch(name):
            raise SettingUnsuitable("learning.events", f"a type's name {_NAMED_SO}")
    if len(settings.events) > TYPES:
        raise SettingUnsuitable("learning.events", f"has more than {TYPES} types")
    for name, river in settings.river.items():
        if not _NAME.fullmatch(name):
            raise SettingUnsuitable("learning.river", f"a model's name {_NAMED_SO}")
        build(river.path, river.parameters, f"learning.river.{name}", seed=1)
    if sum(river.role == "rating" for river in settings.river.values()) > GUESTS:
        raise SettingUnsuitable(
            "learning.river", f"has more than {GUESTS} models with the role rating"
        )


def require_installed(settings: LearningSettings) -> None:
    """Raise ExtraMissing where a setting needs what is not installed here; it may take 0.2 s.

    Not for settings that are in a log: whether these are learned under must not depend on the
    machine.
    """
    if settings.content.text == "sentences":
        require_sentences()


def known_guests(named: Mapping[str, River]) -> dict[str, River]:
    """Those that can be made here: a record of the log may name any."""
    return {name: river for name, river in named.items() if _can_be_made(river)}


def _can_be_made(river: River) -> bool:
    try:
        build(river.path, river.parameters, "", seed=1)
    except GuestUnknown:
        return False
    return True
