"""Elementwise functions of the language, and index arithmetic."""

from __future__ import annotations

import builtins
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import tvm
from tvm import tirx
from tvm.ir import TensorRegion

from harness.errors import LanguageError
from harness.language.regions import Region, is_buffer
from harness.language.tensors import dtype_name

UNARY: Final = ("exp", "exp2", "log", "log2", "log1p", "sqrt", "rsqrt", "sigmoid", "tanh", "erf",
                "sin", "cos", "floor", "ceil", "round")  # fmt: skip
"""Functions of one floating value, TileLang's spelling and tirx's."""


def _float(value: Any, what: str) -> Any:
    if isinstance(value, (int, float)):
        return tirx.const(float(value), "float32")
    if not isinstance(value, tvm.ir.Expr):
        raise LanguageError(f"{what} of a {type(value).__name__}")
    if not str(value.ty.dtype).startswith(("float", "bfloat")):
        value = tirx.Cast("float32", value)
    return value


def _unary(name: str) -> Callable[..., Any]:
    function = getattr(tirx, name)

    def apply(x: Any) -> Any:
        return function(_float(x, f"T.{name}"))

    apply.__name__ = name
    apply.__doc__ = f"``T.{name}(x)``, elementwise."
    return apply


exp, exp2, log, log2, log1p, sqrt, rsqrt, sigmoid, tanh, erf, sin, cos, floor, ceil, round = (
    _unary(name) for name in UNARY
)


def same_dtype(a: Any, b: Any) -> tuple[Any, Any]:
    """Two operands of one dtype, the wider."""
    if isinstance(a, (int, float)) and isinstance(b, tvm.ir.Expr):
        return tirx.const(a, str(b.ty.dtype)), b
    if isinstance(b, (int, float)) and isinstance(a, tvm.ir.Expr):
        return a, tirx.const(b, str(a.ty.dtype))
    if not isinstance(a, tvm.ir.Expr) or not isinstance(b, tvm.ir.Expr):
        raise LanguageError(f"operands {a!r} and {b!r}")
    da, db = str(a.ty.dtype), str(b.ty.dtype)
    if da == db:
        return a, b
    wide = "float32" if "float" in da or "float" in db else "int32"
    return tuple(x if str(x.ty.dtype) == wide else tirx.Cast(wide, x) for x in (a, b))


def max(a: Any, b: Any) -> Any:
    """``T.max(a, b)``, elementwise, or of two numbers."""
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return builtins.max(a, b)
    return tirx.Max(*same_dtype(a, b))


def min(a: Any, b: Any) -> Any:
    """``T.min(a, b)``, elementwise, or of two numbers."""
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return builtins.min(a, b)
    return tirx.Min(*same_dtype(a, b))


def abs(x: Any) -> Any:
    """``T.abs(x)``, elementwise, or of a number."""
    if isinstance(x, (int, float)):
        return builtins.abs(x)
    return tirx.abs(_float(x, "T.abs"))


_PRODUCTS: Final = 4
"""Whole powers that become products."""


def pow(x: Any, y: Any) -> Any:
    """``T.pow(x, y)``, elementwise; a small integer power becomes products."""
    if isinstance(y, int) and 1 <= y <= _PRODUCTS and isinstance(x, tvm.ir.Expr):
        out = x
        for _ in range(y - 1):
            out = out * x
        return out
    return tirx.pow(*same_dtype(_float(x, "T.pow"), _float(y, "T.pow")))


def power(x: Any, y: Any) -> Any:
    """``x ** y``: products, roots and exp2 where they say the same; else as T.pow, for x > 0."""
    if isinstance(y, (int, float)) and isinstance(x, tvm.ir.Expr):
        whole = int(y) if y == int(y) else None
        if whole is not None and 1 <= builtins.abs(whole) <= _PRODUCTS:
            out = pow(x if whole > 0 else _float(x, "**"), builtins.abs(whole))
            return out if whole > 0 else 1.0 / out
        if builtins.abs(y) == 0.5:
            return sqrt(x) if y > 0 else rsqrt(x)
    if isinstance(x, (int, float)) and x == 2:
        return exp2(y)
    return pow(_float(x, "**"), _float(y, "**"))


def fma(a: Any, b: Any, c: Any) -> Any:
    """``T.fma(a, b, c)``: ``a * b + c``, elementwise; the product is rounded before the sum."""
    return a * b + c


def on_device(value: Any) -> bool:
    """Whether a value is of the kernel's own, and not of the Python around it."""
    if isinstance(value, tirx.IntImm):
        return False
    return isinstance(value, tvm.ir.Expr) or hasattr(value, "asobject")


def truth(value: Any) -> Any:
    """A value as a condition: numbers are true where they are not zero, as in Python."""
    if hasattr(value, "asobject"):
        value = value.asobject()
    if not isinstance(value, tvm.ir.Expr) or str(value.ty.dtype) == "bool":
        return value
    return tirx.NE(value, tirx.const(0, str(value.ty.dtype)))


def if_then_else(condition: Any, a: Any, b: Any) -> Any:
    """``T.if_then_else(condition, a, b)``: elementwise choice; both sides are evaluated."""
    condition = truth(condition)
    if isinstance(condition, (bool, int, float)):
        return a if condition else b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        whole = isinstance(a, int) and isinstance(b, int)
        a, b = (tirx.const(int(v), "int32") if whole else tirx.const(float(v), "float32")
                for v in (a, b))  # fmt: skip
    a, b = same_dtype(a, b)
    return tirx.Select(condition, a, b)


Select = if_then_else


def clamp(x: Any, low: Any, high: Any) -> Any:
    """``T.clamp(x, low, high)``: ``x`` within ``[low, high]``, elementwise."""
    return max(min(x, high), low)


def ceildiv(a: Any, b: Any) -> Any:
    """``T.ceildiv(a, b)``: a number where both are numbers, else an index expression."""
    if isinstance(a, int) and isinstance(b, int):
        return -(-a // b)
    return tirx.ceildiv(a, b)


def align_up(a: Any, b: Any) -> Any:
    """``T.align_up(a, b)``: the smallest multiple of ``b`` not below ``a``."""
    return ceildiv(a, b) * b


def floordiv(a: Any, b: Any) -> Any:
    """``T.floordiv(a, b)`` of indices."""
    return a // b


def floormod(a: Any, b: Any) -> Any:
    """``T.floormod(a, b)`` of indices."""
    return a % b


def bitwise_and(a: Any, b: Any) -> Any:
    """``T.bitwise_and(a, b)`` of whole numbers."""
    return a & b


def bitwise_or(a: Any, b: Any) -> Any:
    """``T.bitwise_or(a, b)`` of whole numbers."""
    return a | b


def bitwise_xor(a: Any, b: Any) -> Any:
    """``T.bitwise_xor(a, b)`` of whole numbers."""
    return a ^ b


def bitwise_not(a: Any) -> Any:
    """``T.bitwise_not(a)`` of whole numbers."""
    return ~a


def shift_left(a: Any, b: Any) -> Any:
    """``T.shift_left(a, b)`` of whole numbers."""
    return a << b


def shift_right(a: Any, b: Any) -> Any:
    """``T.shift_right(a, b)`` of whole numbers."""
    return a >> b


def likely(condition: Any) -> Any:
    """``T.likely(condition)``: the condition; the hint has no meaning here."""
    return condition


def meta_var(value: Any) -> Any:
    """``T.meta_var(value)``: the value; index expressions stand for themselves here."""
    return value


_RANGES: Final = {"int8": (-128, 127), "int16": (-(1 << 15), (1 << 15) - 1),
                  "int32": (-(1 << 31), (1 << 31) - 1), "uint8": (0, 255),
                  "uint16": (0, (1 << 16) - 1), "float16": (-65504.0, 65504.0),
                  "bfloat16": (-3.3895313892515355e38, 3.3895313892515355e38),
                  "float32": (-3.4028234663852886e38, 3.4028234663852886e38)}  # fmt: skip
"""Smallest and largest finite value of each dtype."""


def max_value(dtype: object) -> Any:
    """``T.max_value(dtype)``: the largest finite value."""
    name = dtype_name(dtype, accepted=tuple(_RANGES))
    return tirx.const(_RANGES[name][1], name)


def min_value(dtype: object) -> Any:
    """``T.min_value(dtype)``: the smallest finite value."""
    name = dtype_name(dtype, accepted=tuple(_RANGES))
    return tirx.const(_RANGES[name][0], name)


def infinity(dtype: object = "float32") -> Any:
    """``T.infinity(dtype)``."""
    return tirx.const(float("inf"), dtype_name(dtype))


def cast(value: Any, dtype: object) -> Any:
    """``T.cast(value, dtype)``."""
    name = dtype_name(
        dtype, accepted=("float32", "bfloat16", "float16", "int32", "int8", "uint8", "bool")
    )
    if isinstance(value, (int, float)):
        return tirx.const(value, name)
    if hasattr(value, "asobject"):
        value = value.asobject()
    if not isinstance(value, tvm.ir.Expr):
        raise LanguageError(f"a {type(value).__name__} cannot be cast to {name}")
    return value if str(value.ty.dtype) == name else tirx.Cast(name, value)


def Cast(dtype: object, value: Any) -> Any:
    """``T.Cast(dtype, value)``: as T.cast, dtype first."""
    return cast(value, dtype)


def all_of(*conditions: Any) -> Any:
    """``T.all_of``/``T.And``: every condition holds, of a block or slice every element."""
    out, *more = _conditions(conditions)
    for c in more:
        out = tirx.all(out, c)
    return out


def any_of(*conditions: Any) -> Any:
    """``T.any_of``/``T.Or``: some condition holds, of a block or slice some element."""
    out, *more = _conditions(conditions)
    for c in more:
        out = tirx.any(out, c)
    return out


_MOST_ASKED: Final = 32
"""Elements of a block or slice that one condition asks for."""


def _conditions(given: Sequence[Any]) -> list[Any]:
    """Conditions, with the elements of a block or slice in its place.

    Raises:
        LanguageError: more elements than one condition can ask for.
    """
    found: list[Any] = []
    for value in given:
        if not (is_buffer(value) or isinstance(value, TensorRegion)):
            found.append(truth(value))
            continue
        region = Region.of(value, "T.any_of")
        starts: list[Any] = list(region.starts)
        if math.prod(region.extents) > _MOST_ASKED:
            raise LanguageError(f"a condition on {math.prod(region.extents)} elements of"
                                f" {region.buffer.name!r}",
                                next_step=f"ask for at most {_MOST_ASKED}, or T.reduce_max them"
                                " where they are data")  # fmt: skip
        for at in itertools.product(*map(range, region.extents)):
            where = [s + i if i else s for s, i in zip(starts, at, strict=True)]
            found.append(truth(tirx.BufferLoad(region.buffer, where)))
    return found


def Not(condition: Any) -> Any:
    """``T.Not(condition)``: the condition does not hold."""
    condition = truth(condition)
    return tirx.Not(condition) if isinstance(condition, tvm.ir.Expr) else not condition
