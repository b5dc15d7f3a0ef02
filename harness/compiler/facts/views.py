"""Which two dimensions of a tensor lie along rows and columns of tiles.

Tiles hold the last two dimensions, unless a kernel moves blocks along others: of a tensor
(batch, sequence, heads, dim) a block runs along sequence and dim, of a vector per head along its
last dimension alone. Such a tensor is stored with those dimensions last. Elements that data place
one by one lie one below another. What is decided is the view of the plan's layout: host dimensions
in stored order, -1 for a dimension of one element.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tvm
from tvm import tirx
from tvm.ir import Call, TensorLoad

from harness.compiler.diagnostics import refuse
from harness.compiler.facts.accesses import loads_of
from harness.compiler.facts.affine import mentions
from harness.compiler.facts.kernel import Kernel
from harness.compiler.facts.lookups import gathers, index_tensors, scatters
from harness.compiler.facts.ties import step_of
from harness.compiler.retensor import like, with_tensors
from harness.language.blockformats import carried, dtype_of
from harness.language.ops import COPY
from harness.language.regions import constant
from harness.language.walks import structural_map, structural_walk
from simulator.arch import TILE
from simulator.plan.views import UNIT

View = tuple[int, ...]


@dataclass(frozen=True)
class _Use:
    """One access of a tensor: dimensions it runs along, and the variables that place the others.

    ``rank`` is that of the buffer a copy moves it to or from; one where it is no copy.
    """

    tensor: Any
    wide: tuple[int, ...]
    fixed: Mapping[int, tuple[Any, ...]]
    starts: Sequence[Any]
    rank: int
    node: Any


def find_views(kernel: Kernel) -> dict[str, View]:
    """The view of every tensor that is not stored in its host's order; tables lie in rows.

    Raises:
        CompileError: one tensor is used along dimensions that cannot both be those of tiles.
    """
    uses: dict[Any, list[_Use]] = {}
    tables = index_tensors(kernel)
    for use in _uses(kernel):
        if use.tensor.name not in tables:
            uses.setdefault(use.tensor, []).append(use)
    views = _down_columns(kernel)
    for tensor, found in uses.items():
        if tensor.name in views:
            continue
        view = _along_blocks(len(tensor.ty.shape), found)
        if view:
            views[tensor.name] = view
    outer = [*_outer_variables(uses, views), *_crossing_variables(uses, views),
             *_moving_variables(kernel, uses, views), *_loops(kernel, parallel=False)]  # fmt: skip
    for tensor, found in uses.items():
        if tensor.name not in views:
            view = _along_vectors(len(tensor.ty.shape), found, outer)
            if view:
                views[tensor.name] = view
    return views


def _down_columns(kernel: Kernel) -> dict[str, View]:
    """Tensors whose elements data place along their last dimension: one below another in tiles.

    A row of a tile is moved in runs, and each of its elements may be another block's.
    """
    places = _loops(kernel, parallel=True)
    single = [
        (tensor, starts, node) for tensor, starts, node in gathers(kernel)
        if isinstance(node, TensorLoad) and (_per_row(starts, places) or (
            not mentions(starts[-1], places)
            and (constant(tensor.ty.shape[-1]) or 1) % TILE == 0))  # chosen from a whole tile
    ]  # fmt: skip
    told = [*scatters(kernel), *single]
    tables = {*index_tensors(kernel), *(t.name for t, *_ in gathers(kernel)
                                        if not any(t.same_as(o) for o, *_ in single))}  # fmt: skip
    return {str(tensor.name): (*range(len(starts)), UNIT) for tensor, starts, _ in told
            if all(loads_of(others[-1]) for other, others, _ in told
                   if other.same_as(tensor)) and tensor.name not in tables}  # fmt: skip


def _per_row(starts: Sequence[Any], places: Sequence[Any]) -> bool:
    """Whether a table alone says, for each place along one loop, which element is read."""
    last = starts[-1]
    rows = [v for v in places if mentions(last, [v])]
    beside = structural_map(last, [(TensorLoad, lambda _: tirx.const(0, "int32"))], order="pre")
    return len(rows) == 1 and not any(mentions(s, places) for s in (*starts[:-1], beside))


def with_views(func: tirx.PrimFunc, views: Mapping[str, View]) -> tirx.PrimFunc:
    """The kernel on tensors in stored order."""
    new, moved = {}, {}
    for param in func.params:
        view = views.get(param.name)
        if view:
            shape = [1 if d == UNIT else param.ty.shape[d] for d in view]
            new[param] = like(param, shape, carried(dtype_of(param)))
            moved[param] = _mover(view)
    return with_tensors(func, new, moved) if new else func


def _mover(view: View) -> Any:
    def move(given: Sequence[Any]) -> list[Any]:
        zero = tirx.const(0, "int32")
        is_region = isinstance(given[0], tvm.ir.Range)
        unit = tvm.ir.Range.from_min_extent(zero, tirx.const(1, "int32")) if is_region else zero
        return [unit if d == UNIT else given[d] for d in view]

    return move


def _along_blocks(rank: int, uses: list[_Use]) -> View:
    """The view that puts the dimensions of blocks last; empty where they are."""
    wanted: tuple[int, ...] = ()
    first: _Use | None = None
    for use in uses:
        if len(use.wide) < 2:
            continue
        pair = use.wide[-2:]
        if first is not None and pair != wanted:
            refuse(
                f"tensor {use.tensor.name!r} is used along dimensions {list(pair)} here and"
                f" {list(wanted)} elsewhere, and its tiles can lie along two only",
                node=use.node,
                code="LayoutConflict",
                next_step="take the tensor as two parameters, one per use",
            )
        wanted, first = pair, use
    if not wanted:
        return ()
    order = (*(d for d in range(rank) if d not in wanted), *wanted)
    return () if order == tuple(range(rank)) else order


def _outer_variables(uses: Mapping[Any, list[_Use]], views: Mapping[str, View]) -> list[Any]:
    """Variables that index some tensor outside the dimensions of its tiles."""
    found = []
    for tensor, several in uses.items():
        rank = len(tensor.ty.shape)
        last = views.get(tensor.name, tuple(range(rank)))[-2:]
        for use in several:
            found += [v for d, vs in use.fixed.items() if d not in last for v in vs]
    return found


def _crossing_variables(uses: Mapping[Any, list[_Use]], views: Mapping[str, View]) -> list[Any]:
    """Variables that number rows beside vectors of one tensor, and columns beside those of another.

    Joined, blocks of the one would lie across those of the other; where no vector is moved but
    only blocks (n, 1) and (1, n), as a GEMM with a transposed operand has, they would not.
    """
    sides: dict[Any, set[bool]] = {}
    vectors: list[Any] = []
    for tensor, several in uses.items():
        rank = len(tensor.ty.shape)
        for use in several if tensor.name not in views else ():
            for d, variables in use.fixed.items() if len(use.wide) == 1 else ():
                for v in variables if d >= rank - 2 else ():
                    sides.setdefault(v, set()).add(d > use.wide[0])
                    vectors += [v] if use.rank == 1 else []
    return [v for v in vectors if len(sides[v]) > 1]


def _moving_variables(
    kernel: Kernel, uses: Mapping[Any, list[_Use]], views: Mapping[str, View]
) -> list[Any]:
    """Variables that move blocks of some tensor by whole tiles."""
    grid = [v for v in kernel.block_vars if v is not None]
    found = []
    for tensor, several in uses.items():
        last = views.get(tensor.name, tuple(range(len(tensor.ty.shape))))[-2:]
        for use in several:
            starts = [use.starts[d] for d in use.wide if d in last]
            found += [v for v in grid for s in starts if (step := step_of(s, v))
                      and step % TILE == 0]  # fmt: skip
    return found


def _along_vectors(rank: int, uses: list[_Use], outer: Sequence[Any]) -> View:
    """The view that gives each vector rows of tiles of its own; empty where tiles may hold several.

    Several lie in one tile where the blocks that use them can be joined, which cannot be where
    their variable also chooses among whole tiles of another tensor, or is that of a loop, or where
    one in the midst of a tile is used by its number. Of a tensor that is only used element by
    element each is a tile of its own, on the same conditions.
    """
    lone = {use.wide for use in uses if use.wide} or {()}
    if len(lone) != 1 or len(min(lone)) > 1 or (rank < 2 and min(lone)):
        return ()
    along = min(lone)
    beside = [d for d in (rank - 2, rank - 1) if d not in along and d >= 0]
    chosen = [v for use in uses for d in beside for v in use.fixed.get(d, ())]
    amid = any((constant(use.starts[d]) or 0) % TILE for use in uses for d in beside)
    apart = [any(v.same_as(o) for o in outer) for v in chosen]
    if not (amid or any(apart)) or not (along or all(apart)):  # elements of blocks to be joined
        return ()
    units = (UNIT,) * (2 - len(along))
    return (*(d for d in range(rank) if d not in along), *units, *along)


def _uses(kernel: Kernel) -> Iterator[_Use]:
    params = {p.name for p in kernel.params}
    parallel = _loops(kernel, parallel=True)
    grid = [v for v in kernel.block_vars if v is not None] + _loops(kernel, parallel=False)
    for access in kernel.accesses:
        if access.buffer.name not in params:
            continue
        wide, fixed = [], {}
        sizes = [constant(d) for d in access.buffer.ty.shape]
        for d, (start, extent) in enumerate(zip(access.starts, access.extents, strict=True)):
            if extent > 1 or _mentioned(start, parallel):
                wide.append(d)
            elif sizes[d] != 1:
                fixed[d] = tuple(_mentioned(start, grid))
        rank = _rank_beside(access.buffer, access.node)
        yield _Use(access.buffer, tuple(wide), fixed, access.starts, rank, access.node)


def _rank_beside(tensor: Any, node: Any) -> int:
    """Dimensions of the buffer that a copy of a tensor's region names beside it."""
    if not isinstance(node, Call) or node.op.name != COPY:
        return 1
    return next((len(a.source.ty.shape) for a in node.args[:2] if a.source != tensor), 1)


def _loops(kernel: Kernel, *, parallel: bool) -> list[Any]:
    """Variables of T.Parallel, or of the other loops."""
    loops = [s for s in kernel.statements if isinstance(s, tirx.For)]
    return [s.loop_var for s in loops if (s.kind == tirx.ForKind.PARALLEL) == parallel]


def _mentioned(expr: Any, variables: Sequence[Any]) -> list[Any]:
    """Variables that occur in an index."""
    if not isinstance(expr, tvm.ir.Expr):
        return []
    found: list[Any] = []
    structural_walk(expr, [(tvm.ir.Var, found.append)])
    return [v for v in variables if any(f.same_as(v) for f in found)]
