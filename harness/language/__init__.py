"""The TileLang-compatible dialect: ``import harness.language as T``.

Names and signatures are TileLang's, so a kernel parses after changing its import line, or as it
stands where ``tt-harness`` reads the file. :mod:`harness.language.names.table` says of every name
of TileLang whether it works, is ignored or is refused.
"""

from __future__ import annotations

from typing import Any as _Any

from harness.language.composed import (
    cosh,
    exp10,
    isfinite,
    isinf,
    isnan,
    log10,
    sinh,
    tan,
    transpose,
    trunc,
)
from harness.language.dtypes import NAMES as _DTYPES
from harness.language.dtypes import dtype, get_tvm_dtype
from harness.language.dynamic import DynamicKernel, dynamic
from harness.language.elementwise import (
    Cast,
    Not,
    Select,
    abs,
    align_up,
    all_of,
    any_of,
    bitwise_and,
    bitwise_not,
    bitwise_or,
    bitwise_xor,
    cast,
    ceil,
    ceildiv,
    clamp,
    cos,
    erf,
    exp,
    exp2,
    floor,
    floordiv,
    floormod,
    fma,
    if_then_else,
    infinity,
    likely,
    log,
    log1p,
    log2,
    max,
    max_value,
    meta_var,
    min,
    min_value,
    pow,
    round,
    rsqrt,
    shift_left,
    shift_right,
    sigmoid,
    sin,
    sqrt,
    tanh,
)
from harness.language.layouts import annotate_layout
from harness.language.names.hints import (
    HINTS as _HINTS,
)
from harness.language.names.hints import (
    Annotation as _Annotation,
)
from harness.language.names.hints import (
    GemmWarpPolicy,
    Layout,
    annotate_safe_value,
)
from harness.language.names.table import TABLE as _TABLE
from harness.language.names.table import refuse as _refuse
from harness.language.ops import (
    clear,
    copy,
    cumsum,
    fill,
    gemm,
    reduce,
    reduce_absmax,
    reduce_abssum,
    reduce_max,
    reduce_min,
    reduce_sum,
)
from harness.language.parsing.branches import Else, If, Then
from harness.language.parsing.eager import const, empty
from harness.language.parsing.frames import (
    Kernel,
    Parallel,
    Persistent,
    Pipelined,
    grid,
    serial,
    unroll,
    vectorized,
)
from harness.language.parsing.macros import macro
from harness.language.parsing.parser import prim_func
from harness.language.rewriting.blockviews import reshape, view
from harness.language.rewriting.convolve import c2d_im2col, im2col
from harness.language.rewriting.inturn import alloc_global
from harness.language.rewriting.reducers import (
    alloc_reducer,
    finalize_reducer,
    reducer_init,
    reducer_update,
)
from harness.language.tensors import Tensor, alloc_fragment, alloc_local, alloc_shared
from harness.language.variables import alloc_var

Buffer = Tensor
Serial, Unroll, Vectorized = serial, unroll, vectorized
symbolic = dynamic
cdiv = ceildiv
fabs = abs
And, Or = all_of, any_of
Fragment = Layout
Ref, SharedBuffer, FragmentBuffer, LocalBuffer = (_Annotation() for _ in range(4))
use_swizzle = _HINTS["use_swizzle"]

globals().update(_HINTS)
# Types that have a name of their own in Python (float, int, bool) are reached through __getattr__,
# so that nothing in this module shadows them by accident.
_LATE = {**_DTYPES, "__exp": exp, "__log": log, "__log2": log2, "__sin": sin, "__cos": cos,
         "__exp10": exp10, "__log10": log10, "__tan": tan}  # fmt: skip
bfloat16, float16, float32 = _DTYPES["bfloat16"], _DTYPES["float16"], _DTYPES["float32"]
int32 = _DTYPES["int32"]


def __getattr__(name: str) -> _Any:
    """Dtypes by name; every other name of TileLang is refused where it is used."""
    if name in _LATE:
        return _LATE[name]
    if name.startswith("__") and (name.endswith("__") or name not in _TABLE):
        raise AttributeError(name)
    return _refuse(name)


__all__ = [
    "And",
    "Buffer",
    "Cast",
    "DynamicKernel",
    "Else",
    "Fragment",
    "FragmentBuffer",
    "GemmWarpPolicy",
    "If",
    "Kernel",
    "Layout",
    "LocalBuffer",
    "Not",
    "Or",
    "Parallel",
    "Persistent",
    "Pipelined",
    "Ref",
    "Select",
    "Serial",
    "SharedBuffer",
    "Tensor",
    "Then",
    "Unroll",
    "Vectorized",
    "abs",
    "align_up",
    "all_of",
    "alloc_fragment",
    "alloc_global",
    "alloc_local",
    "alloc_reducer",
    "alloc_shared",
    "alloc_var",
    "annotate_layout",
    "annotate_safe_value",
    "any_of",
    "bfloat16",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "c2d_im2col",
    "cast",
    "cdiv",
    "ceil",
    "ceildiv",
    "clamp",
    "clear",
    "const",
    "copy",
    "cos",
    "cosh",
    "cumsum",
    "dtype",
    "dynamic",
    "empty",
    "erf",
    "exp",
    "exp2",
    "exp10",
    "fabs",
    "fill",
    "finalize_reducer",
    "float16",
    "float32",
    "floor",
    "floordiv",
    "floormod",
    "fma",
    "gemm",
    "get_tvm_dtype",
    "grid",
    "if_then_else",
    "im2col",
    "infinity",
    "int32",
    "isfinite",
    "isinf",
    "isnan",
    "likely",
    "log",
    "log1p",
    "log2",
    "log10",
    "macro",
    "max",
    "max_value",
    "meta_var",
    "min",
    "min_value",
    "pow",
    "prim_func",
    "reduce",
    "reduce_absmax",
    "reduce_abssum",
    "reduce_max",
    "reduce_min",
    "reduce_sum",
    "reducer_init",
    "reducer_update",
    "reshape",
    "round",
    "rsqrt",
    "serial",
    "shift_left",
    "shift_right",
    "sigmoid",
    "sin",
    "sinh",
    "sqrt",
    "symbolic",
    "tan",
    "tanh",
    "transpose",
    "trunc",
    "unroll",
    "use_swizzle",
    "vectorized",
    "view",
]
