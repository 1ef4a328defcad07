"""What a thread's kernels work with, unpacked once: a view of the state, and scratch.

Handing over a hundred arrays takes as long as a tenth of a list, and every function that is given
them counts their references, in memory that all threads share. A kit is handed over as one, and
its arrays are borrowed: nothing is counted.
"""

from __future__ import annotations

from typing import Any

from numba import njit, types
from numba.core import cgutils
from numba.experimental import structref
from numba.extending import intrinsic, overload

from models.examples import Types
from models.state import Scratch, State


@structref.register
class KitType(types.StructRef):
    """How the compiler sees a kit."""


class Kit(structref.StructRefProxy):
    """A state and a scratch, the same in kernels and outside of them.

    The arrays live as long as the kit: who calls a kernel holds it meanwhile.
    """

    state: State
    scratch: Scratch
    #: Kept for the next answer: what types mean, and rooms for lists by their length.
    types: dict[tuple[str, ...], Types]
    lists: dict[int, Any]

    def __new__(cls, state: State, scratch: Scratch) -> Kit:
        kit: Kit = _kit_of(state, scratch)
        kit.state, kit.scratch = state, scratch
        kit.types, kit.lists = {}, {}
        return kit


structref.define_boxing(KitType, Kit)


@intrinsic
def _borrow(_context: Any, arrays: Any) -> Any:
    """The same arrays, in tuples of tuples, without owners."""

    def emit(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return _borrowed(context, builder, signature.args[0], given[0])

    return arrays(arrays), emit


def _borrowed(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    if isinstance(kind, types.Array):
        array = context.make_array(kind)(context, builder, value)
        array.meminfo = cgutils.get_null_value(array.meminfo.type)
        array.parent = cgutils.get_null_value(array.parent.type)
        return array._getvalue()
    for at, part in enumerate(kind):
        borrowed = _borrowed(context, builder, part, builder.extract_value(value, at))
        value = builder.insert_value(value, borrowed, at)
    return value


# The compiler adds the context that stands before their arguments.
_new: Any = structref.new
_borrowing: Any = _borrow


def _filled(state: State, scratch: Scratch) -> Any:
    """Known to the compiler alone."""


@overload(_filled)
def _fill(state: Any, scratch: Any) -> Any:
    kind = KitType([("state", state), ("scratch", scratch)])

    def filled(state: Any, scratch: Any) -> Any:
        kit = _new(kind)
        kit.state = _borrowing(state)
        kit.scratch = _borrowing(scratch)
        return kit

    return filled


@njit(cache=True)
def _kit_of(state: State, scratch: Scratch) -> Any:
    return _filled(state, scratch)
