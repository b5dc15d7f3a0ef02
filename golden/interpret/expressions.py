"""Evaluation of expressions over a space: exact integers and truths, or values with bounds.

Index arithmetic yields Python or NumPy integers and booleans; whatever reads memory or is real
yields an Approx; comparisons of Approx yield a Truth, which may be unsure where intervals meet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import tvm
import tvm_ffi
from tvm import tirx

from golden.approx import CLEAN, FREE, Approx, exact, merged_jumps
from golden.arithmetic import Arithmetic, two_sided
from golden.cuts import cut_once, settled
from golden.errors import GoldenError, location_of
from golden.formats import find_format
from golden.functions import Functions
from golden.interpret.access import is_picked, is_rearranged, load
from golden.interpret.space import Along, Bound, Space
from golden.source import dtype_of, is_buffer, is_scalar, op_name
from golden.truth import Truth, choose, compare, truth_of

Value = Any
"""int, bool, an integer or boolean array, an Approx or a Truth."""


def _floor_div(a: Any, b: Any) -> Any:
    return np.floor_divide(a, b) if _array(a, b) else a // b


def _trunc_div(a: Any, b: Any) -> Any:
    quotient = np.floor_divide(np.abs(a), np.abs(b)) * (np.sign(a) * np.sign(b))
    return quotient if isinstance(quotient, np.ndarray) and quotient.ndim else int(quotient)


_INDEX_OPS: Final[Mapping[str, Callable[[Any, Any], Any]]] = MappingProxyType(
    {
        "Add": lambda a, b: a + b,
        "Sub": lambda a, b: a - b,
        "Mul": lambda a, b: a * b,
        "FloorDiv": _floor_div,
        "FloorMod": lambda a, b: a - _floor_div(a, b) * b,
        "Div": _trunc_div,
        "Mod": lambda a, b: a - _trunc_div(a, b) * b,
        "Min": lambda a, b: np.minimum(a, b) if _array(a, b) else min(a, b),
        "Max": lambda a, b: np.maximum(a, b) if _array(a, b) else max(a, b),
        "EQ": lambda a, b: a == b,
        "NE": lambda a, b: a != b,
        "LT": lambda a, b: a < b,
        "LE": lambda a, b: a <= b,
        "GT": lambda a, b: a > b,
        "GE": lambda a, b: a >= b,
        "BitwiseAnd": lambda a, b: a & b,
        "BitwiseOr": lambda a, b: a | b,
        "BitwiseXor": lambda a, b: a ^ b,
        "LShift": lambda a, b: a << b,
        "RShift": lambda a, b: a >> b,
    }
)
_OF_INTEGERS: Final = frozenset(
    {"FloorDiv", "FloorMod", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "LShift", "RShift"}
)
_COMPARISONS: Final = frozenset({"EQ", "NE", "LT", "LE", "GT", "GE"})


def _array(*values: Any) -> bool:
    return any(isinstance(v, np.ndarray) for v in values)


def _is_index(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "ib"
    return isinstance(value, (int, np.integer, np.bool_))


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

    def integer(self, expr: Any) -> Any:
        """An index: an integer or an integer array over the space.

        Raises:
            GoldenError: it depends on data that is not exact.
        """
        value = self.value(expr)
        if isinstance(value, Approx):
            return self._whole(value, expr)
        if isinstance(value, Truth):
            return value.certain(expr).astype(np.int64)
        return value

    def place(self, expr: Any) -> Any:
        """An index of what is stored: what it asks of tensors, a RISC takes as it is."""
        around, self._placing = self._placing, True
        value = self.integer(expr)
        self._placing = around
        return value

    def _whole(self, data: Approx, expr: Any) -> Any:
        """Data as the integers they are."""
        if not data.is_exact or data.taint is not None:
            raise GoldenError(
                "an index depends on data that is not exact", location=location_of(expr)
            )
        self.asked = True
        return data.value.astype(np.int64)

    def approx(self, expr: Any) -> Approx:
        """Data: values with bounds, of rank 0 for literals."""
        return as_approx(self.value(expr))

    def truth(self, expr: Any) -> Any:
        """A condition: a boolean, a boolean array, or a Truth that may be unsure."""
        value = self.value(expr)
        if isinstance(value, Approx):
            return truth_of(value)
        return value if isinstance(value, Truth) else value != 0  # a word that a RISC loaded

    def value(self, expr: Any) -> Value:
        """Whatever an expression is."""
        node, kind = type(expr), type(expr).__name__  # isinstance of a node class is slow
        if node is tirx.IntImm:
            return int(expr.value)
        if node is tirx.FloatImm:
            return self.arithmetic.literal(float(expr.value), dtype_of(expr))
        if node is tvm.ir.Var:
            return self._variable(expr)
        if node is tvm.ir.TensorLoad:
            return self._load(expr)
        if node is tirx.Cast:
            return self._cast(expr)
        if node is tirx.Select:
            return self._select(expr.condition, expr.true_value, expr.false_value)
        if kind == "BitwiseNot":
            inner, ones = self.value(expr.a), 255 if dtype_of(expr) == "uint8" else -1
            if _is_index(inner):
                return inner ^ ones
            return self._combine("BitwiseXor", as_approx(inner), as_approx(ones), "int32", expr)
        if kind in ("And", "Or", "Not"):
            return self._logic(kind, expr)
        if kind in _INDEX_OPS:
            return self._binary(kind, expr)
        if node is tvm.ir.Call:
            return self._call(expr)
        raise GoldenError(f"the expression {kind} has no meaning here", location=location_of(expr))

    def _variable(self, var: Any) -> Value:
        known = self.space.chunk.env.get(var)
        if known is None:
            raise GoldenError(f"variable {var.name} has no value", location=location_of(var))
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

    def _load(self, expr: Any) -> Value:
        if not is_buffer(expr.source):
            raise GoldenError("only buffers can be read", location=location_of(expr))
        around, self._placing = self._placing, True
        exprs = expr.indices[:]
        indices = [self.integer(i) for i in exprs]
        self._placing = around
        data = load(self.space, expr.source, indices, exprs, location_of(expr))
        if is_scalar(expr.source):
            return self._scalar(expr, data)
        of_tensor = expr.source not in self.space.chunk.buffers
        placing = around or not self.space.rank
        if of_tensor and placing and find_format(dtype_of(expr)).is_integer:
            return self._whole(data, expr)  # a RISC takes it as it is
        if not self.space.chunk.machine.bounded:
            return data
        picked = is_picked(self.space, expr.source, indices, exprs)
        moved = picked or is_rearranged(self.space, exprs)
        moved = moved and not (self._comparing and self.arithmetic.contract.fp32_dest)
        whole, data = data, self.arithmetic.operand(data, dtype_of(expr), moved)
        if not picked:
            return data
        return self.arithmetic.picked(cut_once(data, whole) if moved else data)

    def _scalar(self, expr: Any, data: Approx) -> Value:
        """A scalar of the kernel; a whole number is as good as an index."""
        if data.taint is not None and (data.taint == FREE).any():
            raise GoldenError(f"scalar {expr.source.name} is used before it has a value",
                              location=location_of(expr))  # fmt: skip
        if not find_format(dtype_of(expr)).is_integer:
            return data
        return data.value.astype(np.int64)

    def _cast(self, expr: Any) -> Value:
        value, source, target = self.value(expr.value), dtype_of(expr.value), dtype_of(expr)
        if target == "bool":
            return truth_of(value) if isinstance(value, Approx) else _as_truth(value)
        if find_format(target).is_integer and _is_index(value):
            return value
        data = as_approx(value)
        if find_format(source).is_integer and _is_index(value):
            return self.arithmetic.stored(data, target, "float64")
        return self.arithmetic.stored(data, target, source)

    def _logic(self, kind: str, expr: Any) -> Value:
        if kind == "Not":
            inner = self.truth(expr.a)
            return ~inner if isinstance(inner, (Truth, np.ndarray)) else not inner
        a = self.truth(expr.a)
        b = self._where(a, kind).truth(expr.b)
        if isinstance(a, Truth) or isinstance(b, Truth):
            first, second = Truth.of(a), Truth.of(b)
            return first & second if kind == "And" else first | second
        if _array(a, b):
            return np.logical_and(a, b) if kind == "And" else np.logical_or(a, b)
        return (a and b) if kind == "And" else (a or b)

    def _where(self, test: Any, kind: str) -> Evaluator:
        """For the other side of ``and``, which asks only where the first one holds."""
        if kind != "And" or not self.space.rank or not isinstance(test, np.ndarray):
            return self
        inner = Evaluator(self.space.where(test))
        inner._placing = self._placing
        return inner

    def _binary(self, kind: str, expr: Any) -> Value:
        left, right = self._sides(kind, expr)
        around, self._comparing = self._comparing, self._comparing or kind in _COMPARISONS
        a, b = self.value(left), self.value(right)
        self._comparing = around
        if _is_index(a) and _is_index(b):
            if kind in ("FloorDiv", "FloorMod", "Div", "Mod") and not np.all(b):
                raise GoldenError("division by zero in an index", location=location_of(expr))
            return _INDEX_OPS[kind](a, b)
        if kind in _COMPARISONS:
            first = as_approx(a)
            if type(left) is type(right) and tvm_ffi.structural_equal(left, right):
                first = _itself(first)
                return compare(kind, first, first)
            return self._compare(kind, first, as_approx(b), dtype_of(expr.a))
        return self._combine(kind, as_approx(a), as_approx(b), dtype_of(expr), expr)

    def _sides(self, kind: str, expr: Any) -> tuple[Any, Any]:
        """Operands; ``x - y`` compared with zero asks what x compared with y does."""
        a, b = expr.a, expr.b
        difference = kind in _COMPARISONS and type(a) is tirx.Sub and type(b) is tirx.FloatImm
        if not difference or b.value or dtype_of(a) != "float32":
            return a, b
        return (a.a, a.b) if self.arithmetic.contract.fp32_dest else (a, b)

    def _compare(self, kind: str, a: Approx, b: Approx, dtype: str) -> Truth:
        if self.space.chunk.machine.bounded:
            dtype, broadcast = _computed(dtype, is_broadcast(a, b))
            broadcast &= not self.arithmetic.contract.fp32_dest
            x = self.arithmetic.operand(a, dtype, broadcast)
            y = self.arithmetic.operand(b, dtype, broadcast)
            return settled(kind, compare(kind, x, y), a, b, self.arithmetic.contract.float32_source)
        return compare(kind, a, b)

    def _combine(self, kind: str, a: Approx, b: Approx, dtype: str, expr: Any) -> Approx:
        dtype, broadcast = _computed(dtype, is_broadcast(a, b))
        ring = {"Add": self.arithmetic.add, "Sub": self.arithmetic.sub, "Mul": self.arithmetic.mul}
        if kind in ring:
            return ring[kind](a, b, dtype, broadcast, stored_type(expr.a, expr.b))
        simple: dict[str, Callable[..., Approx]] = {
            "Div": self.functions.divide,
            "Max": self.functions.maximum,
            "Min": self.functions.minimum,
        }
        if kind in simple:
            return simple[kind](a, b, dtype, broadcast)
        if kind in _OF_INTEGERS and find_format(dtype_of(expr)).is_integer:
            if a.value2 is not None or b.value2 is not None:
                return two_sided(lambda x, y: self._integers(kind, x, y, expr), a, b)
            return self._integers(kind, a, b, expr)
        raise GoldenError(f"{kind} of data has no meaning here", location=location_of(expr))

    def _integers(self, kind: str, a: Approx, b: Approx, expr: Any) -> Approx:
        """Quotients, remainders and bits of whole numbers."""
        lost = sum((np.asarray(x.error) != 0) | (x.taint if x.taint is not None else CLEAN) != CLEAN
                   for x in (a, b))  # fmt: skip
        if np.any(lost) and self._placing:
            raise GoldenError(f"{kind} of numbers that are not exact", location=location_of(expr))
        self.asked = True
        left, right = (np.where(lost, 1, x.value).astype(np.int64) for x in (a, b))
        made = exact(np.asarray(_INDEX_OPS[kind](left, right)).astype(float))
        if np.any(lost):  # of these nothing is known
            taint = np.where(np.broadcast_to(lost, made.value.shape), FREE, CLEAN)
            made = replace(made, taint=taint.astype(np.uint8))
        return replace(made, jumped=merged_jumps(a, b))

    def _select(self, condition: Any, yes: Any, no: Any) -> Value:
        test = self.truth(condition)
        if isinstance(test, (bool, int, np.bool_)):
            return self.value(yes if test else no)
        if (
            isinstance(test, np.ndarray)
            and dtype_of(yes).startswith("int")
            and (test.all() or not test.any())
        ):  # a scalar that is given its first value has none to choose instead
            return self.value(yes if test.all() else no)
        a, b = self.value(yes), self.value(no)
        if _is_index(a) and _is_index(b) and not isinstance(test, Truth):
            return np.where(test, a, b)
        return choose(Truth.of(test), as_approx(a), as_approx(b))

    def _call(self, expr: Any) -> Value:
        name = op_name(expr).rsplit(".", 1)[-1]
        args = expr.args[:]
        if name == "if_then_else":
            return self._select(args[0], args[1], args[2])
        if name == "likely":
            return self.value(args[0])
        values = [self.value(a) for a in args]
        return self.functions.call(
            name, [as_approx(v) for v in values], dtype_of(expr), location_of(expr)
        )


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


def stored_type(a: Any, b: Any) -> str:
    """The 16-bit type both operands are kept in, where they are elements of buffers; else ""."""
    types = []
    for operand in (a, b):
        inner = operand
        while type(inner) is tirx.Cast:
            inner = inner.value
        if type(inner) is not tvm.ir.TensorLoad:
            return ""
        types.append(dtype_of(inner))
    same = types[0] == types[1] and types[0] in ("bfloat16", "float16")
    return types[0] if same else ""


def is_broadcast(a: Approx, b: Approx) -> bool:
    """Whether one operand is repeated along an axis of the other; literals are not."""
    first, second = a.value.shape[1:], b.value.shape[1:]
    return bool(a.value.ndim and b.value.ndim) and first != second
