"""The TileLang-compatible dialect: ``import harness.language as T``.

Names and signatures are TileLang's, so a factory-style kernel parses after changing its import
line. GPU-only hints (threads, swizzles, warp policies) are accepted and have no meaning here;
whatever else is missing is refused at its source line.
"""

from __future__ import annotations

import enum
from typing import Any

from tvm import tirx

from harness.errors import LanguageError
from harness.language.elementwise import (
    Select,
    abs,
    all_of,
    any_of,
    cast,
    ceil,
    cos,
    erf,
    exp,
    exp2,
    floor,
    if_then_else,
    infinity,
    log,
    log1p,
    log2,
    max,
    min,
    pow,
    round,
    rsqrt,
    sigmoid,
    sin,
    sqrt,
    tanh,
)
from harness.language.frames import Kernel, Parallel, Pipelined, grid, serial, unroll, vectorized
from harness.language.ops import (
    clear,
    copy,
    fill,
    gemm,
    reduce_absmax,
    reduce_abssum,
    reduce_max,
    reduce_min,
    reduce_sum,
)
from harness.language.parser import prim_func
from harness.language.tensors import Tensor, alloc_fragment, alloc_local, alloc_shared

Buffer = Tensor
Serial = serial

bfloat16, float16, float32 = "bfloat16", "float16", "float32"


class GemmWarpPolicy(enum.Enum):
    """How a GPU splits a gemm over warps; accepted, without meaning on a tile machine."""

    Square = 0
    FullRow = 1
    FullCol = 2


def ceildiv(a: Any, b: Any) -> Any:
    """``T.ceildiv(a, b)``: a number where both are numbers, else an index expression."""
    if isinstance(a, int) and isinstance(b, int):
        return -(-a // b)
    return tirx.ceildiv(a, b)


def use_swizzle(*_: object, **__: object) -> None:
    """Accepted: a GPU cache hint, without meaning here."""


def __getattr__(name: str) -> Any:
    """Refuse every other name of TileLang where it is used."""
    if name.startswith("__"):
        raise AttributeError(name)
    raise LanguageError(f"T.{name} is not supported", next_step=f"supported: {', '.join(__all__)}")


__all__ = [
    "Buffer",
    "GemmWarpPolicy",
    "Kernel",
    "Parallel",
    "Pipelined",
    "Select",
    "Serial",
    "Tensor",
    "abs",
    "all_of",
    "alloc_fragment",
    "alloc_local",
    "alloc_shared",
    "any_of",
    "bfloat16",
    "cast",
    "ceil",
    "ceildiv",
    "clear",
    "copy",
    "cos",
    "erf",
    "exp",
    "exp2",
    "fill",
    "float16",
    "float32",
    "floor",
    "gemm",
    "if_then_else",
    "infinity",
    "log",
    "log1p",
    "log2",
    "max",
    "min",
    "pow",
    "prim_func",
    "reduce_absmax",
    "reduce_abssum",
    "reduce_max",
    "reduce_min",
    "reduce_sum",
    "round",
    "rsqrt",
    "serial",
    "sigmoid",
    "sin",
    "sqrt",
    "tanh",
    "unroll",
    "use_swizzle",
]
