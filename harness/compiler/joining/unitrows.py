"""Blocks of one row written without that row, and blocks of one element without a loop.

Joining one-row blocks makes rows of them. For that a buffer (N,) that holds a row becomes one of
(1, N), and stores that name row 0 get a T.Parallel loop of one iteration, which joining lengthens.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import tvm
from tvm import tirx
from tvm.ir import Call, TensorLoad, TensorRegion

from harness.compiler.facts.kernel import Kernel, read_kernel, with_body
from harness.compiler.facts.statements import over_children
from harness.compiler.facts.ties import Dim, elements, nests, step_of
from harness.compiler.retensor import like, with_tensors
from harness.language.nests import is_parallel, relooped
from harness.language.ops import COPY, CUMSUM, REDUCE
from harness.language.regions import constant
from harness.language.walks import structural_map
from simulator.arch import TILE


def with_unit_rows(kernel: Kernel, var: Any) -> tuple[tirx.PrimFunc, set[Any]]:
    """The function with buffers (N,) that hold a row of block ``var`` as buffers (1, N): these."""
    rows = _rows(kernel, var)
    if not rows:
        return kernel.func, set()
    new = {b: like(b, (1, *b.ty.shape), str(b.ty.dtype)) for b in rows}
    func = with_tensors(kernel.func, new, dict.fromkeys(rows, _under_row))
    made = set(new.values())

    def call(node: Call) -> Call:
        if node.op.name not in (REDUCE, CUMSUM) or node.args[0].source not in made:
            return node
        at = 3 if node.op.name == REDUCE else 2
        args = node.args[:]
        args[at] = tirx.const((constant(args[at]) or 0) + 1, "int32")
        return Call(node.op, args, node.attrs, ret_ty=node.ty, span=node.span)

    return func.with_body(structural_map(func.body, [(Call, call)], order="post")), made


def _under_row(given: Sequence[Any]) -> list[Any]:
    """Indices, or ranges of a region, in the one row."""
    zero = tirx.const(0, "int32")
    whole = isinstance(given[0], tvm.ir.Range)
    return [tvm.ir.Range.from_min_extent(zero, tirx.const(1, "int32")) if whole else zero, *given]


def _rows(kernel: Kernel, var: Any) -> list[Any]:
    """On-chip buffers of one dimension that hold a row of ``var``, or what is made of one."""
    found: list[Any] = []
    onchip = set(kernel.onchip)

    def add(buffer: Any) -> bool:
        lone = buffer in onchip and len(buffer.ty.shape) == 1 and constant(buffer.ty.shape[0]) != 1
        if not lone or buffer in found:
            return False
        found.append(buffer)
        return True

    def is_row(buffer: Any, starts: Sequence[Any]) -> bool:
        if buffer in onchip:
            return buffer in found
        return len(starts) > 1 and any((step_of(s, var) or 0) % TILE for s in starts[-2:])

    def region_is_row(region: TensorRegion) -> bool:
        return is_row(region.source, [r.min for r in region.region[:]])

    def spread() -> bool:
        changed = False
        for node in kernel.statements:
            value = node.value if isinstance(node, tirx.Evaluate) else None
            if isinstance(value, Call) and value.op.name in (COPY, CUMSUM):
                a, b = value.args[:2]
                changed |= region_is_row(a) and add(b.source)
                changed |= region_is_row(b) and add(a.source)
        for store, around in nests(kernel):
            made = any(is_row(b, at) for b, at, _ in list(elements(store))[1:])
            if made and any(store.indices[-1].same_as(v) for v in around):
                changed |= add(store.buffer)
        return changed

    while spread():
        pass
    return found


def with_unit_loops(kernel: Kernel, var: Any, grown: Collection[Dim]) -> tirx.PrimFunc:
    """The function with a loop over the one row where T.Parallel names row 0, or block ``var``.

    ``grown`` are the dimensions of blocks, and the loops, that joining makes longer. A loop that
    runs over the one row already is replaced by the new one: all that names the row names it once.
    """

    def fixed(buffer: Any, dim: int, index: Any) -> bool:
        return constant(index) == 0 and (buffer, dim) in grown

    def looped(nest: Any) -> Any:
        row = tirx.Var("row", "int32")
        used = False

        def moved(buffer: Any, indices: Sequence[Any]) -> list[Any]:
            nonlocal used
            hit = [fixed(buffer, d, i) for d, i in enumerate(indices)]
            used |= any(hit)
            return [row if h else i for h, i in zip(hit, indices, strict=True)]

        def load(node: TensorLoad) -> TensorLoad:
            return tirx.BufferLoad(node.source, moved(node.source, node.indices), span=node.span)

        def store(node: tirx.BufferStore) -> tirx.BufferStore:
            where = moved(node.buffer, node.indices)
            return tirx.BufferStore(node.buffer, node.value, where, span=node.span)

        def scalar(node: Any) -> Any:
            nonlocal used
            if ("loop", node) in grown:
                return tirx.const(0, "int32")
            used |= node.same_as(var)
            return node + row if node.same_as(var) else node

        def rebuilt(stmt: Any) -> Any:
            if not (is_parallel(stmt)):
                return structural_map(stmt, callbacks, order="post")
            if ("loop", stmt.loop_var) in grown:
                return rebuilt(stmt.body)
            return relooped(stmt, rebuilt(stmt.body))

        callbacks = [(TensorLoad, load), (tirx.BufferStore, store), (tvm.ir.Var, scalar)]
        body = rebuilt(nest)
        return tirx.For(row, 0, 1, tirx.ForKind.PARALLEL, body, span=nest.span) if used else nest

    return with_body(kernel.func, _each_nest(kernel.body, looped), {})


def with_store_loops(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with loops of one iteration around stores of one element outside T.Parallel.

    A tensor's element is reached so; of a block it has to be the only one.
    """
    kernel = read_kernel(func)
    onchip, params = set(kernel.onchip), set(kernel.params)

    def looped(store: Any) -> Any:
        if isinstance(store, tirx.For):
            return store
        alone = all(constant(d) == 1 for d in store.buffer.ty.shape)
        if store.buffer not in params and not (alone and store.buffer in onchip):
            return store
        lead, last = list(store.indices[:-2]), list(store.indices[-2:])
        variables = [tirx.Var("one", "int32") for _ in last]
        own = variables if alone else [i + v for i, v in zip(last, variables, strict=True)]
        nest: Any = tirx.BufferStore(store.buffer, store.value, [*lead, *own], span=store.span)
        for var in reversed(variables):
            nest = tirx.For(var, 0, 1, tirx.ForKind.PARALLEL, nest, span=store.span)
        return nest

    return with_body(func, _each_nest(kernel.body, looped), {})


def _each_nest(stmt: Any, change: Callable[[Any], Any]) -> Any:
    """A body with every T.Parallel nest, and every store outside of one, changed."""
    is_nest = is_parallel(stmt)
    if is_nest or isinstance(stmt, tirx.BufferStore):
        return change(stmt)
    return over_children(stmt, lambda child: _each_nest(child, change))
