"""Expressions inside T.Parallel loops: arithmetic, functions, broadcasts, choices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

if TYPE_CHECKING:
    from harness.fuzz.kernels.scene import Scene

CONSTANTS: Final = ("1.0", "2.0", "0.5", "-1.0", "3.0", "0.0")
FUNCTIONS: Final = ("exp", "exp2", "sigmoid", "tanh", "abs", "floor", "ceil", "sin", "cos", "erf")
"""Functions defined everywhere."""
GUARDED: Final = ("sqrt", "rsqrt", "log")
"""Functions of positive numbers: their argument is made so."""
LIMITS: Final = ("0.5", "-0.5", "0.0", "2.0")
OPERATORS: Final = ("+", "-", "*")
DEPTH: Final = 3
LONG: Final = 4
"""Levels of operators both of whose operands are as long: one more than DST holds of 32 bits."""


def _leaf(draw: st.DrawFn, full: list[str], rows: list[str], columns: list[str]) -> str:
    choices = [*full, *full, *rows, *columns]
    if not choices or draw(st.integers(0, 5)) == 5:
        return draw(st.sampled_from(CONSTANTS))
    return draw(st.sampled_from(choices))


@st.composite
def _expression(draw: st.DrawFn, full: list[str], rows: list[str], columns: list[str], depth: int,
                tests: tuple[str, ...] = ()) -> str:  # fmt: skip
    def inner() -> str:
        return draw(_expression(full, rows, columns, depth - 1, tests))

    if depth <= 0:
        return _leaf(draw, full, rows, columns)
    kind = draw(st.sampled_from(("operator", "operator", "product", "extreme", "function",
                                 "guarded", "quotient", "choice", "cast")))  # fmt: skip
    first = _leaf(draw, full, rows, columns)
    if kind == "operator":
        left = inner() if draw(st.booleans()) else first
        return f"({left} {draw(st.sampled_from(OPERATORS))} {inner()})"
    if kind == "product":
        return f"({inner()} * {inner()})"
    if kind == "extreme":
        second = draw(st.sampled_from(CONSTANTS)) if draw(st.booleans()) else inner()
        return f"T.{draw(st.sampled_from(('max', 'min')))}({_real(first)}, {second})"
    if kind == "function":
        return f"T.{draw(st.sampled_from(FUNCTIONS))}({inner()})"
    if kind == "guarded":
        return f"T.{draw(st.sampled_from(GUARDED))}(T.abs({inner()}) + 1.0)"
    if kind == "quotient":
        divisor = draw(st.sampled_from(("2.0", "4.0", f"(T.abs({_real(inner())}) + 1.0)")))
        return f"({first} / {divisor})"
    if kind == "cast":
        narrow = draw(st.sampled_from(("bfloat16", "float16")))
        return f'T.cast(T.cast({_real(inner())}, "{narrow}"), "float32")'
    relation = draw(st.sampled_from((">", "<=", ">=")))
    test = f"{_real(first)} {relation} {draw(st.sampled_from(LIMITS))}"
    placed: bool = draw(st.booleans()) if tests else False
    if placed:
        test = draw(st.sampled_from(tests))
    return f"T.if_then_else({test}, {_real(inner())}, {_real(first)})"


def _long(draw: st.DrawFn, full: list[str], rows: list[str], columns: list[str], depth: int) -> str:
    """A value of two values that are as long."""
    if not depth:
        leaf, number = _leaf(draw, full, rows, columns), draw(st.sampled_from(CONSTANTS))
        return f"({leaf} {draw(st.sampled_from(OPERATORS))} {number})"
    a, b = (_long(draw, full, rows, columns, depth - 1) for _ in range(2))
    form = draw(st.sampled_from(("({} + {})", "({} - {})", "T.max({}, {})", "T.min({}, {})")))
    return form.format(*(f'T.cast({x}, "float32")' if "[" not in x else x for x in (a, b)))


def _real(text: str) -> str:
    """A bare number as a typed one, where a function needs an expression."""
    return f'T.cast({text}, "float32")' if text in CONSTANTS else text


@st.composite
def elementwise(draw: st.DrawFn, scene: Scene, least: int = 0) -> str:
    """The value of element (i, j), ``least`` deep; it reads at least one block or vector."""
    full = [f"{n}[i, j]" for n, _ in scene.blocks]
    rows, columns = [f"{v}[i]" for v in scene.rows], [f"{v}[j]" for v in scene.columns]
    depth = draw(st.integers(least, DEPTH + 1))
    if depth > DEPTH and full:
        return _long(draw, full, rows, columns, draw(st.integers(1, LONG)))
    value = draw(_expression(full, rows, columns, min(depth, DEPTH), scene.tests))
    if "[" not in value:
        value = f"{full[0] if full else '0.0'} + {value}" if full else value
    return value


@st.composite
def update(draw: st.DrawFn, scene: Scene, target: str) -> str:
    """``target op= value``."""
    value = draw(elementwise(scene))
    return f"{target} {draw(st.sampled_from(('+=', '-=', '*=')))} {value}"


@st.composite
def vector_update(draw: st.DrawFn, scene: Scene, vector: str) -> str:
    """``vector[i] = value`` from vectors per row."""
    rows = [f"{v}[i]" for v in scene.rows]
    value = draw(_expression([], rows, [], draw(st.integers(1, 2))))
    return f"{vector}[i] = {value if '[' in value else f'{vector}[i] + {value}'}"
