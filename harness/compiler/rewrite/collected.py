"""Elements that steps of a loop store to a tensor one by one, collected in a block on chip.

``for r in T.serial(32): out[b * 32 + r] = s[0]`` writes single elements, and device memory is
written in runs: every step stores to its place of a block, which is copied to the tensor behind
the loop. That is the same only where every step stores to the element after the last step's,
whatever data say, and where nothing else in the loop reads or writes the tensor.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import tvm
from tvm import tirx
from tvm.ir import Call, Range, TensorLoad, TensorRegion
from tvm.tirx.stmt import BufferRegionType

from harness.compiler.block.emitting.pieces import FACE
from harness.compiler.facts.accesses import accesses, loads_of
from harness.compiler.facts.affine import affine_part, mentions
from harness.compiler.facts.kernel import read_kernel, with_body
from harness.compiler.facts.statements import over_children, statements
from harness.compiler.rewrite.numbers import own_block
from harness.compiler.tt_ops import seq
from harness.language.blockformats import dtype_of
from harness.language.nests import is_parallel, parallel_nest, relooped
from harness.language.ops import COPY, FILL
from harness.language.regions import constant
from harness.language.walks import replaced, structural_walk

_IN_ORDER: Final = (tirx.ForKind.SERIAL, tirx.ForKind.UNROLLED)


def collected(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with elements collected that loops store to vectors, or that are whole rows.

    A lone block keeps tiles of what it writes on chip, where it stores elements as they come.
    """
    kernel = read_kernel(func)
    if max(kernel.grid) == 1:
        return func
    return _with(func, kernel.body, {p for p in kernel.params if len(p.ty.shape) == 1})


def collected_in_turns(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with all such elements collected, those blocks in turn store among them."""
    kernel = read_kernel(func)
    return _with(func, _bare(kernel.body, set(kernel.params)), set(kernel.params))


def _with(func: tirx.PrimFunc, body: Any, runs: set[Any]) -> tirx.PrimFunc:
    kernel = read_kernel(func)
    names = {b.name for b in (*kernel.params, *kernel.onchip)}
    work = _Collecting(set(kernel.params), runs, names)
    body = work.statement(body)
    return with_body(func, seq([*work.allocated, body])) if work.allocated else func


def _bare(stmt: Any, params: set[Any]) -> Any:
    """A statement without loops of T.Parallel of one iteration around stores to tensors."""
    loops, inner = parallel_nest(stmt)
    if not loops:
        return over_children(stmt, lambda child: _bare(child, params))
    if not isinstance(inner, tirx.BufferStore) or inner.buffer not in params:
        return stmt
    if any(constant(loop.extent) != 1 for loop in loops):
        return stmt
    return replaced(inner, {loop.loop_var: loop.min for loop in loops})


class _Collecting:
    """Rewrites one kernel; ``allocated`` are the blocks it needs."""

    def __init__(self, params: set[Any], runs: set[Any], names: set[str]) -> None:
        """Of the tensors ``runs`` parts of the last dimension are collected, of others all."""
        self.params, self.runs, self.names = params, runs, names
        self.allocated: list[Any] = []

    def statement(self, stmt: Any) -> Any:
        """A statement, inner loops first."""
        if is_parallel(stmt):
            return stmt
        stmt = over_children(stmt, self.statement)
        if not isinstance(stmt, tirx.For):
            return stmt
        found = [(s, at) for s in _stores(stmt.body) if (at := self.starts(s, stmt)) is not None]
        if not found:
            return stmt
        before, instead, behind = zip(*(self.apart(*each, stmt) for each in found), strict=True)
        return seq([*before, relooped(stmt, _swapped(stmt.body, found, instead)), *behind])

    def starts(self, store: tirx.BufferStore, loop: tirx.For) -> list[Any] | None:
        """Where a loop's elements begin; None where they are no run, or others touch them."""
        extent, var = constant(loop.extent), loop.loop_var
        if store.buffer not in self.params or extent in (None, 1) or constant(loop.min) != 0:
            return None
        if loop.kind not in _IN_ORDER or constant(loop.step or 1) != 1:
            return None
        *lead, last = store.indices
        if affine_part(last, [var]) != [1] or any(mentions(i, [var]) for i in lead):
            return None
        named = [s.var for s in statements(loop.body) if isinstance(s, tirx.Bind)]
        if loads_of(*store.indices) or any(mentions(i, named) for i in store.indices):
            return None  # a place that steps may change
        if not _is_alone(store, loop.body):
            return None
        start = tvm.sym.Analyzer().simplify(last - var)
        return [*lead, start] if self.is_copied(store.buffer, start, extent) else None

    def is_copied(self, tensor: Any, start: Any, extent: int) -> bool:
        """Whether T.copy may write a run: the last dimension, or whole rows of faces of a part."""
        if constant(start) == 0 and extent == constant(tensor.ty.shape[-1]):
            return True
        aligned = tvm.sym.Analyzer().can_prove_equal(tirx.FloorMod(start, FACE), 0)
        return tensor in self.runs and extent % FACE == 0 and aligned

    def apart(self, store: Any, starts: list[Any], loop: tirx.For) -> tuple[Any, Any, Any]:
        """What is done to a block first, what stores to it instead, and the copy of it."""
        tensor, extent = store.buffer, constant(loop.extent) or 1
        dtype, span = dtype_of(tensor), store.span
        block = own_block(f"{tensor.name}_collected", dtype, self.names, extent)
        self.allocated.append(tirx.AllocBuffer(block, None, span))
        place = tirx.Var("place", "int32")
        kept = tirx.BufferLoad(block, [place], span=span)
        value = tirx.Select(tirx.EQ(place, loop.loop_var), store.value, kept, span=span)
        placed = tirx.For(place, 0, extent, tirx.ForKind.PARALLEL,
                          tirx.BufferStore(block, value, [place], span=span),
                          span=span)  # fmt: skip
        extents = [1] * (len(starts) - 1) + [extent]
        target = [Range.from_min_extent(*each) for each in zip(starts, extents, strict=True)]
        regions = [TensorRegion(block, [Range(0, extent)], BufferRegionType()),
                   TensorRegion(tensor, target, BufferRegionType())]  # fmt: skip
        fill, copy = (
            tirx.Evaluate(Call(op, args, ret_ty="void", span=span), span=span)
            for op, args in ((FILL, [regions[0], tirx.const(0, dtype)]), (COPY, regions))
        )
        return fill, placed, copy


def _is_alone(store: Any, body: Any) -> bool:
    """Whether nothing else in a loop uses a store's tensor, to say where or whether either."""
    tensor = store.buffer
    asked: list[Any] = []
    structural_walk(body, [(kind, asked.append) for kind in (TensorLoad, TensorRegion)])
    used = [a for a in accesses(body) if a.buffer.same_as(tensor)]
    return len(used) == 1 and not any(a.source.same_as(tensor) for a in asked)


def _swapped(stmt: Any, found: list[Any], instead: Any) -> Any:
    """A statement with others in the place of some of its stores."""
    for (store, _), placed in zip(found, instead, strict=True):
        if stmt.same_as(store):
            return placed
    return over_children(stmt, lambda child: _swapped(child, found, instead))


def _stores(stmt: Any) -> Iterator[Any]:
    """Stores that every step of a loop makes once, or all for which there is an element."""
    if isinstance(stmt, tirx.BufferStore):
        yield stmt
    elif isinstance(stmt, tirx.SeqStmt):
        for part in stmt.seq:
            yield from _stores(part)
    elif isinstance(stmt, tirx.IfThenElse) and stmt.else_case is None:
        yield from (s for s in _stores(stmt.then_case) if _exists(stmt.condition, s))


def _exists(test: Any, store: tirx.BufferStore) -> bool:
    """Whether a condition is that the element stored to is in its tensor."""
    last, size = store.indices[-1], constant(store.buffer.ty.shape[-1])
    if not isinstance(test, tirx.LT) or size is None:
        return False
    analyzer = tvm.sym.Analyzer()
    end = constant(test.b)
    return (end is not None and end >= size
            and constant(analyzer.simplify(test.a - last)) == 0)  # fmt: skip
