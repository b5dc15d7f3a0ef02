"""Blocks that are one column of a tensor."""

from __future__ import annotations

from typing import Any

from tvm import tirx
from tvm.ir import Call, TensorRegion

from harness.compiler.facts.kernel import Kernel, with_body
from harness.compiler.facts.statements import over_children
from harness.compiler.facts.ties import step_of
from harness.language.ops import COPY
from harness.language.regions import constant
from simulator.arch import TILE


def with_column_loops(kernel: Kernel, var: Any) -> tirx.PrimFunc:
    """The function with T.Parallel loops for copies between a column ``var`` and a line on chip.

    Joined, they turn what they move: rows of blocks become columns of a tensor.
    """
    onchip = set(kernel.onchip)

    def runs(region: TensorRegion) -> list[int]:
        return [d for d, r in enumerate(region.region) if constant(r.extent) != 1]

    def is_column(region: TensorRegion) -> bool:
        last = len(region.region) - 1
        return (region.source not in onchip and runs(region) == [last - 1]
                and bool((step_of(region.region[last].min, var) or 0) % TILE))  # fmt: skip

    def looped(stmt: tirx.Evaluate) -> Any:
        call = stmt.value
        if not isinstance(call, Call) or call.op.name != COPY:
            return stmt
        src, dst = call.args[:2]
        line = dst if is_column(src) else src
        lies = len(runs(line)) == 1 and runs(line)[0] == len(line.region) - 1
        if not (is_column(src) or is_column(dst)) or line.source not in onchip or not lies:
            return stmt
        i = tirx.Var("i", "int32")

        def at(region: TensorRegion) -> list[Any]:
            return [r.min + i if d in runs(region) else r.min for d, r in enumerate(region.region)]

        value: Any = tirx.BufferLoad(src.source, at(src), span=call.span)
        dtype = str(dst.source.ty.dtype)
        if str(src.source.ty.dtype) != dtype:
            value = tirx.Cast(dtype, value, span=call.span)
        store = tirx.BufferStore(dst.source, value, at(dst), span=call.span)
        extent = src.region[runs(src)[0]].extent
        return tirx.For(i, 0, extent, tirx.ForKind.PARALLEL, store, span=call.span)

    def down(stmt: Any) -> Any:
        if isinstance(stmt, tirx.Evaluate):
            return looped(stmt)
        return over_children(stmt, down)

    return with_body(kernel.func, down(kernel.body), {})
