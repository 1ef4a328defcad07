"""River's models by name: `reco.BiasedMF` with its parameters, as a configuration names them."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Mapping
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
            raise GuestUnknown(where, f"is no parameter of {kind.__name__}")
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
        raise GuestUnknown(key, "is no class of the River that is installed") from None
    if not (inspect.isclass(found) and found.__module__.startswith("river.")):
        raise GuestUnknown(key, "is no class of River's own")
    return found
