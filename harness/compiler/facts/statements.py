"""Walking the statements of a kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tvm import tirx
from tvm.ir import Call

from harness.language.nests import relooped


def statements(stmt: Any) -> Iterator[Any]:
    """Every statement below, in program order, parents first."""
    ahead = [stmt]
    while ahead:
        node = ahead.pop()
        yield node
        ahead += reversed(children(node))


def children(stmt: Any) -> tuple[Any, ...]:
    """Direct child statements."""
    kind = type(stmt)  # node classes have no subclasses, and isinstance of them is slow
    if kind is tirx.SeqStmt:
        return tuple(stmt.seq[:])  # a slice asks for each once; iterating asks for much more
    if kind in (tirx.For, tirx.AttrStmt, tirx.While):
        return (stmt.body,)
    if kind is tirx.IfThenElse:
        return (stmt.then_case,) if stmt.else_case is None else (stmt.then_case, stmt.else_case)
    return ()


def over_children(stmt: Any, change: Callable[[Any], Any]) -> Any:
    """A statement with its direct child statements changed; itself where none is."""
    old = children(stmt)
    new = [change(child) for child in old]
    if all(a.same_as(b) for a, b in zip(new, old, strict=True)):
        return stmt
    if isinstance(stmt, tirx.SeqStmt):
        return tirx.SeqStmt(new)
    if isinstance(stmt, tirx.For):
        return relooped(stmt, new[0])
    if isinstance(stmt, tirx.IfThenElse):
        return tirx.IfThenElse(stmt.condition, *new, *[None][: 2 - len(new)], stmt.span)
    return tirx.AttrStmt(stmt.node, stmt.attr_key, stmt.value, new[0], stmt.span)


def calls(stmt: Any) -> Iterator[Call]:
    """Every tile op below, in program order."""
    for node in statements(stmt):
        if type(node) is tirx.Evaluate and isinstance(node.value, Call):
            yield node.value
