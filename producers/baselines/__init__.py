"""Rankers to compare with, learning from the same events. One module a family."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Final

from models.errors import how_to_install
from producers.baselines.baseline import Baseline, best
from producers.baselines.ledger import Ledger
from producers.errors import OptionError
from producers.named import require_known

__all__ = ["BASELINES", "REFIT_EVERY", "Baseline", "Ledger", "best", "build", "require"]

_MODULES: Final = {
    "popularity": ("popular", "Popularity"),
    "last-popular": ("popular", "LastPopular"),
    "item-knn": ("item_knn", "ItemKnn"),
    "river-biasedmf": ("river_factors", "RiverBiasedMF"),
    "river-funkmf": ("river_factors", "RiverFunkMF"),
    "implicit-als": ("refitted", "ImplicitAls"),
    "implicit-cosine": ("refitted", "ImplicitCosine"),
}
BASELINES: Final = tuple(_MODULES)
#: Events between two fits of what cannot learn one by one.
REFIT_EVERY: Final = 5_000


def require(names: Sequence[str]) -> None:
    """Raise OptionError for a name that is unknown, given twice, or not installed."""
    require_known("--against", names, BASELINES)
    for at, name in enumerate(names):
        if name in names[:at]:
            raise OptionError(f"--against: the baseline {name} is named twice")
        _class(name)


def build(names: Sequence[str], ledger: Ledger, refit_every: int = REFIT_EVERY) -> list[Baseline]:
    """The baselines over one ledger. Raises OptionError as `require` does."""
    require(names)
    made: list[Baseline] = []
    for name in names:
        kind = _class(name)
        refitted = name.startswith("implicit-")
        made.append(kind(ledger, refit_every) if refitted else kind(ledger))
    return made


def _class(name: str) -> type:
    module, attribute = _MODULES[name]
    try:
        found: type = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    except ModuleNotFoundError as error:
        raise OptionError(
            f"--against: the baseline {name} needs {error.name}, which is not installed; "
            f"it comes with the extra: {how_to_install('baselines')}"
        ) from None
    return found
