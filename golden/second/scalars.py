"""Expressions of the source as scalar expressions over float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import tvm
from tvm import tirx

from golden.second.errors import NoSecondOpinionError
from golden.second.memory import REAL, Memory, converted, working
from golden.source import dtype_of, is_buffer, op_name

_ARITHMETIC: Final = ("Add", "Sub", "Mul", "Div", "Min", "Max")
_WHOLE: Final = ("FloorDiv", "FloorMod", "Mod", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "LShift",
                 "RShift")  # fmt: skip
"""Operations of integers alone."""
_COMPARISONS: Final = ("EQ", "NE", "LT", "LE", "GT", "GE")
_LIBM: Final = ("exp", "exp2", "log", "log2", "log1p", "tanh", "erf", "sin", "cos", "pow")
"""Functions the C library computes; LLVM's own expansions of some are less accurate."""


def _libm(name: str, *args: Any) -> Any:
    return tirx.call_pure_extern(REAL, name, *args)


def _inverse(value: Any) -> Any:
    return tirx.Div(tirx.const(1, REAL), value)


_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = MappingProxyType({
    **{name: partial(_libm, name) for name in _LIBM},
    "sigmoid": lambda x: _inverse(tirx.const(1, REAL) + _libm("exp", -x)),
    "sqrt": tirx.sqrt,
    "rsqrt": lambda x: _inverse(tirx.sqrt(x)),
    "fabs": tirx.abs,
    "floor": tirx.floor,
    "ceil": tirx.ceil,
    "trunc": tirx.trunc,
    "round": tirx.nearbyint,  # halves go to the even neighbour; LLVM's own round is another
    "nearbyint": tirx.nearbyint,
})  # fmt: skip
"""Functions of reals, by the last part of TVM's name."""


class Scalars:
    """Lowers expressions."""

    def __init__(self, memory: Memory) -> None:
        """``memory`` holds what expressions read."""
        self.memory = memory
        self.names: dict[Any, Any] = {}

    def condition(self, expr: Any) -> Any:
        """An expression as a truth."""
        return converted(self.value(expr), "bool")

    def value(self, expr: Any) -> Any:
        """An expression in its working type.

        Raises:
            NoSecondOpinionError: it has no lowering here.
        """
        kind = type(expr).__name__
        if isinstance(expr, tirx.IntImm):
            return expr
        if isinstance(expr, tirx.FloatImm):
            return tirx.const(float(expr.value), REAL)
        if isinstance(expr, tvm.ir.Var) and not is_buffer(expr):
            return self.names.get(expr, expr)
        if isinstance(expr, tvm.ir.TensorLoad) and is_buffer(expr.source):
            return self.memory.load(expr.source, [self.value(i) for i in expr.indices[:]], expr)
        if isinstance(expr, tirx.Cast):
            return converted(self.value(expr.value), working(dtype_of(expr)))
        if isinstance(expr, tirx.Select):
            return self._chosen(expr.condition, expr.true_value, expr.false_value)
        if isinstance(expr, tirx.Not):
            return tirx.Not(self.condition(expr.a))
        if kind == "BitwiseNot" and working(dtype_of(expr)) != REAL:
            return tirx.BitwiseNot(self.value(expr.a))
        if isinstance(expr, (tirx.And, tirx.Or)):
            return type(expr)(self.condition(expr.a), self.condition(expr.b))
        if kind in (*_ARITHMETIC, *_WHOLE, *_COMPARISONS):
            return self._binary(kind, expr)
        if isinstance(expr, tvm.ir.Call):
            return self._call(expr)
        raise NoSecondOpinionError(f"the expression {kind}", expr)

    def _binary(self, kind: str, expr: Any) -> Any:
        a, b = self.value(expr.a), self.value(expr.b)
        if kind in _WHOLE and str(a.ty.dtype) == REAL:
            raise NoSecondOpinionError(f"{kind} of reals", expr)
        return type(expr)(a, b)

    def _chosen(self, condition: Any, yes: Any, no: Any) -> Any:
        """One of two values; only the chosen one is computed."""
        return tirx.if_then_else(self.condition(condition), self.value(yes), self.value(no))

    def _call(self, expr: Any) -> Any:
        name, args = op_name(expr).rsplit(".", 1)[-1], expr.args[:]
        if name == "if_then_else":
            return self._chosen(*args)
        if name == "likely":
            return self.value(args[0])
        if working(dtype_of(expr)) == REAL:
            values = [converted(self.value(a), REAL) for a in args]
            if name in _FUNCTIONS:
                return _FUNCTIONS[name](*values)
        raise NoSecondOpinionError(f"the function {op_name(expr) or expr.op}", expr)
