"""Stores to one row or column of a block, as updates of all of it where that line is.

``w[i, k] = top[i]`` with ``k`` of a loop around stores one column. Tiles are stored whole: of every
column ``j`` the block keeps what it held, and column ``k`` gets the value,
``w[i, j] = T.if_then_else(j == k, top[i], w[i, j])``. A block that nothing filled before begins as
zeros; those are values nobody may ask for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tvm import tirx
from tvm.ir import TensorLoad

from harness.compiler.diagnostics import refuse
from harness.compiler.facts.affine import mentions
from harness.compiler.facts.kernel import read_kernel, with_body
from harness.compiler.facts.statements import over_children
from harness.compiler.tt_ops import seq
from harness.language.nests import parallel_nest, relooped
from harness.language.regions import constant
from harness.language.tensors import VAR
from harness.language.walks import replaced, structural_map

_ZERO: Final = tirx.const(0, "int32")


def lines_stored(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with stores of lines of on-chip blocks as updates of the blocks."""
    kernel = read_kernel(func)
    blocks = {b for b in kernel.onchip if b.ty.storage_scope != VAR}
    body = _Lines(blocks).statement(kernel.body)
    return func if body.same_as(kernel.body) else with_body(func, body)


class _Lines:
    """Rewrites one kernel, whose ``blocks`` are on chip."""

    def __init__(self, blocks: set[Any]) -> None:
        self.blocks = blocks

    def statement(self, stmt: Any) -> Any:
        """A statement with every nest of T.Parallel that stores lines as several nests."""
        loops, inner = parallel_nest(stmt)
        if not loops:
            return over_children(stmt, self.statement)
        parts = list(inner.seq) if isinstance(inner, tirx.SeqStmt) else [inner]
        variables = [loop.loop_var for loop in loops]
        free = [self.line(part, variables) for part in parts]
        if all(dim is None for dim in free):
            return stmt
        made = [part if dim is None else self.update(part, dim)
                for part, dim in zip(parts, free, strict=True)]  # fmt: skip
        return seq([_nested(loops, part) for part in made])

    def line(self, stmt: Any, variables: Sequence[Any]) -> int | None:
        """The dimension of which a store names one place; None where it stores no line.

        Raises:
            CompileError: several iterations would store to the line.
        """
        if not isinstance(stmt, tirx.BufferStore) or stmt.buffer not in self.blocks:
            return None
        rank = len(stmt.indices)
        if rank < 2:
            return None
        free = [dim for dim in (rank - 2, rank - 1)
                if not mentions(stmt.indices[dim], variables)
                and (constant(stmt.buffer.ty.shape[dim]) or 1) > 1]  # fmt: skip
        if len(free) != 1:
            return None
        left = [v for v in variables if not any(mentions(i, [v]) for i in stmt.indices)]
        if left:
            refuse(f"iterations of {str(left[0].name)!r} store to one element of"
                   f" {str(stmt.buffer.name)!r}", node=stmt, code="UnsupportedIndex",
                   next_step="store in a T.Parallel over the line's elements alone, with the"
                   " place in the other direction as a number")  # fmt: skip
        return free[0]

    def update(self, store: tirx.BufferStore, dim: int) -> Any:
        """A loop over a dimension in which the one place named is stored to."""
        place = tirx.Var("place", "int32")
        at = [place if n == dim else index for n, index in enumerate(store.indices)]
        own = str(list(store.indices))

        def moved(load: TensorLoad) -> TensorLoad:
            mine = load.source.same_as(store.buffer) and str(list(load.indices)) == own
            return tirx.BufferLoad(load.source, at, span=load.span) if mine else load

        value = structural_map(store.value, [(TensorLoad, moved)])
        kept = tirx.BufferLoad(store.buffer, at, span=store.span)
        chosen = tirx.Select(tirx.EQ(place, store.indices[dim]), value, kept, span=store.span)
        made = tirx.BufferStore(store.buffer, chosen, at, span=store.span)
        extent = store.buffer.ty.shape[dim]
        return tirx.For(place, 0, extent, tirx.ForKind.PARALLEL, made, span=store.span)


def _nested(loops: Sequence[tirx.For], body: Any) -> Any:
    """Loops of their own around a statement."""
    own = {loop.loop_var: tirx.Var(loop.loop_var.name, "int32") for loop in loops}
    body = replaced(body, own)
    for loop in reversed(loops):
        body = relooped(loop, body, var=own[loop.loop_var])
    return body
