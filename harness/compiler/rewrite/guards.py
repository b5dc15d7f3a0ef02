"""Conditions that only say that a tensor has the element stored to, which all stores have."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import tvm
from tvm import tirx
from tvm.ir import TensorLoad

from harness.compiler.facts.accesses import loads_of
from harness.compiler.facts.affine import Bounds, block_ranges, conjuncts
from harness.compiler.facts.kernel import Kernel, read_kernel, with_body
from harness.compiler.facts.lookups import is_told
from harness.compiler.facts.statements import over_children
from harness.compiler.tt_ops import seq
from harness.language.blockformats import dtype_of
from harness.language.nests import is_parallel, relooped
from harness.language.regions import constant
from harness.language.walks import replaced, structural_map


def left_of(
    test: Any, store: tirx.BufferStore, ranges: tuple[Bounds, ...], tensors: Collection[Any]
) -> list[Any]:  # fmt: skip
    """Parts of a condition that are more than that the element stored to exists."""
    if isinstance(test, tirx.And):
        sides = (test.a, test.b)
        return [part for side in sides for part in left_of(side, store, ranges, tensors)]
    analyzer = tvm.sym.Analyzer()
    for var, start, extent in ranges:
        analyzer.bind(var, tvm.ir.Range.from_min_extent(start, extent))
    exists: Any = tirx.const(True, "bool")
    if store.buffer in tensors:
        for index, size in zip(store.indices, store.buffer.ty.shape, strict=True):
            if _says(test, index, size, analyzer):
                return []
            exists = tirx.all(exists, index >= 0, index < size)
    with analyzer.constraint_scope(exists):
        return [] if analyzer.can_prove(test) else [test]


def _says(test: Any, index: Any, size: Any, analyzer: Any) -> bool:
    """Whether a condition is that an index is below its tensor's size, however it is written."""
    return (isinstance(test, tirx.LT) and constant(test.a - index) == 0
            and bool(analyzer.can_prove(test.b >= size)))  # fmt: skip


def narrowed(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with T.Parallel loops only as long as something is stored to tensors in them.

    ``for i in T.Parallel(128): if i < 96: y[row * 96 + i] = …`` stores 96 elements: what a block
    writes ends there, and not where the next block's begins.
    """
    kernel = read_kernel(func)

    def down(stmt: Any) -> Any:
        if is_parallel(stmt):
            limits = [_limit(part, stmt.loop_var, kernel) for part in _parts(stmt.body)]
            extent = constant(stmt.extent)
            most = max((limit or 0 for limit in limits), default=0)
            if extent is not None and None not in limits and 0 < most < extent:
                stmt = relooped(stmt, stmt.body, extent=most)
        return over_children(stmt, down)

    return with_body(func, down(kernel.body))


def _parts(stmt: Any) -> list[Any]:
    """Statements of a nest, without the loops of it further in."""
    if isinstance(stmt, tirx.SeqStmt):
        return [part for one in stmt.seq for part in _parts(one)]
    inner = is_parallel(stmt)
    return _parts(stmt.body) if inner else [stmt]


def _limit(stmt: Any, var: Any, kernel: Kernel) -> int | None:
    """From which iteration on a store to a tensor does nothing; None where nothing says so.

    Nor where data say which element it is.
    """
    if not isinstance(stmt, tirx.IfThenElse) or stmt.else_case is not None:
        return None
    stores = _parts(stmt.then_case)
    for store in stores:
        tensor = isinstance(store, tirx.BufferStore) and store.buffer in kernel.params
        if not tensor or is_told(store, kernel):
            return None
    found = [constant(test.b) for test in conjuncts(stmt.condition)
             if isinstance(test, tirx.LT) and test.a.same_as(var)]  # fmt: skip
    return min((limit for limit in found if limit is not None), default=None)


def unguarded(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function without such conditions around nothing but stores: ``if n < N: y[n] = x[n]``."""
    kernel = read_kernel(func)
    params = set(kernel.params)

    def free(store: Any, test: Any, ranges: tuple[Bounds, ...]) -> bool:
        # Where data say which element it is, nothing clips what lies outside.
        single = isinstance(store, tirx.BufferStore) and store.buffer in params
        return single and not is_told(store, kernel) and not left_of(test, store, ranges, params)

    def down(stmt: Any, ranges: tuple[Bounds, ...]) -> Any:
        if isinstance(stmt, tirx.For):
            ranges = (*ranges, (stmt.loop_var, stmt.min, stmt.extent))
        elif isinstance(stmt, tirx.IfThenElse) and stmt.else_case is None:
            test, then = stmt.condition, stmt.then_case
            stores = list(then.seq) if isinstance(then, tirx.SeqStmt) else [then]
            if all(free(store, test, ranges) for store in stores):
                return seq([
                    tirx.BufferStore(store.buffer, asked_where(test, store.value),
                                     store.indices[:], span=store.span) for store in stores
                ])  # fmt: skip
        return over_children(stmt, lambda child: down(child, ranges))

    return with_body(func, down(kernel.body, tuple(block_ranges(kernel))))


def asked_where(test: Any, value: Any) -> Any:
    """A value that takes elements data place only where a condition holds: ``W[ids[k], j]``.

    The store does without the condition, since its tensor ends there; not every list of places
    has more than it says.
    """
    found: dict[Any, Any] = {}

    def named(load: TensorLoad) -> Any:
        if not loads_of(*load.indices):
            return load
        var = tirx.Var(load.source.name, dtype_of(load))
        found[var] = tirx.Select(test, load, tirx.const(0, dtype_of(load)), span=load.span)
        return var

    # The whole element, not also the places that place it.
    names = structural_map(value, [(TensorLoad, named)], order="pre")
    return replaced(names, found)
