"""Blocks to which loops add turn by turn, ``count[i] += hits[i]``: what is added, and how often."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harness.compiler.block.model import (
    Binary,
    Buffer,
    Eltwise,
    Expr,
    For,
    Leaf,
    Select,
    Statement,
    leaves,
)

Span = tuple[float, float]


def additions(body: list[Statement], turns: Callable[[For], float]) -> dict[Eltwise, float]:
    """Statements that add to what they store to, with how often each runs at most.

    ``turns`` says how often the body of a loop runs at most.
    """
    return {stmt: times for stmt, times in _counted(body, turns, 1.0)
            if _adds(stmt.expr, stmt.dst)}  # fmt: skip


def gain(expr: Expr, target: Buffer, span: Callable[[Expr], Span | None]) -> Span | None:
    """What is added to ``target`` by an expression of :func:`additions`; None if not known yet."""
    if isinstance(expr, Leaf):
        return 0.0, 0.0
    if isinstance(expr, Select):
        one, other = gain(expr.a, target, span), gain(expr.b, target, span)
        return None if one is None or other is None else (min(one[0], other[0]),
                                                          max(one[1], other[1]))  # fmt: skip
    if not isinstance(expr, Binary):
        raise TypeError(f"{expr} adds nothing to {target.name}")
    inner, rest = (expr.a, expr.b) if _reads(expr.a, target) else (expr.b, expr.a)
    before, more = gain(inner, target, span), span(rest)
    if before is None or more is None:
        return None
    low, high = more if expr.op == "add" else (-more[1], -more[0])
    return before[0] + low, before[1] + high


def _counted(
    body: list[Statement], turns: Callable[[For], float], times: float
) -> Iterator[tuple[Eltwise, float]]:
    for stmt in body:
        if isinstance(stmt, Eltwise):
            yield stmt, times
        inside = times * turns(stmt) if isinstance(stmt, For) else times
        for inner in stmt.bodies():
            yield from _counted(inner, turns, inside)


def _adds(expr: Expr, target: Buffer) -> bool:
    """Whether an expression is the target and what it is not part of, added or subtracted."""
    if isinstance(expr, Leaf):
        return expr.buffer is target and expr.bcast is None
    if isinstance(expr, Select):
        return _adds(expr.a, target) and _adds(expr.b, target)
    if not isinstance(expr, Binary) or expr.op not in ("add", "sub"):
        return False
    if expr.op == "add" and _adds(expr.b, target):
        return not _reads(expr.a, target)
    return _adds(expr.a, target) and not _reads(expr.b, target)


def _reads(expr: Expr, target: Buffer) -> bool:
    return any(leaf is target for leaf in leaves(expr))
