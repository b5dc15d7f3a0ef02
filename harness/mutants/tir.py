"""Changing functions between passes: attributes, statements, calls, constants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import Call

from harness.compiler import attrs


def change_attr(key: str, change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A mutator of one attribute; None where it is missing or stays."""

    def apply(func: Any) -> Any:
        old = attrs.get(func, key)
        if old is None:
            return None
        new = change(attrs.get(func, key))
        return None if new is None or new == old else func.with_attr(key, new)

    return apply


def change_each(key: str, change: Callable[[str, dict[str, Any]], Any]) -> Callable[[Any], Any]:
    """A mutator of every entry of an attribute that maps names to maps."""

    def whole(table: Any) -> Any:
        return {name: {**entry, **(change(name, entry) or {})} for name, entry in table.items()}

    return change_attr(key, whole)


def op_name(stmt: Any) -> str:
    """Name of the op an Evaluate calls, without its dialect; empty for anything else."""
    if isinstance(stmt, tirx.Evaluate) and isinstance(stmt.value, Call):
        return str(getattr(stmt.value.op, "name", "")).partition(".")[2]
    return ""


def change_stmts(func: Any, change: Callable[[Any], list[Any] | None], which: str = "all") -> Any:
    """Statements in place of statements, outermost first; None where nothing changes.

    ``change`` gives a list, empty to drop the statement, or None to look inside it.
    """
    seen = 0
    total = None
    if which == "last":
        total = _count(func.body, change)
        if not total:
            return None

    def down(stmt: Any) -> list[Any]:
        nonlocal seen
        new = change(stmt)
        if new is not None:
            seen += 1
            if which == "all" or (which == "first" and seen == 1) or seen == total:
                return new
        return inside(stmt)

    def inside(stmt: Any) -> list[Any]:
        if isinstance(stmt, tirx.SeqStmt):
            return [s for child in stmt.seq for s in down(child)]
        if isinstance(stmt, tirx.For):
            body = down(stmt.body)
            return [with_body(stmt, body)] if body else []
        if isinstance(stmt, tirx.AttrStmt):
            body = down(stmt.body)
            return [tirx.AttrStmt(stmt.node, stmt.attr_key, stmt.value, joined(body), stmt.span)
                    ] if body else []  # fmt: skip
        if isinstance(stmt, tirx.IfThenElse):
            then = down(stmt.then_case)
            orelse = [] if stmt.else_case is None else down(stmt.else_case)
            if not then:
                return []
            return [tirx.IfThenElse(stmt.condition, joined(then),
                                    joined(orelse) if orelse else None, stmt.span)]  # fmt: skip
        return [stmt]

    body = down(func.body)
    return func.with_body(joined(body)) if seen and body else None


def _count(stmt: Any, change: Callable[[Any], list[Any] | None]) -> int:
    if change(stmt) is not None:
        return 1
    if isinstance(stmt, tirx.SeqStmt):
        return sum(_count(s, change) for s in stmt.seq)
    if isinstance(stmt, (tirx.For, tirx.AttrStmt)):
        return _count(stmt.body, change)
    if isinstance(stmt, tirx.IfThenElse):
        orelse = 0 if stmt.else_case is None else _count(stmt.else_case, change)
        return _count(stmt.then_case, change) + orelse
    return 0


def joined(body: list[Any]) -> Any:
    """One statement of several."""
    return body[0] if len(body) == 1 else tirx.SeqStmt(body)


def with_body(loop: Any, body: list[Any], *, start: Any = None, extent: Any = None) -> Any:
    """A loop with another body, start or extent."""
    return tirx.For(loop.loop_var, loop.min if start is None else start,
                    loop.extent if extent is None else extent, loop.kind, joined(body),
                    annotations=loop.annotations, span=loop.span)  # fmt: skip


def change_calls(func: Any, name: str, change: Callable[[list[Any]], Any]) -> Any:
    """Operands of calls of one op; None where nothing changes.

    ``change`` gets the list of operands and gives another, or None.
    """
    changed = False

    def rewrite(call: Call) -> Any:
        nonlocal changed
        if str(getattr(call.op, "name", "")).partition(".")[2] != name:
            return call
        new = change(list(call.args))
        if new is None:
            return call
        changed = True
        op, args = new if isinstance(new, tuple) else (call.op, new)
        return Call(op, args, ret_ty=call.ty, span=call.span)

    body = tvm_ffi.structural_map(func.body, [(Call, rewrite)], order="post")
    return func.with_body(body) if changed else None


def integer(value: int) -> Any:
    """An int32 constant."""
    return tirx.const(value, "int32")


def constant(expr: Any) -> int | None:
    """The value of an integer constant."""
    return int(expr) if isinstance(expr, tirx.IntImm) else None


def op(name: str) -> Any:
    """A registered op."""
    return tvm.ir.Op.get(name)


def drop(name: str, which: str = "all") -> Callable[[Any], Any]:
    """A mutator that leaves calls of an op out."""
    return lambda f: change_stmts(f, lambda s: [] if op_name(s) == name else None, which)


def twice(name: str) -> Callable[[Any], Any]:
    """A mutator that makes calls of an op twice."""
    return lambda f: change_stmts(f, lambda s: [s, s] if op_name(s) == name else None)
