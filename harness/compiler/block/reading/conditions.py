"""Conditions: on chip they are numbers, 1 where one holds and 0 elsewhere."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from tvm import tirx
from tvm.ir import Call, TensorLoad, TensorRegion

from harness.compiler.block.fold import LARGEST, RING, binary, infinite, is_real
from harness.compiler.block.model import (
    Binary,
    Const,
    Eltwise,
    Expr,
    Leaf,
    Select,
    Unary,
    leaf_nodes,
    operands,
)
from harness.compiler.block.reading.indices import index_expr, is_placed
from harness.compiler.block.reading.shifts import divided, no_bits, shifted
from harness.compiler.block.whole import NARROW
from harness.compiler.diagnostics import refuse
from harness.language.blockformats import dtype_of
from harness.language.ops import COPY, FILL
from harness.language.tensors import TRUTH

if TYPE_CHECKING:
    from harness.compiler.block.reading.nest import Nest

_COMPARE: Final = ((tirx.LT, "ltz"), (tirx.LE, "lez"), (tirx.GT, "gtz"), (tirx.GE, "gez"),
                   (tirx.EQ, "eqz"), (tirx.NE, "nez"))  # fmt: skip
_MIRRORED: Final = MappingProxyType({"ltz": "gtz", "gtz": "ltz", "lez": "gez", "gez": "lez"})
"""Comparisons with their sides exchanged."""
_WIDER: Final = ("int32", "int64")
_FEW: Final = 2
"""Ops that are rather done three times than kept."""
HELD: Final = "bfloat16"
"""The dtype a block of conditions is kept in, which holds 0 and 1 exactly."""


def check_conditions(call: Call) -> None:
    """Refuse tile ops that would compute with the numbers conditions are kept as.

    Raises:
        CompileError: at the call.
    """
    regions = [arg for arg in call.args[:] if isinstance(arg, TensorRegion)]
    truths = [region.source.name for region in regions if dtype_of(region.source) == TRUTH]
    if not truths or call.op.name == FILL:
        return
    if call.op.name != COPY:
        refuse(f"{truths[0]!r} holds conditions, and {call.op.name} computes with numbers",
               node=call, code="UnsupportedDtype",
               next_step="store 1.0 and 0.0 to a block of numbers instead")  # fmt: skip
    if is_truth(regions[1]) and not is_truth(regions[0]):
        refuse(f"T.copy of numbers to {truths[0]!r}, which holds conditions", node=call,
               code="UnsupportedDtype",
               next_step="store a comparison of them in a T.Parallel loop")  # fmt: skip


def is_truth(value: Any) -> bool:
    """Whether a region or an expression is of conditions."""
    return dtype_of(value.source if isinstance(value, TensorRegion) else value) == TRUTH


def condition(nest: Nest, value: Any) -> Expr:
    """1 where a condition holds, 0 elsewhere."""
    for kind, op in _COMPARE:
        if isinstance(value, kind):
            if is_real(value.a):
                return _compared(nest, op, nest.expr(value.a), nest.expr(value.b))
            if is_truth(value.a):
                return Unary(op, binary("sub", condition(nest, value.a),
                                        condition(nest, value.b)))  # fmt: skip
            if is_placed(nest, value.a - value.b):
                return Unary(op, index_expr(nest, value.a - value.b))
            _check_told(value)
            return Unary(op, binary("sub", whole(nest, value.a), whole(nest, value.b)))
    if isinstance(value, tirx.And):
        return Binary("mul", condition(nest, value.a), condition(nest, value.b))
    if isinstance(value, tirx.Or):
        return Binary("max", condition(nest, value.a), condition(nest, value.b))
    if isinstance(value, tirx.Not):
        return Unary("eqz", condition(nest, value.a))
    if isinstance(value, tirx.IntImm):
        return Const(float(bool(value.value)))
    if isinstance(value, TensorLoad):
        return nest.expr(value)
    if isinstance(value, tirx.Select):
        return Select(condition(nest, value.condition), condition(nest, value.true_value),
                      condition(nest, value.false_value))  # fmt: skip
    if isinstance(value, tirx.Cast) and is_truth(value.value):
        return condition(nest, value.value)
    if isinstance(value, tirx.Cast):
        zero = tirx.const(0, dtype_of(value.value))
        return condition(nest, tirx.NE(value.value, zero))
    nest.no(f"condition {type(value).__name__}", value)


def _check_told(value: Any) -> None:
    """Refuse to compare whole numbers from memory with one that float32 cannot tell from others."""
    for side in (value.a, value.b):
        if isinstance(side, tirx.IntImm) and abs(int(side.value)) >= 1 << 24:
            refuse(f"whole numbers compared with {int(side.value):,}: from 16,777,216 on they are"
                   " not exact", node=value, code="UnsupportedDtype",
                   next_step="compare with smaller numbers, or outside the kernel")  # fmt: skip


def _compared(nest: Nest, op: str, a: Expr, b: Expr) -> Expr:
    """The comparison of real numbers: of their difference with zero, where they have one.

    An infinity less itself is NaN. Whatever is infinite lies beyond the largest finite number.
    """
    if a == b and not isinstance(a, Const):
        return _itself(op, a)
    if isinstance(a, Const) and math.isinf(a.value):
        return _compared(nest, _MIRRORED.get(op, op), b, a)
    if not isinstance(b, Const) or not math.isinf(b.value) or isinstance(a, Const):
        known = isinstance(a, Const) or isinstance(b, Const) or op in ("ltz", "gtz")
        return Unary(op, binary("sub", a, b)) if known else _met(op, _once(nest, a), _once(nest, b))
    beyond = binary("sub", a, Const(math.copysign(LARGEST, b.value)))
    if op in ("eqz", "nez"):
        equal = Unary("gtz" if b.value > 0 else "ltz", beyond)
        return equal if op == "eqz" else Unary("eqz", equal)  # NaN differs from everything
    inner = op if b.value < 0 else _MIRRORED[op]
    if inner == "ltz":  # nothing is less than the least infinity
        return Const(0.0)
    if inner == "gez":  # and all but NaN is not
        return Binary("max", Unary("gez", a), Unary("ltz", a))
    strict = {"gtz": "gez", "lez": "ltz"}[inner]
    return Unary(strict if b.value < 0 else _MIRRORED[strict], beyond)


def _met(op: str, a: Expr, b: Expr) -> Expr:
    """A comparison of two that hold where they are one infinity: there they have no difference."""
    above, below = ([Unary(test, binary("sub", side, Const(end))) for side in (a, b)]
                    for test, end in (("gtz", LARGEST), ("ltz", -LARGEST)))  # fmt: skip
    infinite = Binary("max", Binary("mul", *above), Binary("mul", *below))
    first = Unary("eqz" if op == "nez" else op, binary("sub", a, b))
    holds = Binary("max", first, infinite)
    return Unary("eqz", holds) if op == "nez" else holds


def _once(nest: Nest, side: Expr) -> Expr:
    """Something that is asked for three times, in a block of its own where it takes work."""
    own = nest.reader.buffers.values()  # what is chosen from them is cut outside of a comparison
    chosen = any(leaf.bcast or leaf.buffer not in own for leaf in leaf_nodes(side))
    if nest.target is None or chosen or _ops(side) <= _FEW:
        return side
    made = nest.target.like(nest.reader.temp(f"{nest.target.name}_side"), "float32")
    nest.before.append(Eltwise(nest.node, made, side))
    return Leaf(made)


def _ops(expr: Expr) -> int:
    return len(operands(expr)) and 1 + sum(map(_ops, operands(expr)))


def _itself(op: str, a: Expr) -> Expr:
    """Something compared with itself, which asks for NaN: as infinities less themselves are too."""
    number = Binary("max", Unary("eqz", binary("sub", a, a)), infinite(a))
    if op in ("ltz", "gtz"):
        return Const(0.0)
    return Unary("eqz", number) if op == "nez" else number


def whole(nest: Nest, value: Any) -> Expr:
    """An integer expression that may read memory, in float32: exact below 2 ** 24."""
    if isinstance(value, tirx.Cast) and dtype_of(value) in NARROW:
        return nest.expr(value)
    if is_placed(nest, value):
        return index_expr(nest, value)
    if isinstance(value, Call) and value.op.name.endswith(".if_then_else"):
        test, yes, no = value.args
        return Select(condition(nest, test), whole(nest, yes), whole(nest, no))
    if isinstance(value, TensorLoad) or is_truth(value):
        return nest.expr(value)
    if isinstance(value, tirx.Cast) and dtype_of(value) in _WIDER:
        if is_real(value.value):
            return nest.expr(value)
        return whole(nest, value.value)
    if isinstance(value, tirx.Select):
        return Select(condition(nest, value.condition), whole(nest, value.true_value),
                      whole(nest, value.false_value))  # fmt: skip
    for kind, op in RING:
        if isinstance(value, kind) and dtype_of(value) in _WIDER:
            return binary(op, whole(nest, value.a), whole(nest, value.b))
        if isinstance(value, kind):
            refuse(f"arithmetic of {dtype_of(value)}, which ends at its largest number", node=value,
                   code="UnsupportedDtype",
                   next_step="cast each operand to int32 or float32 first")  # fmt: skip
    if isinstance(value, (tirx.FloorDiv, tirx.FloorMod)):
        return divided(nest, value, whole(nest, value.a))
    if isinstance(value, (tirx.RShift, tirx.LShift)):
        return shifted(nest, value, whole(nest, value.a))
    no_bits(value)
    nest.no(f"{type(value).__name__} of whole numbers read from memory", value)
