"""Sequential loops inside T.Parallel, put around it.

Iterations of T.Parallel are independent, so each may be as far along the inner loop as all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from tvm import tirx

from harness.compiler.affine import mentions
from harness.compiler.diagnostics import refuse
from harness.compiler.kernel import children, loads_of, over_children, read_kernel, with_body
from harness.compiler.nests import is_parallel, parallel_nest


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
            stmt = _loop(loop, stmt)
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
    if isinstance(stmt, tirx.IfThenElse):
        _check_alike(stmt.condition, loops, "a condition around a loop", stmt)
    elif is_parallel(stmt):
        _no("T.Parallel inside a loop inside T.Parallel", stmt)
    elif isinstance(stmt, tirx.For):
        for bound in (stmt.min, stmt.extent):
            _check_alike(bound, loops, "the extent of a loop", stmt)
    return over_children(stmt, lambda child: _split(child, loops))


def _check_alike(value: Any, loops: Sequence[tirx.For], what: str, node: Any) -> None:
    if mentions(value, [loop.loop_var for loop in loops]) or loads_of(value):
        _no(f"{what} inside T.Parallel that differs between iterations", node)


def _no(what: str, node: Any) -> NoReturn:
    refuse(what, node=node, next_step="loop alike for all places, with the condition on what is"
           " stored inside the loop")  # fmt: skip


def _has_loop(stmt: Any) -> bool:
    return isinstance(stmt, tirx.For) or any(map(_has_loop, children(stmt)))


def _loop(loop: tirx.For, body: Any) -> tirx.For:
    return tirx.For(loop.loop_var, loop.min, loop.extent, loop.kind, body,
                    annotations=loop.annotations, span=loop.span)  # fmt: skip
