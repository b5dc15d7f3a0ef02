"""Joining blocks smaller than a tile into whole-tile blocks.

A grid axis whose blocks cover ``e`` rows (or columns) with ``e`` dividing 32 is divided by
``f = 32 / e``: one work block then covers ``f`` source blocks. Every on-chip dimension tied to the
axis grows by ``f``. Dimensions are tied by the statements that move data between them; a block is
joined only if its axis appears nowhere else, which is what makes the joined blocks independent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import Call, TensorRegion

from harness.compiler.affine import affine
from harness.compiler.diagnostics import refuse
from harness.compiler.kernel import Kernel, read_kernel, region_access, statements
from harness.language.ops import COPY, FILL, GEMM
from harness.language.regions import constant
from simulator.arch import TILE

Dim = tuple[str, int]
"""A buffer (or loop variable) name and a dimension."""


@dataclass
class _Ties:
    """Union-find over dimensions."""

    parent: dict[Any, Any] = field(default_factory=dict)

    def find(self, item: Any) -> Any:
        while self.parent.setdefault(item, item) != item:
            item = self.parent[item]
        return item

    def join(self, a: Any, b: Any) -> None:
        self.parent[self.find(a)] = self.find(b)


def coalesce(func: tirx.PrimFunc) -> tuple[tirx.PrimFunc, tuple[int, int, int]]:
    """The function with sub-tile axes joined, and the factor per axis.

    Raises:
        CompileError: block extents that neither are multiples of 32 nor divide it, or an axis
            whose blocks cannot be shown independent.
    """
    factors = [1, 1, 1]
    for axis in (0, 1, 2):
        kernel = read_kernel(func)
        if kernel.block_vars[axis] is None or kernel.grid[axis] == 1:
            continue
        factor = _factor(kernel, axis)
        if factor > 1:
            func = _join(kernel, axis, factor)
            factors[axis] = factor
    return func, (factors[0], factors[1], factors[2])


def _tensor_dims(kernel: Kernel) -> Iterator[tuple[Any, Any, int, int, Any, Any]]:
    """(node, buffer, dimension, extent, start, step unit) of tile dimensions of tensor regions."""
    params = {p.name for p in kernel.params}
    for node in statements(kernel.body):
        for region in _regions(node):
            if region.source.name not in params:
                continue
            access = region_access(region, node, write=False)
            rank = len(access.starts)
            for dim in range(max(rank - 2, 0), rank):
                yield (node, region.source, dim, access.extents[dim], access.starts[dim], region)


def _factor(kernel: Kernel, axis: int) -> int:
    var = kernel.block_vars[axis]
    wanted: set[int] = set()
    for node, buffer, dim, extent, start, _ in _tensor_dims(kernel):
        step = _step(start, var)
        if step is None:
            refuse(f"an index of tensor {buffer.name!r} is not affine in the block indices",
                   node=_call(node), code="UnsupportedIndex")  # fmt: skip
        if step == 0 or step % TILE == 0:
            continue
        if step != extent or TILE % step:
            refuse(
                f"blocks of {buffer.name!r} advance by {step} along dimension {dim}",
                node=_call(node),
                code="UnalignedBlock",
                next_step="use block extents that are multiples of 32, or that divide 32",
            )
        wanted.add(TILE // step)
    if len(wanted) > 1:
        refuse(f"grid axis {'xyz'[axis]} has blocks of different extents below 32",
               node=kernel.body, code="UnalignedBlock",
               next_step="use one extent for all dimensions of an axis")  # fmt: skip
    return wanted.pop() if wanted else 1


def _step(start: Any, var: Any) -> int | None:
    """Coefficient of ``var`` in ``start``; 0 where it does not occur."""
    if constant(start) is not None:
        return 0
    used = []
    tvm_ffi.structural_walk(start, [(tvm.ir.Var, used.append)])
    if not any(v.same_as(var) for v in used):
        return 0
    form = affine(start, used)
    return None if form is None else form.of(var)


def _call(node: Any) -> Any:
    return node.value if isinstance(node, tirx.Evaluate) else node


def _regions(node: Any) -> list[TensorRegion]:
    if isinstance(node, tirx.Evaluate) and isinstance(node.value, Call):
        return [a for a in node.value.args if isinstance(a, TensorRegion)]
    return []


def _join(kernel: Kernel, axis: int, factor: int) -> tirx.PrimFunc:
    var, ties = kernel.block_vars[axis], _Ties()
    scaled: set[Dim] = set()
    params = {p.name for p in kernel.params}
    for node in statements(kernel.body):
        _tie(node, ties, kernel)
    for node, buffer, dim, _extent, start, region in _tensor_dims(kernel):
        if _step(start, var) not in (0, None) and _step(start, var) % TILE:  # type: ignore[operator]
            scaled.add(ties.find(_key(region, node, dim)))
        del buffer

    def is_scaled(item: Any) -> bool:
        return ties.find(item) in scaled

    for node in statements(kernel.body):
        _check(node, var, is_scaled, params, axis)
    buffers = {}
    for buffer in kernel.onchip:
        shape = [constant(d) for d in buffer.ty.shape]
        grown = [d * factor if is_scaled((buffer.name, i)) else d for i, d in enumerate(shape)]  # type: ignore[operator]
        if grown != shape:
            buffers[buffer] = _resized(buffer, grown)
    # by = by' * factor; the remainder is spread over the grown dimension.
    old = {v.name: v for v in buffers}

    def swap(b: Any) -> Any:
        match = old.get(b.name)
        return buffers[match] if match is not None and match.same_as(b) else b

    def region(r: TensorRegion) -> TensorRegion:
        ranges = []
        for i, rng in enumerate(r.region):
            start, extent = rng.min, rng.extent
            if is_scaled(_key(r, None, i)):
                ana = tvm.sym.Analyzer()
                start = ana.simplify(_substitute(start, var, var * factor))
                extent = tirx.const(constant(extent) * factor, "int32")  # type: ignore[operator]
            ranges.append(tvm.ir.Range.from_min_extent(start, extent))
        return TensorRegion(swap(r.source), ranges, r.ty, r.span)

    loops = {}
    for node in statements(kernel.body):
        if isinstance(node, tirx.For) and is_scaled(("loop", node.loop_var.name)):
            loops[node.loop_var.name] = node.loop_var

    def walk(stmt: Any) -> Any:
        return tvm_ffi.structural_map(
            stmt,
            [
                (TensorRegion, region),
                (tirx.AllocBuffer, lambda a: tirx.AllocBuffer(swap(a.buffer), a.annotations, a.span)),
            ],
            order="pre",
        )

    body = walk(kernel.body)
    grid = -(-kernel.grid[axis] // factor)

    def rebuild(stmt: Any) -> Any:
        if isinstance(stmt, tirx.AttrStmt) and stmt.attr_key == "thread_extent":
            value = stmt.value
            node = stmt.node
            if node.var.same_as(var):
                value = tirx.const(grid, "int32")
                node = tirx.IterVar(tvm.ir.Range(0, grid), node.var, node.iter_type, node.thread_tag)
            return tirx.AttrStmt(node, stmt.attr_key, value, rebuild(stmt.body), stmt.span)
        if isinstance(stmt, tirx.SeqStmt) and len(stmt.seq) == 1:
            return rebuild(stmt.seq[0])
        return body

    return kernel.func.with_body(rebuild(kernel.func.body))


def _substitute(expr: Any, var: Any, value: Any) -> Any:
    return tvm_ffi.structural_map(
        expr, [(tvm.ir.Var, lambda v: value if v.same_as(var) else v)], order="post"
    )


def _resized(buffer: Any, shape: list[Any]) -> Any:
    return tirx.decl_buffer(
        shape, str(buffer.ty.dtype), name=buffer.name, scope=buffer.ty.storage_scope
    )


def _key(region: TensorRegion, node: Any, dim: int) -> Dim:
    """Tensors are tied per access (two accesses of one tensor may move differently)."""
    del node
    scope = region.source.ty.storage_scope
    if scope in ("", "global"):
        return (f"{region.source.name}@{[str(r.min) for r in region.region]}", dim)
    return (region.source.name, dim)


def _tie(node: Any, ties: _Ties, kernel: Kernel) -> None:
    """Join the dimensions a statement moves data between."""
    del kernel
    if not (isinstance(node, tirx.Evaluate) and isinstance(node.value, Call)):
        return
    name, args = node.value.op.name, list(node.value.args)
    if name == COPY:
        a, b = args[0], args[1]
        ra, rb = len(a.region), len(b.region)
        for i in range(1, min(ra, rb) + 1):
            ties.join(_key(a, node, ra - i), _key(b, node, rb - i))
    elif name == GEMM:
        a, b, c = args[:3]
        ta, tb = bool(constant(args[3])), bool(constant(args[4]))
        ra, rb, rc = len(a.region), len(b.region), len(c.region)
        m, k = (ra - 1, ra - 2) if ta else (ra - 2, ra - 1)
        k2, n = (rb - 1, rb - 2) if tb else (rb - 2, rb - 1)
        ties.join(_key(a, node, m), _key(c, node, rc - 2))
        ties.join(_key(b, node, n), _key(c, node, rc - 1))
        ties.join(_key(a, node, k), _key(b, node, k2))


def _check(node: Any, var: Any, is_scaled: Any, params: set[str], axis: int) -> None:
    """Refuse what would make joined blocks depend on each other or on the axis itself."""

    def no(what: str) -> None:
        refuse(f"blocks along grid axis {'xyz'[axis]} are smaller than a tile and {what}",
               node=_call(node), code="UnalignedBlock",
               next_step="use block extents that are multiples of 32")  # fmt: skip

    if isinstance(node, (tirx.BufferStore, tirx.IfThenElse, tirx.Bind)):
        no("the kernel computes elementwise with them")
    if isinstance(node, tirx.For) and any(_step(e, var) != 0 for e in (node.min, node.extent)):
        no("a loop bound depends on the axis")
    if isinstance(node, tirx.Evaluate) and isinstance(node.value, Call):
        name, args = node.value.op.name, list(node.value.args)
        if name == GEMM:
            a, ta = args[0], bool(constant(args[3]))
            k = len(a.region) - (2 if ta else 1)
            if is_scaled(_key(a, node, k)):
                no("a gemm sums over them")
        if name not in (COPY, GEMM, FILL):
            no(f"{name} works on them")
        for region in _regions(node):
            for i, rng in enumerate(region.region):
                key = _key(region, node, i)
                step = _step(rng.min, var)
                if region.source.name in params:
                    tile_dim = i >= len(region.region) - 2
                    if is_scaled(key) and step != constant(rng.extent):
                        no(f"tensor {region.source.name!r} does not advance with it")
                    if not is_scaled(key) and step != 0 and not (tile_dim and step % TILE == 0):
                        no(f"tensor {region.source.name!r} is also indexed by it")
                elif step != 0:
                    no("an on-chip buffer is indexed by it")
                elif is_scaled(key):
                    whole = constant(region.source.ty.shape[i])
                    if constant(rng.extent) != whole:
                        no("an on-chip buffer is used in part")
