"""Sums of products of bytes, 64 items at a time: the innermost loop of scoring by vectors.

One instruction of newer processors (VNNI) adds up four products in each of sixteen lanes; it is
three times as fast as what a loop compiles to, and whole numbers are the same either way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import llvmlite.binding as llvm
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

#: Items of a block.
BLOCK: Final = 64
#: Dimensions that lie side by side in a block: it is uint8[dims / QUAD, BLOCK, QUAD].
QUAD: Final = 4
#: The largest element that may be asked for: four products of it fit into 16 bits.
MOST_ASKED: Final = 31

_LANES: Final = 16
_INT32: Final = ir.IntType(32)
_WIDE: Final = ir.VectorType(_INT32, _LANES)
_BYTES: Final = ir.VectorType(ir.IntType(8), _LANES * QUAD)
_SHORTS: Final = ir.VectorType(ir.IntType(16), _LANES * QUAD)
_VNNI: Final = "llvm.x86.avx512.vpdpbusd.512"


def has_vnni() -> bool:
    """Whether kernels are compiled for a processor with the instruction."""
    asked: str | None = config.CPU_FEATURES  # type: ignore[attr-defined]
    if asked is not None:
        return "+avx512vnni" in asked
    return bool(llvm.get_host_cpu_features().get("avx512vnni"))


def sums_by(fast: bool) -> Any:
    """The kernel `(block, asked, sums)`: `sums[i] = Σ block[d // 4, i, d % 4]·asked[d]`.

    Of a block (uint8[dims / 4, 64, 4]), what is asked (int8[dims]) and sums (int32[64]); `fast`
    with the instruction.
    """

    @intrinsic
    def byte_sums(_context: Any, block: Any, asked: Any, sums: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            arrays = [
                context.make_array(kind)(context, builder, value)
                for kind, value in zip(signature.args, given, strict=True)
            ]
            _emit(builder, _add_fast if fast else _add_plainly, *arrays)
            return context.get_dummy_value()

        return types.void(block, asked, sums), emit

    return byte_sums


def _emit(builder: Any, add: Callable[..., Any], block: Any, asked: Any, sums: Any) -> None:
    groups = BLOCK // _LANES
    columns = builder.bitcast(block.data, _BYTES.as_pointer())
    words = builder.bitcast(asked.data, _INT32.as_pointer())
    out = builder.bitcast(sums.data, _WIDE.as_pointer())
    totals = [cgutils.alloca_once_value(builder, ir.Constant(_WIDE, None)) for _ in range(groups)]
    quads = cgutils.unpack_tuple(builder, block.shape)[0]
    nothing, first = ir.Constant(_WIDE, ir.Undefined), ir.Constant(_INT32, 0)
    with cgutils.for_range(builder, quads) as loop:
        word = builder.load(builder.gep(words, [loop.index]))
        word.align = 1
        one = builder.insert_element(nothing, word, first)
        everywhere = builder.shuffle_vector(one, nothing, ir.Constant(_WIDE, None))
        start = builder.mul(loop.index, ir.Constant(loop.index.type, groups))
        for group, total in enumerate(totals):
            at = builder.add(start, ir.Constant(loop.index.type, group))
            column = builder.load(builder.gep(columns, [at]))
            column.align = 1
            builder.store(add(builder, builder.load(total), column, everywhere), total)
    for group, total in enumerate(totals):
        kept = builder.store(builder.load(total), builder.gep(out, [ir.Constant(_INT32, group)]))
        kept.align = 4


def _add_fast(builder: Any, total: Any, column: Any, asked: Any) -> Any:
    kind = ir.FunctionType(_WIDE, [_WIDE, _WIDE, _WIDE])
    instruction = cgutils.get_or_insert_function(builder.module, kind, _VNNI)
    return builder.call(instruction, [total, builder.bitcast(column, _WIDE), asked])


def _add_plainly(builder: Any, total: Any, column: Any, asked: Any) -> Any:
    both = builder.bitcast(asked, _BYTES)
    products = builder.mul(builder.zext(column, _SHORTS), builder.sext(both, _SHORTS))
    none = ir.Constant(_SHORTS, ir.Undefined)
    parts = []
    for d in range(QUAD):
        lanes = [ir.Constant(_INT32, at) for at in range(d, _LANES * QUAD, QUAD)]
        parts.append(builder.shuffle_vector(products, none, ir.Constant(_WIDE, lanes)))
    four = builder.add(builder.add(parts[0], parts[1]), builder.add(parts[2], parts[3]))
    return builder.add(total, builder.sext(four, _WIDE))


byte_sums: Final = sums_by(has_vnni())
