"""How far a kernel's matrix products sum: K in tiles, from the regions operands come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tvm
from tvm import tirx
from tvm.ir import Call

from harness.compiler.facts.affine import Loop, affine, with_loops
from harness.compiler.facts.kernel import Kernel
from harness.language.ops import COPY, GEMM
from harness.language.regions import constant
from harness.language.walks import structural_walk
from simulator.arch import TILE

Load = tuple[Any, tuple[Loop, ...]]
"""A tensor region that is copied to a buffer, and the loops around the copy."""


def len_k(kernel: Kernel) -> int | None:
    """Tiles of K that one block's products cover, the longest where there are several.

    A ragged end counts as a tile; K that the last block reads beyond the tensor does not count.
    None where the kernel has no product.
    """
    loads = _loads(kernel)
    longest = None
    for call, _ in _calls(kernel, GEMM):
        a, b, transposed = call.args[0], call.args[1], [bool(constant(f)) for f in call.args[3:5]]
        dims = ((a, 2 if transposed[0] else 1), (b, 1 if transposed[1] else 2))
        spans = [
            _span(region, dim, around)
            for operand, dim in dims
            for region, around in loads.get(operand.source.name, [])
        ]
        own = constant(a.region[-dims[0][1]].extent) or 1
        tiles = -(-max(spans, default=own) // TILE)
        longest = tiles if longest is None else max(longest, tiles)
    return longest


def _calls(kernel: Kernel, name: str) -> Iterator[tuple[Call, tuple[Loop, ...]]]:
    for stmt, around in with_loops(kernel.body):
        call = stmt.value if isinstance(stmt, tirx.Evaluate) else None
        if isinstance(call, Call) and call.op.name == name:
            yield call, around


def _loads(kernel: Kernel) -> dict[str, list[Load]]:
    """Per on-chip buffer, what is copied to it from tensors."""
    tensors = {p.name for p in kernel.params}
    out: dict[str, list[Load]] = {}
    for call, around in _calls(kernel, COPY):
        source, target = call.args[0], call.args[1]
        if source.source.name in tensors:
            out.setdefault(target.source.name, []).append((source, around))
    return out


def _span(region: Any, from_end: int, around: tuple[Loop, ...]) -> int:
    """Elements of a dimension that a region covers while the loops run, inside the tensor."""
    if len(region.region) < from_end:
        return 1
    size = constant(region.source.ty.shape[-from_end]) or 1
    side = region.region[-from_end]
    form = affine(side.min, [loop.var for loop in around])
    covered = constant(side.extent) or 1
    if form is None:  # it moves with block indices too; those do not lengthen the sum
        form = affine(side.min, _variables(side.min))
    for loop in around:
        step = 1 if form is None else abs(form.of(loop.var))
        if step:
            covered = size if loop.extent is None else covered + step * max(loop.extent - 1, 0)
    return min(covered, size)


def _variables(expr: Any) -> list[Any]:
    found: list[Any] = []
    structural_walk(expr, [(tvm.ir.Var, found.append)])
    return [v for i, v in enumerate(found) if not any(v.same_as(w) for w in found[:i])]
