"""Evaluation of expressions over a space: exact integers and truths, or values with bounds.

Index arithmetic yields Python or NumPy integers and booleans; whatever reads memory or is real
yields an Approx; comparisons of Approx yield a Truth, which may be unsure where intervals meet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np
import tvm_ffi

from golden.approx import CLEAN, FREE, Approx, exact, merged_jumps
from golden.arithmetic import Arithmetic, two_sided
from golden.cuts import cut_once, settled
from golden.errors import GoldenError
from golden.formats import find_format
from golden.functions import Functions
from golden.interpret import tree
from golden.interpret.access import is_picked, is_rearranged, load
from golden.interpret.integers import INDEX_OPS, is_array, is_index
from golden.interpret.space import Along, Bound, Space
from golden.result import BOTH
from golden.truth import Truth, choose, compare, truth_of

Value = Any
"""int, bool, an integer or boolean array, an Approx or a Truth."""


_OF_INTEGERS: Final = frozenset(
    {"FloorDiv", "FloorMod", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "LShift", "RShift"}
)
_COMPARISONS: Final = frozenset({"EQ", "NE", "LT", "LE", "GT", "GE"})


def _itself(x: Approx) -> Approx:
    """A side of a comparison with itself: however far off it is, the other side is as far."""
    return x if x.value2 is not None else replace(x, bound=None, cut=None)


class Evaluator:
    """Evaluates expressions of one space."""

    def __init__(self, space: Space) -> None:
        """``space`` gives variables, buffers and contract."""
        self.space = space
        machine = space.chunk.machine
        self.arithmetic = Arithmetic(machine.contract, machine.bounded)
        self.functions = Functions(self.arithmetic)
        self.asked = False
        """Whether integers were read from a tensor."""
        self._placing = False
        """Whether what is evaluated is an index of what is read: numbers for a RISC."""
        self._comparing = False
        """Whether what is evaluated is a side of a comparison, for which nothing is cut."""

    def integer(self, expr: tree.Expr) -> Any:
        """An index: an integer or an integer array over the space.

        Raises:
            GoldenError: it depends on data that is not exact.
        """
        value = self.value(expr)
        if isinstance(value, Approx):
            return self._whole(value, expr)
        if isinstance(value, Truth):
            return value.certain(expr.where).astype(np.int64)
        return value

    def place(self, expr: tree.Expr) -> Any:
        """An index of what is stored: what it asks of tensors, a RISC takes as it is."""
        around, self._placing = self._placing, True
        value = self.integer(expr)
        self._placing = around
        return value

    def _whole(self, data: Approx, expr: tree.Expr) -> Any:
        """Data as the integers they are."""
        if not data.is_exact or data.taint is not None:
            raise GoldenError("an index depends on data that is not exact", location=expr.where)
        self.asked = True
        return data.value.astype(np.int64)

    def approx(self, expr: tree.Expr) -> Approx:
        """Data: values with bounds, of rank 0 for literals."""
        return as_approx(self.value(expr))

    def truth(self, expr: tree.Expr) -> Any:
        """A condition: a boolean, a boolean array, or a Truth that may be unsure."""
        value = self.value(expr)
        if isinstance(value, Approx):
            return truth_of(value)
        return value if isinstance(value, Truth) else value != 0  # a word that a RISC loaded

    def value(self, expr: tree.Expr) -> Value:
        """Whatever an expression is."""
        match expr:
            case tree.Whole():
                return expr.value
            case tree.Name():
                return self._variable(expr)
            case tree.Binary():
                return self._binary(expr)
            case tree.Load():
                return self._load(expr)
            case tree.Real():
                return self.arithmetic.literal(expr.value, expr.dtype)
            case tree.Cast():
                return self._cast(expr)
            case tree.Select():
                return self._select(expr.condition, expr.yes, expr.no)
            case tree.Logic():
                return self._logic(expr)
            case tree.Call():
                return self._call(expr)
            case tree.Inverted():
                return self._inverted(expr)
        kind = type(expr.origin).__name__
        raise GoldenError(f"the expression {kind} has no meaning here", location=expr.where)

    def _inverted(self, expr: tree.Inverted) -> Value:
        inner, ones = self.value(expr.a), 255 if expr.dtype == "uint8" else -1
        if is_index(inner):
            return inner ^ ones
        return self._combine("BitwiseXor", as_approx(inner), as_approx(ones), "int32", expr)

    def _variable(self, expr: tree.Name) -> Value:
        known = self.space.chunk.env.get(expr.var)
        if known is None:
            raise GoldenError(f"variable {expr.var.name} has no value", location=expr.where)
        if isinstance(known, Along):
            return self.space.along(known)
        if isinstance(known, Bound):
            self.asked |= known.asked
            if isinstance(known.value, Approx):
                return known.value.map(self.space.lifted)
            return self.space.lifted(np.asarray(known.value))
        if isinstance(known, np.ndarray):
            return self.space.on_blocks(known)
        return known

    def _load(self, expr: tree.Load) -> Value:
        buffer, exprs = expr.buffer, expr.indices
        if buffer is None:
            raise GoldenError("only buffers can be read", location=expr.where)
        around, self._placing = self._placing, True
        indices = [self.integer(i) for i in exprs]
        self._placing = around
        data = load(self.space, buffer, indices, exprs, expr.where)
        if expr.scalar:
            return self._scalar(expr, data)
        of_tensor = buffer not in self.space.chunk.buffers
        placing = around or not self.space.rank
        if of_tensor and placing and find_format(expr.dtype).is_integer:
            return self._whole(data, expr)  # a RISC takes it as it is
        if not self.space.chunk.machine.bounded:
            return data
        picked = is_picked(self.space, buffer, indices, exprs)
        moved = picked or is_rearranged(self.space, exprs)
        moved = moved and not (self._comparing and self.arithmetic.contract.fp32_dest)
        whole, data = data, self.arithmetic.operand(data, expr.dtype, moved)
        if not picked:
            return data
        return self.arithmetic.picked(cut_once(data, whole) if moved else data)

    def _scalar(self, expr: tree.Load, data: Approx) -> Value:
        """A scalar of the kernel; a whole number is as good as an index, where it is known."""
        free = data.taint is not None and bool((data.taint == FREE).any())
        if free and expr.buffer not in self.space.chunk.given:
            raise GoldenError(f"scalar {expr.origin.source.name} is used before it has a value",
                              location=expr.where)  # fmt: skip
        if free or not (data.is_exact and find_format(expr.dtype).is_integer):
            return data
        return data.value.astype(np.int64)

    def _cast(self, expr: tree.Cast) -> Value:
        value, source, target = self.value(expr.value), expr.value.dtype, expr.dtype
        if target == "bool":
            return truth_of(value) if isinstance(value, Approx) else _as_truth(value)
        if find_format(target).is_integer and is_index(value):
            return value
        data = as_approx(value)
        if find_format(source).is_integer and is_index(value):
            return self.arithmetic.stored(data, target, "float64")
        return self.arithmetic.stored(data, target, source)

    def _logic(self, expr: tree.Logic) -> Value:
        kind = expr.kind
        if kind == "Not":
            inner = self.truth(expr.a)
            return ~inner if isinstance(inner, (Truth, np.ndarray)) else not inner
        a = self.truth(expr.a)
        b = self._where(a, kind).truth(expr.b)
        if isinstance(a, Truth) or isinstance(b, Truth):
            first, second = Truth.of(a), Truth.of(b)
            return first & second if kind == "And" else first | second
        if is_array(a, b):
            return np.logical_and(a, b) if kind == "And" else np.logical_or(a, b)
        return (a and b) if kind == "And" else (a or b)

    def _where(self, test: Any, kind: str) -> Evaluator:
        """For the other side of ``and``, which asks only where the first one holds."""
        if kind != "And" or not self.space.rank or not isinstance(test, np.ndarray):
            return self
        inner = Evaluator(self.space.where(test))
        inner._placing = self._placing
        return inner

    def _binary(self, expr: tree.Binary) -> Value:
        kind = expr.kind
        compares = kind in _COMPARISONS
        left, right = self._sides(expr) if compares else (expr.a, expr.b)
        around, self._comparing = self._comparing, self._comparing or compares
        a, b = self.value(left), self.value(right)
        self._comparing = around
        if is_index(a) and is_index(b):
            if kind in ("FloorDiv", "FloorMod", "Div", "Mod") and not np.all(b):
                raise GoldenError("division by zero in an index", location=expr.where)
            return INDEX_OPS[kind](a, b)
        if expr.choice is not None:
            self._took(expr.choice, as_approx(a), as_approx(b))
        if kind in _COMPARISONS:
            first = as_approx(a)
            if type(left) is type(right) and tvm_ffi.structural_equal(left.origin, right.origin):
                first = _itself(first)
                return compare(kind, first, first)
            return self._compare(kind, first, as_approx(b), expr.a.dtype)
        return self._combine(kind, as_approx(a), as_approx(b), expr.dtype, expr)

    def _took(self, choice: str, a: Approx, b: Approx) -> None:
        """Note which side of a choice is the larger one, until both were."""
        machine = self.space.chunk.machine
        if machine.bounded and machine.sides.get(choice) != BOTH:
            machine.took(choice, np.less(a.value, b.value), np.greater(a.value, b.value))

    def _sides(self, expr: tree.Binary) -> tuple[tree.Expr, tree.Expr]:
        """Operands; ``x - y`` compared with zero asks what x compared with y does."""
        a, b = expr.a, expr.b
        if not isinstance(a, tree.Binary) or a.kind != "Sub" or not isinstance(b, tree.Real):
            return a, b
        wide = a.dtype in ("float32", "float16") and self.arithmetic.contract.fp32_dest
        if b.value or not wide:
            return a, b
        return a.a, a.b

    def _compare(self, kind: str, a: Approx, b: Approx, dtype: str) -> Truth:
        if self.space.chunk.machine.bounded:
            dtype, broadcast = _computed(dtype, is_broadcast(a, b))
            broadcast &= not self.arithmetic.contract.fp32_dest
            x = self.arithmetic.operand(a, dtype, broadcast)
            y = self.arithmetic.operand(b, dtype, broadcast)
            return settled(kind, compare(kind, x, y), a, b, self.arithmetic.contract.float32_source)
        return compare(kind, a, b)

    def _combine(
        self, kind: str, a: Approx, b: Approx, dtype: str, expr: tree.Binary | tree.Inverted
    ) -> Approx:  # fmt: skip
        dtype, broadcast = _computed(dtype, is_broadcast(a, b))
        ring = {"Add": self.arithmetic.add, "Sub": self.arithmetic.sub, "Mul": self.arithmetic.mul}
        if kind in ring and isinstance(expr, tree.Binary):
            return ring[kind](a, b, dtype, broadcast, stored_type(expr.a, expr.b))
        simple: dict[str, Callable[..., Approx]] = {
            "Div": self.functions.divide,
            "Max": self.functions.maximum,
            "Min": self.functions.minimum,
        }
        if kind in simple:
            return simple[kind](a, b, dtype, broadcast)
        if kind in _OF_INTEGERS and find_format(expr.dtype).is_integer:
            if a.value2 is not None or b.value2 is not None:
                return two_sided(lambda x, y: self._integers(kind, x, y, expr), a, b)
            return self._integers(kind, a, b, expr)
        raise GoldenError(f"{kind} of data has no meaning here", location=expr.where)

    def _integers(self, kind: str, a: Approx, b: Approx, expr: tree.Expr) -> Approx:
        """Quotients, remainders and bits of whole numbers."""
        lost = sum((np.asarray(x.error) != 0) | (x.taint if x.taint is not None else CLEAN) != CLEAN
                   for x in (a, b))  # fmt: skip
        if np.any(lost) and self._placing:
            raise GoldenError(f"{kind} of numbers that are not exact", location=expr.where)
        self.asked = True
        left, right = (np.where(lost, 1, x.value).astype(np.int64) for x in (a, b))
        made = exact(np.asarray(INDEX_OPS[kind](left, right)).astype(float))
        if np.any(lost):  # of these nothing is known
            taint = np.where(np.broadcast_to(lost, made.value.shape), FREE, CLEAN)
            made = replace(made, taint=taint.astype(np.uint8))
        return replace(made, jumped=merged_jumps(a, b))

    def _select(self, condition: tree.Expr, yes: tree.Expr, no: tree.Expr) -> Value:
        test = self.truth(condition)
        if isinstance(test, (bool, int, np.bool_)):
            return self.value(yes if test else no)
        if (
            isinstance(test, np.ndarray)
            and yes.dtype.startswith("int")
            and (test.all() or not test.any())
        ):  # a scalar that is given its first value has none to choose instead
            return self.value(yes if test.all() else no)
        a, b = self.value(yes), self.value(no)
        if is_index(a) and is_index(b) and not isinstance(test, Truth):
            return np.where(test, a, b)
        return choose(Truth.of(test), as_approx(a), as_approx(b))

    def _call(self, expr: tree.Call) -> Value:
        if expr.name == "likely":
            return self.value(expr.args[0])
        values = [as_approx(self.value(a)) for a in expr.args]
        return self.functions.call(expr.name, values, expr.dtype, expr.where)


def _as_truth(value: Value) -> Value:
    """A truth, or whether an integer is not zero."""
    return value if isinstance(value, Truth) else value != 0


def as_approx(value: Value) -> Approx:
    """Integers and truths as exact data."""
    if isinstance(value, Approx):
        return value
    if isinstance(value, Truth):
        return value.as_data()
    return exact(np.asarray(value, np.float64))


def _computed(dtype: str, broadcast: bool) -> tuple[str, bool]:
    """How operands of a dtype are computed with, and whether repeating one narrows it."""
    return ("float32", False) if find_format(dtype).is_integer else (dtype, broadcast)


def stored_type(a: tree.Expr, b: tree.Expr) -> str:
    """The 16-bit type both operands are kept in, where they are elements of buffers; else ""."""
    types = []
    for operand in (a, b):
        inner = operand
        while isinstance(inner, tree.Cast):
            inner = inner.value
        if not isinstance(inner, tree.Load):
            return ""
        types.append(inner.dtype)
    same = types[0] == types[1] and types[0] in ("bfloat16", "float16")
    return types[0] if same else ""


def is_broadcast(a: Approx, b: Approx) -> bool:
    """Whether one operand is repeated along an axis of the other; literals are not."""
    first, second = a.value.shape[1:], b.value.shape[1:]
    return bool(a.value.ndim and b.value.ndim) and first != second
