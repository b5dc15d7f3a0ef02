"""What kernels in turn hand on as the matrix unit cut it: maxima and minima in tensors.

A reduction cuts float32, so the largest of a row that one kernel stored equals no element that
another one reads. The later kernel has to know, to compare both as they were cut.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

import tvm
from tvm import tirx
from tvm.ir import Call, TensorLoad

from harness.language.blockformats import dtype_of
from harness.language.ops import COPY, REDUCE
from harness.language.walks import structural_walk

TT_CUT_BEFORE: Final = "tt.cut_before"
"""Function attribute: names of tensors that hold what reductions of kernels before left."""
_WIDE: Final = ("float32", "float16")
_ORDERED: Final = ("max", "min", "absmax")


def told(functions: Sequence[tirx.PrimFunc]) -> list[tirx.PrimFunc]:
    """Kernels in the order they run, each with the names of what was cut before it runs."""
    cut: set[str] = set()
    out = []
    for func in functions:
        known = sorted(cut & {str(p.name) for p in func.params})
        out.append(func.with_attr(TT_CUT_BEFORE, known) if known else func)
        held = _held(func, {p for p in func.params if str(p.name) in cut})
        cut |= {str(p.name) for p in func.params if p in held}
    return out


def cut_before(func: tirx.PrimFunc) -> frozenset[str]:
    """Names of a kernel's tensors that hold what reductions of kernels before left."""
    return frozenset(str(name) for name in (func.attrs or {}).get(TT_CUT_BEFORE) or ())


def _held(func: tirx.PrimFunc, held: set[Any]) -> set[Any]:
    """Buffers that hold what a reduction left, perhaps; ``held`` are those that do at first."""
    moves: list[tuple[Any, list[Any]]] = []

    def call(node: Call) -> None:
        if node.op.name == REDUCE and str(node.args[2].value) in _ORDERED:
            source, target = node.args[0].source, node.args[1].source
            moves.append((target, [source]))
            if dtype_of(source) in _WIDE and dtype_of(target) in _WIDE:
                held.add(target)
        elif node.op.name == COPY:
            moves.append((node.args[1].source, [node.args[0].source]))

    def store(node: tirx.BufferStore) -> None:
        moves.append((node.buffer, list(_elements(node.value))))

    structural_walk(func.body, [(Call, call), (tirx.BufferStore, store)])
    size = -1
    while size < len(held):
        size = len(held)
        held |= {to for to, source in moves if dtype_of(to) in _WIDE and held.intersection(source)}
    return held


def _elements(value: Any) -> Iterator[Any]:
    """Buffers of which an expression may be an element, perhaps times a power of two."""
    if isinstance(value, TensorLoad):
        yield value.source
    elif isinstance(value, (tirx.Max, tirx.Min)):
        yield from _elements(value.a)
        yield from _elements(value.b)
    elif isinstance(value, tirx.Mul):
        for factor, other in ((value.a, value.b), (value.b, value.a)):
            if _number(factor) is not None and abs(math.frexp(_number(factor) or 0)[0]) == 0.5:
                yield from _elements(other)
    elif isinstance(value, tirx.Sub) and _number(value.a) == 0:
        yield from _elements(value.b)
    elif isinstance(value, tirx.Cast):
        yield from _elements(value.value)
    elif isinstance(value, tirx.Select):
        yield from _elements(value.true_value)
        yield from _elements(value.false_value)
    elif isinstance(value, Call) and isinstance(value.op, tvm.ir.Op):
        name, args = str(value.op.name), value.args
        for arg in args[1:] if name.endswith("if_then_else") else args[: name.endswith("fabs")]:
            yield from _elements(arg)


def _number(value: Any) -> float | None:
    while isinstance(value, tirx.Cast):
        value = value.value
    return float(value.value) if isinstance(value, (tirx.FloatImm, tirx.IntImm)) else None
