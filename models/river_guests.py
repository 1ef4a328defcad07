"""How River's models travel in a snapshot: opaque bytes, read by a restricted unpickler.

Our own state is typed tables; a guest is an object, so only classes on the list may come in.
"""

from __future__ import annotations

import io
import pickle
from typing import Any, Final

from models.errors import GuestRefused

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


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _NAMES or module.startswith(_PACKAGES):
            return super().find_class(module, name)
        raise GuestRefused(f"{module}.{name} may not be loaded from a snapshot")


def dump_guest(guest: object) -> bytes:
    return pickle.dumps(guest, protocol=5)


def load_guest(data: bytes) -> Any:
    """Return what `dump_guest` stored; GuestRefused for any class that is not on the list."""
    return _Restricted(io.BytesIO(data)).load()
