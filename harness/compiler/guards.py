"""Conditions that only say that a tensor has the element stored to, which all stores have."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import tvm
from tvm import tirx

from harness.compiler.affine import Bounds, block_ranges
from harness.compiler.kernel import over_children, read_kernel, with_body
from harness.compiler.lookups import is_told
from harness.language.regions import constant


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


def unguarded(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function without such conditions around single stores: ``if n < N: y[n] = x[n]``."""
    kernel = read_kernel(func)
    params = set(kernel.params)

    def down(stmt: Any, ranges: tuple[Bounds, ...]) -> Any:
        if isinstance(stmt, tirx.For):
            ranges = (*ranges, (stmt.loop_var, stmt.min, stmt.extent))
        elif isinstance(stmt, tirx.IfThenElse) and stmt.else_case is None:
            store = stmt.then_case
            single = isinstance(store, tirx.BufferStore) and store.buffer in params
            # Where data say which element it is, nothing clips what lies outside.
            single = single and not is_told(store, kernel)
            if single and not left_of(stmt.condition, store, ranges, params):
                return store
        return over_children(stmt, lambda child: down(child, ranges))

    return with_body(func, down(kernel.body, tuple(block_ranges(kernel))))
