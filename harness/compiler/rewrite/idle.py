"""Loops that never run: ``for p in T.serial(P - 1)`` of a kernel built for ``P = 1``."""

from __future__ import annotations

from typing import Any

from tvm import tirx

from harness.compiler.facts.kernel import read_kernel, with_body
from harness.compiler.facts.statements import over_children
from harness.compiler.tt_ops import seq
from harness.language.regions import constant


def without_idle(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function without loops of no iteration, which would ask for buffers that nobody fills."""
    kernel = read_kernel(func)
    body = _statement(kernel.body)
    return func if body is None or body.same_as(kernel.body) else with_body(func, body)


def _statement(stmt: Any) -> Any | None:
    """A statement without such loops; None where nothing else is left."""
    if isinstance(stmt, tirx.For):
        extent = constant(stmt.extent)
        if extent is not None and extent <= 0:
            return None
    if isinstance(stmt, tirx.SeqStmt):
        kept = [s for s in map(_statement, stmt.seq) if s is not None]
        if len(kept) == len(stmt.seq) and all(map(_same, kept, stmt.seq)):
            return stmt
        return seq(kept) if kept else None
    if isinstance(stmt, (tirx.For, tirx.AttrStmt)):
        body = _statement(stmt.body)
        return None if body is None else over_children(stmt, lambda _: body)
    return stmt


def _same(one: Any, other: Any) -> bool:
    return bool(one.same_as(other))
