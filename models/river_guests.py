"""River's models as guests: guarded against reads that write and against what is no number.

Our own state is typed tables; a guest is an object that travels in a snapshot as opaque bytes,
read by a restricted unpickler, and counts in the digest by what it predicts for fixed probes.
"""

from __future__ import annotations

import hashlib
import io
import math
import pickle
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
from river import base, reco

from models.errors import GuestRefused
from models.river_models import build
from models.settings import River

_PACKAGES: Final = ("river.",)
_NAMES: Final = frozenset(
    {
        ("collections", "defaultdict"),
        ("functools", "partial"),
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy._core.numeric", "_frombuffer"),
        ("numpy.random._mt19937", "MT19937"),
        ("numpy.random._pickle", "__bit_generator_ctor"),
        ("numpy.random._pickle", "__randomstate_ctor"),
        ("numpy.random.mtrand", "RandomState"),
        ("random", "Random"),
    }
)
# Pairs whose predictions stand for a guest in the digest.
_PROBES: Final = 16
# Readers ask a copy, at most this many lessons old or this share of all: a copy costs as much
# as a snapshot of the guest.
_FRESH: Final = 256
_FRESH_SHARE: Final = 0.02
# A copy that was asked this often is made anew: River's recommenders keep who they are asked for.
_ASKED: Final = 10_000


@dataclass(frozen=True)
class Given:
    """What a guest is asked about: keys of a user and an item, and features by name."""

    user: int
    item: int
    x: dict[str, float] = field(default_factory=dict)


class Guest:
    """One named model. `learn` and `predict` are the learner's; anybody may `ask`."""

    def __init__(self, name: str, river: River, seed: int) -> None:
        self.name = name
        self.role = river.role
        self._facts = msgspec.json.encode([name, river])
        self.model = build(river.path, river.parameters, f"learning.river.{name}", seed)
        self.lessons = self.failures = 0
        self._probes: list[Given] = []
        self._lock = threading.Lock()
        self._stored = b""
        self._copied_at = self._asked = 0
        self._copy()

    def learn(self, given: Given, y: float) -> None:
        """Learn one target; what the model cannot take is counted in `failures`."""
        if len(self._probes) < _PROBES:
            self._probes.append(given)
        self.lessons += 1
        try:
            with np.errstate(all="ignore"):
                _learn(self.model, given, y)
        except Exception:  # noqa: BLE001 - whatever a guest does, learning goes on
            self.failures += 1
        if self.lessons - self._copied_at >= max(_FRESH, int(_FRESH_SHARE * self.lessons)):
            self._copy()

    def predict(self, given: Given) -> float:
        """What the model says now; NaN, counted, where that is no number."""
        said = _predicted(self.model, given)
        if math.isnan(said):
            self.failures += 1
        return said

    def ask(self, given: Given) -> float:
        """What the model said lately; asking leaves no trace. NaN: nothing."""
        with self._lock:
            self._asked += 1
            if self._asked >= _ASKED:
                self._reader, self._asked = load_guest(self._stored), 0
            return _predicted(self._reader, given)

    def digest(self) -> bytes:
        """16 bytes over class, parameters, counts, and predictions for fixed probes."""
        copy = load_guest(dump_guest(self.model))
        said = [_predicted(copy, probe).hex() for probe in self._probes]
        digest = hashlib.blake2b(self._facts, digest_size=16)
        digest.update("|".join([str(self.lessons), str(self.failures), *said]).encode())
        return digest.digest()

    def dump(self) -> bytes:
        probes = [(probe.user, probe.item, probe.x) for probe in self._probes]
        return dump_guest((self.model, self.lessons, self.failures, probes))

    def load(self, data: bytes) -> None:
        """Become what was dumped. Raises GuestRefused."""
        self.model, self.lessons, self.failures, probes = load_guest(data)
        self._probes = [Given(*probe) for probe in probes]
        self._copy()

    def _copy(self) -> None:
        stored = dump_guest(self.model)
        with self._lock:
            self._stored, self._reader, self._asked = stored, load_guest(stored), 0
        self._copied_at = self.lessons


def invite(named: Mapping[str, River], seed: int) -> list[Guest]:
    """Return a fresh guest for each configured one, by name. Raises GuestUnknown."""
    return [Guest(name, named[name], seed) for name in sorted(named)]


def named(given: Given) -> dict[Any, Any]:
    """A copy of the features, for a model may keep or change what it is given."""
    return dict(given.x)


def _learn(model: Any, given: Given, y: Any) -> None:
    if isinstance(model, reco.base.Ranker):
        model.learn_one(user=given.user, item=given.item, y=y, x=named(given))
    elif isinstance(model, base.Classifier):
        model.learn_one(named(given), y > 0.5)
    else:
        model.learn_one(named(given), y)


def _predicted(model: Any, given: Given) -> float:
    said: Any
    try:
        with np.errstate(all="ignore"):
            if isinstance(model, reco.base.Ranker):
                said = model.predict_one(user=given.user, item=given.item, x=named(given))
            elif isinstance(model, base.Classifier):
                said = model.predict_proba_one(named(given)).get(True, 0.0)
            else:
                said = model.predict_one(named(given))
            number = float(said)
    except Exception:  # noqa: BLE001 - a guest that fails says nothing
        return math.nan
    return number if math.isfinite(number) else math.nan


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _NAMES:
            return super().find_class(module, name)
        if module.startswith(_PACKAGES) and "." not in name:
            found = super().find_class(module, name)
            # What a module of River's has merely imported is not River's.
            if str(getattr(found, "__module__", "")).startswith(_PACKAGES):
                return found
        raise GuestRefused(f"{module}.{name} may not be loaded from a snapshot")


def dump_guest(guest: object) -> bytes:
    return pickle.dumps(guest, protocol=5)


def load_guest(data: bytes) -> Any:
    """Return what `dump_guest` stored; GuestRefused for any class that is not on the list."""
    return _Restricted(io.BytesIO(data)).load()
