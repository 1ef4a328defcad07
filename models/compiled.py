"""How kernels are compiled."""

from __future__ import annotations

from typing import Any, Final

from numba import njit

# Known to numba, not to its type hints.
_BARE: Final[dict[str, Any]] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

#: For kernels that only kernels call; called from Python it would crash. Without the wrappers
#: that unpack the model's many arrays, the first compilation is a third shorter.
inner: Final[Any] = njit(cache=True, nogil=True, **_BARE)
#: The same for kernels that divide in loops by what is never 0: without a check of every divisor
#: the loops vectorise. The numbers are the same.
dividing: Final[Any] = njit(cache=True, nogil=True, error_model="numpy", **_BARE)
