"""Affine index expressions, and the loops around a statement."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import tvm
from tvm import tirx

from harness.compiler.facts.accesses import ARITHMETIC
from harness.compiler.facts.kernel import Kernel
from harness.compiler.facts.statements import children
from harness.language.regions import constant, is_buffer
from harness.language.walks import structural_walk


@contextmanager
def supposing(analyzer: Any, conditions: Iterable[Any]) -> Iterator[None]:
    """A scope in which an analyzer knows that conditions hold."""
    with ExitStack() as known:
        for condition in conditions:
            known.enter_context(analyzer.constraint_scope(condition))
        yield


def proves_below(analyzer: Any, expr: Any, size: int, conditions: Iterable[Any]) -> bool:
    """Whether ``expr < size``, where ``analyzer`` knows the ranges of variables.

    TVM does not see ``32 * b + 16 * t + i`` below 48 where ``2 * b + t < 3``: a multiple of what a
    condition bounds is taken off first.
    """
    if analyzer.can_prove(expr < size):
        return True
    for condition in conditions:
        if not isinstance(condition, tirx.LT) or (limit := constant(condition.b)) is None:
            continue
        used: list[Any] = []
        structural_walk(condition.a, [(tvm.ir.Var, used.append)])
        variables = list(dict.fromkeys(used))
        bounded, own = affine(condition.a, variables), affine_part(expr, variables)
        if bounded is None or own is None:
            continue
        factors = {a // b for a, b in zip(own, bounded.coefficients, strict=True) if b}
        if len(factors) != 1 or (factor := factors.pop()) <= 0:
            continue
        rest = analyzer.simplify(expr - condition.a * factor)
        if factor * (limit - 1) + int(analyzer.const_int_bound(rest).max_value) < size:
            return True
    return False


def affine_part(expr: Any, variables: Sequence[Any]) -> list[int] | None:
    """Coefficients of some variables of an index; None where one has no constant one."""
    found = tvm.sym.detect_linear_equation(expr, list(variables))
    steps = [constant(step) for step in found[:-1]]
    return None if len(steps) < len(variables) or None in steps else [s or 0 for s in steps]


@dataclass(frozen=True)
class Affine:
    """``base + sum(coefficient[i] * variables[i])`` with integer coefficients."""

    base: int
    coefficients: tuple[int, ...]
    variables: tuple[Any, ...]

    def of(self, var: Any) -> int:
        """Coefficient of one variable; 0 where it does not occur or is None."""
        if var is None:
            return 0
        for v, c in zip(self.variables, self.coefficients, strict=True):
            if v.same_as(var):
                return c
        return 0


def affine(expr: Any, variables: Sequence[Any]) -> Affine | None:
    """The affine form of ``expr`` over ``variables``, or None where it has none."""
    value = constant(expr)
    if value is not None:
        return Affine(value, (0,) * len(variables), tuple(variables))
    if any(map(is_buffer, variables)):
        return None  # it reads memory
    found = tvm.sym.detect_linear_equation(expr, list(variables))
    if not found:
        return None
    numbers = [constant(c) for c in found]
    if any(n is None for n in numbers):
        return None
    return Affine(numbers[-1], tuple(numbers[:-1]), tuple(variables))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Loop:
    """A loop around a statement: its variable and, where constant, its range."""

    var: Any
    start: int | None
    extent: int | None


def with_loops(stmt: Any, around: tuple[Loop, ...] = ()) -> Iterator[tuple[Any, tuple[Loop, ...]]]:
    """Every statement below with the loops around it, outermost first."""
    yield stmt, around
    if isinstance(stmt, tirx.For):
        loop = Loop(stmt.loop_var, constant(stmt.min), constant(stmt.extent))
        around = (*around, loop)
    for child in children(stmt):
        yield from with_loops(child, around)


def conjuncts(test: Any) -> list[Any]:
    """Parts of a condition that all have to hold, in order."""
    return [*conjuncts(test.a), *conjuncts(test.b)] if isinstance(test, tirx.And) else [test]


def mentions(node: Any, variables: Collection[Any]) -> bool:
    """Whether an expression or statement mentions any of some variables."""
    if not isinstance(node, (tvm.ir.Expr, tirx.Stmt)) or isinstance(node, tirx.IntImm):
        return False
    if isinstance(node, tvm.ir.Var):
        return any(node.same_as(v) for v in variables)
    if type(node) in ARITHMETIC:
        return mentions(node.a, variables) or mentions(node.b, variables)
    found: list[Any] = []
    structural_walk(node, [(tvm.ir.Var, found.append)])
    return any(f.same_as(v) for v in variables for f in found)


def mentioned(node: Any) -> set[Any]:
    """Every variable an expression or statement mentions, for asking after several at once."""
    found: set[Any] = set()
    structural_walk(node, [(tvm.ir.Var, found.add)])
    return found


Bounds = tuple[Any, Any, Any]
"""A variable with its minimum and extent."""


def surely_runs(loop: tirx.For, ranges: Sequence[Bounds]) -> bool:
    """Whether a loop has at least one iteration, whatever the variables in ``ranges`` are."""
    extent = constant(loop.extent)
    if extent is not None:
        return extent > 0
    analyzer = tvm.sym.Analyzer()
    for var, start, size in ranges:
        analyzer.bind(var, tvm.ir.Range.from_min_extent(start, size))
    return bool(analyzer.can_prove(loop.extent > 0))


def block_ranges(kernel: Kernel) -> list[Bounds]:
    """Ranges of the grid's variables."""
    pairs = zip(kernel.block_vars, kernel.grid, strict=True)
    return [(var, 0, extent) for var, extent in pairs if var is not None]
