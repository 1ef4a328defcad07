"""River's models by name: `reco.BiasedMF` with its parameters, as a configuration names them."""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from river import base, reco

from models.errors import GuestUnknown

_NAME: Final = re.compile(r"[a-z][a-z_]*(\.[a-z][a-z_]*)*\.[A-Z]\w*")
_MODELS: Final = (reco.base.Ranker, base.Regressor, base.Classifier)


def build(name: str, parameters: Mapping[str, Any], key: str, seed: int) -> Any:
    """Return a fresh model of River's class `name`, a dotted path below `river`.

    A parameter may be a table with `class` and `parameters` of its own (an optimizer). What
    takes a `seed` and is given none gets `seed`. Raises GuestUnknown naming the key below `key`.
    """
    model = _made(name, parameters, key, seed)
    if not isinstance(model, _MODELS):
        raise GuestUnknown(f"{key}.class", "must be a recommender, a regressor or a classifier")
    return model


def _made(name: str, parameters: Mapping[str, Any], key: str, seed: int) -> Any:
    kind = _class(name, f"{key}.class")
    known = inspect.signature(kind).parameters
    given = {}
    for parameter, setting in parameters.items():
        where = f"{key}.parameters.{parameter}"
        if parameter not in known:
            hint = nearest(parameter, list(known))
            raise GuestUnknown(where, f"is no parameter of {kind.__name__}{hint}")
        given[parameter] = setting
        if isinstance(setting, Mapping) and "class" in setting:
            inner = setting.get("parameters") or {}
            given[parameter] = _made(str(setting["class"]), inner, where, seed)
    if "seed" in known:
        given.setdefault("seed", seed)
    try:
        return kind(**given)
    except Exception as error:  # noqa: BLE001 - whatever a constructor objects to
        raise GuestUnknown(
            f"{key}.parameters", f"does not suit {kind.__name__} ({type(error).__name__})"
        ) from None


def _class(name: str, key: str) -> type[Any]:
    if not _NAME.fullmatch(name):
        raise GuestUnknown(key, "must be the path of a class below river, as in reco.BiasedMF")
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(f"river.{module}"), attribute)
    except (ImportError, AttributeError):
        hint = nearest(name, _known(module))
        raise GuestUnknown(key, f"is no class of the River that is installed{hint}") from None
    if not (inspect.isclass(found) and found.__module__.startswith("river.")):
        raise GuestUnknown(key, "is no class of River's own")
    return found


def _known(module: str) -> list[str]:
    """Classes of a module of River's as a configuration names them; of all, where it has none."""
    try:
        modules = {module: importlib.import_module(f"river.{module}")}
    except ImportError:
        names = importlib.import_module("river.api").__all__
        modules = {name: importlib.import_module(f"river.{name}") for name in names}
    return [
        f"{path}.{name}"
        for path, found in modules.items()
        for name in getattr(found, "__all__", ())
        if name[0].isupper()
    ]


def nearest(name: str, known: Sequence[str]) -> str:
    """A hint at the known name most like one that is not, nothing where there is none.

    >>> nearest("n_facters", ["n_factors", "seed"])
    '; did you mean n_factors?'
    """
    found = difflib.get_close_matches(name, known, 1, 0.0)
    return f"; did you mean {found[0]}?" if found else ""
