"""Loops and nests of T.Parallel."""

from __future__ import annotations

from typing import Any

from tvm import tirx


def is_parallel(stmt: Any) -> bool:
    """Whether a statement is a loop of T.Parallel."""
    return isinstance(stmt, tirx.For) and stmt.kind == tirx.ForKind.PARALLEL


def parallel_nest(stmt: Any) -> tuple[list[tirx.For], Any]:
    """The loops of T.Parallel that begin with a statement, outermost first, and what is in them."""
    loops: list[tirx.For] = []
    while is_parallel(stmt):
        loops.append(stmt)
        stmt = stmt.body
    return loops, stmt


def relooped(
    loop: tirx.For, body: Any, *, var: Any = None, start: Any = None, extent: Any = None
) -> tirx.For:
    """A loop around another body, over another range or variable where they are given."""
    return tirx.For(
        loop.loop_var if var is None else var,
        loop.min if start is None else start,
        loop.extent if extent is None else extent,
        loop.kind,
        body,
        loop.thread_binding,
        loop.annotations,
        loop.step,
        loop.span,
    )
