"""Settings with sources switched off, to see what each is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import structs

from models.settings import LearningSettings
from producers.errors import OptionError
from producers.named import require_known


def without_sources(settings: LearningSettings, names: Sequence[str]) -> LearningSettings:
    """The settings with the named sources off. Raises OptionError for an unknown one."""
    if not names:
        return settings
    switches: Any = getattr(settings, "sources", None)
    if switches is None:
        raise OptionError("--sources-off: these settings have no switches for sources")
    known = structs.asdict(switches)
    require_known("--sources-off", names, known)
    off: Any = structs.replace(switches, **dict.fromkeys(names, False))
    changed: dict[str, Any] = {"sources": off}
    return structs.replace(settings, **changed)
