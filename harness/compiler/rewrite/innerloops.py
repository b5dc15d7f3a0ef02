"""Sequential loops inside T.Parallel, put around it.

Iterations of T.Parallel are independent, so each may be as far along the inner loop as all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NoReturn

from tvm import tirx

from harness.compiler.diagnostics import refuse
from harness.compiler.facts.accesses import loads_of
from harness.compiler.facts.affine import mentions
from harness.compiler.facts.kernel import read_kernel, with_body
from harness.compiler.facts.statements import children, over_children
from harness.language.nests import is_parallel, parallel_nest, relooped

_ALIKE: Final = "loop alike for all places, with the condition on what is stored inside the loop"


def interchanged(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with sequential loops inside T.Parallel around it.

    Raises:
        CompileError: a loop, or a condition around one, that differs between iterations.
    """
    kernel = read_kernel(func)
    body = _outside(kernel.body)
    return func if body.same_as(kernel.body) else with_body(func, body)


def _outside(stmt: Any) -> Any:
    """A statement outside T.Parallel."""
    loops, body = parallel_nest(stmt)
    if not loops:
        return over_children(stmt, _outside)
    return _split(body, loops) if _has_loop(body) else stmt


def _split(stmt: Any, loops: Sequence[tirx.For]) -> Any:
    """The body of a nest, each run of it without loops in ``loops`` of its own."""
    if not _has_loop(stmt):
        for loop in reversed(loops):
            stmt = relooped(loop, stmt)
        return stmt
    if isinstance(stmt, tirx.SeqStmt):
        out: list[Any] = []
        plain: list[Any] = []
        for child in (*stmt.seq, None):
            if child is not None and not _has_loop(child):
                plain.append(child)
                continue
            if plain:
                whole = plain[0] if len(plain) == 1 else tirx.SeqStmt(plain)
                out.append(_split(whole, loops))
                plain = []
            if child is not None:
                out.append(_split(child, loops))
        return out[0] if len(out) == 1 else tirx.SeqStmt(out)
    if isinstance(stmt, tirx.IfThenElse) and _differs(stmt.condition, loops):
        _check_kept(stmt)
        parts = [_under(stmt.condition, stmt.then_case)]
        if stmt.else_case is not None:
            parts.append(_under(tirx.Not(stmt.condition), stmt.else_case))
        return _split(parts[0] if len(parts) == 1 else tirx.SeqStmt(parts), loops)
    if is_parallel(stmt):
        _no("T.Parallel inside a loop inside T.Parallel", stmt)
    if isinstance(stmt, tirx.For):
        for bound in (stmt.min, stmt.extent):
            if _differs(bound, loops):
                _no("the extent of a loop inside T.Parallel that differs between iterations", stmt)
    return over_children(stmt, lambda child: _split(child, loops))


def _differs(value: Any, loops: Sequence[tirx.For]) -> bool:
    return bool(mentions(value, [loop.loop_var for loop in loops]) or loads_of(value))


def _check_kept(stmt: tirx.IfThenElse) -> None:
    """Asked anew at every store, a condition must still be what it was around them.

    Raises:
        CompileError: what it reads is stored to under it, or both of its sides store to a tensor,
            of which two stores in turn would each leave a part.
    """
    read = {load.source for load in loads_of(stmt.condition)}
    stored = [store.buffer for store in _stores(stmt)]
    if any(buffer in read for buffer in stored):
        _no("a condition around a loop inside T.Parallel, on what is stored under it", stmt)
    if stmt.else_case is not None and any(b.ty.storage_scope in ("", "global") for b in stored):
        _no("if and else around a loop inside T.Parallel that store to a tensor", stmt,
            "give a scalar of the iteration its value in either, T.alloc_var, and store that after"
            " both")  # fmt: skip


def _stores(stmt: Any) -> list[tirx.BufferStore]:
    if isinstance(stmt, tirx.BufferStore):
        return [stmt]
    return [store for child in children(stmt) for store in _stores(child)]


def _under(condition: Any, stmt: Any) -> Any:
    """A statement with a condition on everything it stores, rather than around it."""
    if _has_loop(stmt):
        return over_children(stmt, lambda child: _under(condition, child))
    return tirx.IfThenElse(condition, stmt, None, span=stmt.span)


def _no(what: str, node: Any, step: str = _ALIKE) -> NoReturn:
    refuse(what, node=node, next_step=step)


def _has_loop(stmt: Any) -> bool:
    return isinstance(stmt, tirx.For) or any(map(_has_loop, children(stmt)))
