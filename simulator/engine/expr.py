"""Expressions: from the program's prefix lists to polynomials and to Python closures.

A polynomial shows what fusing and addressing need: how an index depends on loop variables. It
maps monomials (sorted tuples of atoms) to integer coefficients; an atom is a name or an opaque
operator application. Programs are checked when loaded; what is met here and still wrong raises
:class:`ExprError`, which becomes a finding when the statement is executed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import CodeType
from typing import Any, Final, TypeAlias

from simulator.engine.exprops import FUNCTIONS
from simulator.engine.values import Value
from simulator.program import EXPR_OPS

Poly: TypeAlias = "dict[tuple[Any, ...], int]"
Scalar: TypeAlias = "Callable[[list[Any]], Value]"
"""Evaluates an expression over the registers of a group."""

MAX_TERMS: Final = 64
"""Monomials a polynomial may have before a product stays opaque."""

MAX_DEPTH: Final = 60
"""Nesting of an expression; CPython's parser takes 100 parentheses."""

LIMIT: Final = 1 << 62
"""Magnitude of literals; lane vectors are int64."""


class ExprError(Exception):
    """An expression that cannot be evaluated."""


def poly_of(expr: Any, names: Mapping[str, Poly], depth: int = 0) -> Poly:
    """The polynomial of an expression; ``names`` gives the meaning of every name in scope."""
    if depth > MAX_DEPTH:
        raise ExprError(f"expression is nested deeper than {MAX_DEPTH}")
    kind = type(expr)
    if kind is int:
        return const(expr)
    if kind is str:
        if expr not in names:
            raise ExprError(f"unknown name {expr!r}")
        return names[expr]
    if kind is not list and kind is not tuple:
        raise ExprError(f"{expr!r} is no integer expression")
    return _apply(expr, names, depth)


def _apply(expr: Any, names: Mapping[str, Poly], depth: int) -> Poly:
    known = bool(expr) and isinstance(expr[0], str) and expr[0] in EXPR_OPS
    if not known or len(expr) != EXPR_OPS[expr[0]] + 1:
        raise ExprError(f"{expr!r} is no operator application")
    op = expr[0]
    if op.startswith("get_"):
        if isinstance(expr[1], bool) or not isinstance(expr[1], int):
            raise ExprError(f"{op} takes a literal id, got {expr[1]!r}")
        return {((op, expr[1]),): 1}
    operands = [poly_of(item, names, depth + 1) for item in expr[1:]]
    if op == "+":
        return add(operands[0], operands[1])
    if op == "-":
        return add(operands[0], scale(operands[1], -1))
    if op == "*" and len(operands[0]) * len(operands[1]) <= MAX_TERMS:
        return mul(operands[0], operands[1])
    constants = [value_of(p) for p in operands]
    if all(c is not None for c in constants):
        try:
            function: Any = FUNCTIONS[op]
            return const(int(function(*constants)))
        except ZeroDivisionError:
            pass
    if op in ("//", "%") and constants[1] == 1:
        return operands[0] if op == "//" else {}
    return {((op, *(freeze(p) for p in operands)),): 1}


def const(value: int) -> Poly:
    """A constant."""
    if abs(value) > LIMIT:
        raise ExprError(f"{value} exceeds 62 bits")
    return {(): value} if value else {}


def name(text: str) -> Poly:
    """A name."""
    return {(text,): 1}


def value_of(poly: Poly) -> int | None:
    """The value of a constant polynomial, else None."""
    if not poly:
        return 0
    return poly[()] if len(poly) == 1 and () in poly else None


def add(a: Poly, b: Poly) -> Poly:
    """Sum."""
    out = dict(a)
    for mono, coefficient in b.items():
        total = out.get(mono, 0) + coefficient
        if total:
            out[mono] = total
        else:
            out.pop(mono, None)
    return out


def scale(a: Poly, factor: int) -> Poly:
    """Product with a constant."""
    return {mono: coefficient * factor for mono, coefficient in a.items()} if factor else {}


def mul(a: Poly, b: Poly) -> Poly:
    """Product."""
    for one, other in ((a, b), (b, a)):
        factor = value_of(other)
        if factor is not None:
            return scale(one, factor)
    out: Poly = {}
    for m1, c1 in a.items():
        for m2, c2 in b.items():
            out = add(out, {tuple(sorted(m1 + m2, key=repr)): c1 * c2})
    return out


def freeze(poly: Poly) -> tuple[Any, ...]:
    """A hashable form."""
    return tuple(sorted(poly.items(), key=repr))


def names_in(poly: Poly) -> frozenset[Any]:
    """Names (strings) and pointer atoms (tuples) a polynomial depends on."""
    found: set[Any] = set()
    _collect(poly.keys(), found)
    return frozenset(found)


def _collect(monomials: Any, found: set[Any]) -> None:
    for mono in monomials:
        for atom in mono:
            if isinstance(atom, str) or (atom[0].startswith("get_")):
                found.add(atom)
            else:
                for operand in atom[1:]:
                    _collect((m for m, _ in operand), found)


def slope(poly: Poly, var: str) -> tuple[Poly, Poly] | None:
    """(coefficient, rest) with poly = coefficient*var + rest, or None if not linear in var."""
    coefficient: Poly = {}
    rest: Poly = {}
    for mono, factor in poly.items():
        others = tuple(atom for atom in mono if atom != var)
        opaque = any(var in names_in({(x,): 1}) for x in others if not isinstance(x, str))
        if len(mono) - len(others) > 1 or opaque:
            return None
        if len(others) < len(mono):
            coefficient[others] = coefficient.get(others, 0) + factor
        else:
            rest[mono] = factor
    return coefficient, rest


def split(poly: Poly, apart: Callable[[Any], bool]) -> tuple[Poly, Poly]:
    """Monomials that depend on a name or pointer for which ``apart`` holds, and the others."""
    yes: Poly = {}
    no: Poly = {}
    for mono, factor in poly.items():
        target = yes if any(apart(item) for item in names_in({mono: 1})) else no
        target[mono] = factor
    return yes, no


def source_of(poly: Poly, register: Callable[[Any], str]) -> str:
    """Python text of a polynomial; ``register`` gives the text of a name or pointer atom."""
    terms = []
    for mono, factor in poly.items():
        parts = [_atom(atom, register) for atom in mono]
        if factor != 1 or not parts:
            parts.append(f"({factor})")
        terms.append("*".join(parts))
    return " + ".join(terms) or "0"


def _atom(atom: Any, register: Callable[[Any], str]) -> str:
    if isinstance(atom, str) or atom[0].startswith("get_"):
        return register(atom)
    operands = [source_of(dict(operand), register) for operand in atom[1:]]
    if atom[0] in ("//", "%") and value_of(dict(atom[2])):
        return f"(({operands[0]}){atom[0]}({operands[1]}))"
    if atom[0] == "?":
        return f"F['?']({operands[0]}, lambda: {operands[1]}, lambda: {operands[2]})"
    return f"F[{atom[0]!r}]({', '.join(operands)})"


def compile_text(text: str, context: Mapping[str, Any]) -> Scalar:
    """A closure over the registers ``r`` for text made by :func:`source_of`."""
    try:
        return eval(_parsed(text), {"F": FUNCTIONS, **context})  # type: ignore[no-any-return]  # noqa: S307 - the text holds integers, register numbers and table functions only
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ExprError(f"expression is too large: {error}") from error


@lru_cache(maxsize=4096)
def _parsed(text: str) -> CodeType:
    """Python's code of an expression; programs have few forms of them, and parsing is slow."""
    return compile(f"lambda r: {text}", "<expression>", "eval")
