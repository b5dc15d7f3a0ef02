"""Joining blocks smaller than a tile into whole-tile blocks.

A grid axis whose blocks cover ``e`` rows (or columns), no multiple of 32, is divided by the least
``f`` that makes ``f * e`` one: a work block then covers ``f`` source blocks. Every on-chip
dimension and T.Parallel loop tied to the axis grows by ``f``. Dimensions are tied by the statements
that move data between them; an axis is joined only where it appears as ``e * block + position``,
which is what makes the joined blocks independent.
"""

from __future__ import annotations

import math
from typing import Any, NoReturn

import tvm
from tvm import tirx
from tvm.ir import TensorLoad, TensorRegion

from harness.compiler.block.reading.gather import is_gathered
from harness.compiler.diagnostics import refuse
from harness.compiler.facts.affine import affine, mentions
from harness.compiler.facts.kernel import Kernel, read_kernel, with_body
from harness.compiler.facts.statements import calls
from harness.compiler.facts.ties import (
    Dim,
    Place,
    Ties,
    elements,
    indices_of,
    nests,
    places,
    step_of,
    tie,
)
from harness.compiler.joining.elementturns import done_in_turns
from harness.compiler.joining.notjoined import APART, NotJoined
from harness.compiler.joining.turns import in_turns, interleaved, lone, turns
from harness.compiler.joining.unitcolumns import with_column_loops
from harness.compiler.joining.unitrows import with_store_loops, with_unit_loops, with_unit_rows
from harness.compiler.rewrite.rowchoices import chosen_rows
from harness.compiler.rewrite.waves import substituted
from harness.language.nests import relooped
from harness.language.ops import COPY
from harness.language.regions import constant, is_buffer
from harness.language.walks import replaced, structural_map, structural_walk
from simulator.arch import TILE


def coalesce(func: tirx.PrimFunc) -> tuple[tirx.PrimFunc, tuple[int, int, int]]:
    """The function with sub-tile axes joined, else in turns, and the factor per axis.

    Raises:
        CompileError: an axis whose blocks cannot be shown independent.
    """
    factors = [1, 1, 1]
    func = with_store_loops(_without_unit_axes(func))
    for axis in (0, 1, 2):
        kernel = read_kernel(func)
        if kernel.block_vars[axis] is None or kernel.grid[axis] == 1:
            continue
        if lone(kernel, axis) or interleaved(kernel, axis):
            factors[axis] = kernel.grid[axis]
            func = in_turns(kernel, axis, factors[axis])
            continue
        try:
            func, factors[axis] = _joined(kernel, axis)
        except NotJoined as found:
            factors[axis] = turns(kernel, kernel.block_vars[axis])
            done = done_in_turns(kernel, axis, factors[axis])
            if done is None:
                refuse(
                    found.why,
                    node=found.node,
                    code="UnalignedBlock",
                    next_step=f"use block extents that are multiples of 32{found.else_do}",
                )
            func = done
    return func, (factors[0], factors[1], factors[2])


def _joined(kernel: Kernel, axis: int) -> tuple[tirx.PrimFunc, int]:
    """The function with blocks along an axis joined to whole tiles, and how many each.

    Raises:
        NotJoined: they are no whole tiles, and are not independent or not of one extent.
    """
    extent = _block_extent(kernel, axis)
    if extent is None:
        return kernel.func, 1
    what = f"blocks along grid axis {'xyz'[axis]}"
    var, steps = kernel.block_vars[axis], kernel.grid[axis]
    if extent == 1:
        kernel = _with_rows(kernel, var, steps, what)
    join = Join(kernel, var, extent, steps, what)
    for dim, call in join.ties.summed:
        if join.is_grown(dim):
            join.no("an op combines the elements of each", call)
    return join.run(), per_tile(extent)


def _with_rows(kernel: Kernel, var: Any, steps: int, what: str) -> Kernel:
    """The kernel with the one row of its blocks as a dimension, and as a loop."""
    kernel = read_kernel(with_column_loops(read_kernel(chosen_rows(kernel, var)), var))
    func, rows = with_unit_rows(kernel, var)
    kernel = read_kernel(func)
    tied = Join(kernel, var, 1, steps, what)
    tied.grown |= {tied.ties.find((buffer, 0)) for buffer in rows}
    while _spread(kernel, var, tied):
        pass
    dims = [(b, d) for b in kernel.onchip for d in range(len(b.ty.shape))]
    grown = {k for k in (*dims, *(("loop", v) for v in tied.ties.loops)) if tied.is_grown(k)}
    return read_kernel(with_unit_loops(kernel, var, grown))


def _spread(kernel: Kernel, var: Any, tied: Join) -> bool:
    """Whether a number made from those of a row turned out to be one per row as well.

    ``top[0] = low[0] * 2``: where ``low`` has a number per row ``top`` has, and not the other way
    round, as a row may use what all rows share.
    """
    changed = False
    onchip = set(kernel.onchip)

    def units(buffer: Any) -> list[Dim]:
        shape = buffer.ty.shape if buffer in onchip else ()
        return [(buffer, d) for d, size in enumerate(shape) if constant(size) == 1]

    for store, _ in nests(kernel):
        (target, _, _), *read = elements(store)
        own = units(target)
        if own and not any(map(tied.is_grown, own)):
            made = mentions(store.value, [var]) or any(
                tied.is_grown(key) for buffer, _, _ in read for key in units(buffer)
            )
            if made:
                tied.grown.add(tied.ties.find(own[0]))
            changed |= made
    return changed


def per_tile(extent: int) -> int:
    """The least number of extents that are whole tiles together."""
    return TILE // math.gcd(extent, TILE)


def _without_unit_axes(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with 0 for the index of every axis of one block, so ``by * 16`` is aligned."""
    kernel = read_kernel(func)
    unit = [v for v, g in zip(kernel.block_vars, kernel.grid, strict=True)
            if v is not None and g == 1]  # fmt: skip
    if not unit:
        return func
    zero = dict.fromkeys(unit, tirx.const(0, "int32"))
    return with_body(func, substituted(kernel.body, zero, tvm.sym.Analyzer()))


def _block_extent(kernel: Kernel, axis: int) -> int | None:
    """Extent, no whole tiles, that blocks along an axis have; None where they are whole tiles.

    An element that a block of whole tiles reads by the axis is chosen from its tile.
    """
    var, found = kernel.block_vars[axis], set()
    whole, chosen = False, []
    for place in places(kernel):
        step = step_of(place.start, var)
        if step is None and (not place.is_tile_dim or place.extent == 1
                             or _begins_tiles(place.start)):  # fmt: skip
            continue
        if step is None:
            raise NotJoined(f"an index of tensor {place.tensor.name!r} is not affine in the block"
                            " indices", place.node)  # fmt: skip
        if not place.is_tile_dim or step % TILE == 0:
            whole |= place.is_tile_dim and bool(step)
        elif place.is_element:
            chosen.append((step, place))
        else:
            _advances(step, place)
            found.add(step)
    for step, place in chosen if found or not whole else ():
        _advances(step, place)
        found.add(step)
    if len(found) > 1:
        raise NotJoined(f"grid axis {'xyz'[axis]} has blocks of different extents that are no whole"
                        " tiles", kernel.body)  # fmt: skip
    return found.pop() if found else None


def _begins_tiles(start: Any) -> bool:
    """Whether an index is a multiple of 32 whatever its variables are."""
    return bool(tvm.sym.Analyzer().can_prove_equal(tirx.FloorMod(start, TILE), 0))


def _advances(step: int, place: Place) -> None:
    """Refuse to join a place that does not advance by what it covers."""
    if step != place.extent:
        raise NotJoined(f"blocks of {place.tensor.name!r} advance by {step} along dimension"
                        f" {place.dim}, where they cover {place.extent}", place.node)  # fmt: skip


class Join:
    """Rewrites one kernel along one axis, of the grid or a loop, whose steps are below a tile."""

    def __init__(self, kernel: Kernel, var: Any, extent: int, steps: int, what: str) -> None:
        """Steps of ``var`` cover ``extent`` elements each; ``what`` names them in errors."""
        self.kernel, self.var, self.extent, self.what = kernel, var, extent, what
        self.size = "smaller than a tile" if extent < TILE else "no whole tiles"
        self.factor = per_tile(extent)
        self.steps = -(-steps // self.factor)
        self.end = steps * extent if steps % self.factor else None
        self.written = {a.buffer for a in kernel.accesses if a.write}
        self.ties = Ties()
        tie(kernel, self.ties)
        self.grown: set[Any] = set()
        for place in places(kernel):
            step = step_of(place.start, self.var)
            if place.is_tile_dim and step and step % TILE:
                self.grown.add(self.ties.find(place.key))
        self.buffers: dict[Any, Any] = {}

    def is_grown(self, key: Dim) -> bool:
        """Whether a dimension is tied to the axis."""
        return self.ties.find(key) in self.grown

    def run(self) -> tirx.PrimFunc:
        """The rewritten function.

        Raises:
            NotJoined: steps that are not independent, or that use part of themselves.
        """
        for place in places(self.kernel):
            self._check_place(place)
        for buffer in self.kernel.onchip:
            shape = [constant(d) or 0 for d in buffer.ty.shape]
            new = [d * self.factor if self.is_grown((buffer, i)) else d
                   for i, d in enumerate(shape)]  # fmt: skip
            if new != shape:
                self._check_whole(buffer, shape, new)
                self.buffers[buffer] = tirx.decl_buffer(
                    new, str(buffer.ty.dtype), name=buffer.name, scope=buffer.ty.storage_scope
                )
        self._check_expressions()
        self._check_gathered()
        self._check_parts()
        self._check_copies()
        body = self._rewrite(self.kernel.body)
        return with_body(self.kernel.func, body, {self.var: self.steps})

    def no(self, why: str, node: Any, else_do: str = "") -> NoReturn:
        """Refuse to join.

        Raises:
            NotJoined: always.
        """
        raise NotJoined(f"{self.what} are {self.size} and {why}", node, else_do)

    def _check_place(self, place: Place) -> None:
        found = step_of(place.start, self.var)
        step, name = 1 if found is None else found, place.tensor.name
        if self.is_grown(place.key):
            if found is None:
                self.no(f"tensor {name!r} is read at a place computed for each", place.node)
            if step != self.extent or place.extent != self.extent:
                self.no(f"tensor {name!r} does not advance with them", place.node, APART)
            size = constant(place.tensor.ty.shape[place.dim]) or 0
            if self.end is not None and self.end < size and place.tensor in self.written:
                self.no(f"end inside a tile of tensor {name!r}, at {self.end} of {size}",
                        place.node)  # fmt: skip
        elif step:
            self.no(f"tensor {name!r} is also indexed by the axis", place.node)

    def _check_gathered(self) -> None:
        """Computed places of a tensor depend neither on the axis nor on a loop that grows."""
        params = set(self.kernel.params)
        for store, around in nests(self.kernel):
            moved = [self.var, *(v for v in around if self.is_grown(("loop", v)))]
            for tensor, indices, node in elements(store):
                gathered = tensor in params and is_gathered(indices, list(around))
                if gathered and any(mentions(i, moved) for i in indices):
                    self.no(f"tensor {tensor.name!r} is read at places computed from them", node)

    def _check_whole(self, buffer: Any, old: list[int], new: list[int]) -> None:
        for before, after in zip(old, new, strict=True):
            if before not in (after, self.extent):
                self.no(f"buffer {buffer.name!r} has extent {before} there", self.kernel.body)

    def _check_parts(self) -> None:
        """A block is used whole along the axis: a part of it would become another part."""
        onchip = set(self.kernel.onchip)
        for access in self.kernel.accesses:
            if access.buffer not in onchip:
                continue
            if any(mentions(start, [self.var]) for start in access.starts):
                self.no(f"part of buffer {access.buffer.name!r} is chosen by the axis", access.node)
            for dim, extent in enumerate(access.extents):
                point = isinstance(access.node, (TensorLoad, tirx.BufferStore))
                if not point and self.is_grown((access.buffer, dim)) and extent != self.extent:
                    self.no(f"part of buffer {access.buffer.name!r} is used", access.node)
        for store, around in nests(self.kernel):
            grown = [v for v in around if self.is_grown(("loop", v))]
            for var in grown:
                if around[var] != self.extent:
                    self.no("a T.Parallel loop covers part of them", store)
                if not any(mentions(index, [var]) for index in store.indices):
                    self.no(f"{store.buffer.name!r} is stored to once for each", store)
            for buffer, indices, node in elements(store):
                for dim, index in enumerate(indices if buffer in onchip else ()):
                    plain = any(index.same_as(v) for v in grown)
                    along = self.is_grown((buffer, dim)) or mentions(index, grown)
                    if along and not plain:
                        self.no(f"part of buffer {buffer.name!r} is used", node)

    def _check_copies(self) -> None:
        """A copy moves the same dimensions, in the same order, as those that move together."""
        for call in calls(self.kernel.body):
            if call.op.name == COPY:
                source, target = (self._moving(region) for region in call.args[:2])
                if source != target:
                    self.no("this copy does not move the same dimensions", call, APART)

    def _moving(self, region: TensorRegion) -> list[Any]:
        """What the dimensions of a region that will have more than one element are tied to."""
        keys = [self.ties.key(region, i) for i in range(len(region.region))]
        sizes = [constant(r.extent) for r in region.region[:]]
        return [self.ties.find(key) for key, size in zip(keys, sizes, strict=True)
                if size != 1 or self.is_grown(key)]  # fmt: skip

    def _check_expressions(self) -> None:
        """The axis variable and a grown loop variable occur only together, as a place along it."""
        grown_loops = [v for v in self.ties.loops if self.is_grown(("loop", v))]
        for node, expr in indices_of(self.kernel):
            used: list[Any] = []
            structural_walk(expr, [(tvm.ir.Var, used.append)])
            tied = (self.var, *grown_loops)
            if not any(v.same_as(t) for v in used for t in tied):
                continue
            scalars = [v for v in dict.fromkeys(used) if not is_buffer(v)]
            form = affine(expr, scalars)
            inner = 0 if form is None else sum(form.of(v) for v in grown_loops)
            if form is None or form.of(self.var) != self.extent * inner:
                self.no("an index expression uses the axis, or the place in a block, on its own",
                         node)  # fmt: skip

    def _rewrite(self, body: Any) -> Any:
        analyzer = tvm.sym.Analyzer()

        def swap(buffer: Any) -> Any:
            return self.buffers.get(buffer, buffer)

        def region(node: TensorRegion) -> TensorRegion:
            ranges = []
            for i, rng in enumerate(node.region):
                start, extent = self._moved(rng.min, analyzer), rng.extent
                key = self.ties.key(node, i)
                if self.is_grown(key):
                    extent = tirx.const((constant(extent) or 0) * self.factor, "int32")
                ranges.append(tvm.ir.Range.from_min_extent(start, extent))
            return TensorRegion(swap(node.source), ranges, node.ty, node.span)

        def load(node: TensorLoad) -> TensorLoad:  # its indices are mapped already
            indices = [analyzer.simplify(i) for i in node.indices[:]]
            return tirx.BufferLoad(swap(node.source), indices, span=node.span)

        def store(node: tirx.BufferStore) -> Any:
            indices = [self._moved(i, analyzer) for i in node.indices[:]]
            value = structural_map(node.value, callbacks, order="post")
            return tirx.BufferStore(swap(node.buffer), value, indices, span=node.span)

        def variable(node: Any) -> Any:
            return node * self.factor if node.same_as(self.var) else node

        callbacks = [(TensorRegion, region), (TensorLoad, load), (tvm.ir.Var, variable)]

        def statement(stmt: Any) -> Any:
            if isinstance(stmt, tirx.SeqStmt):
                return tirx.SeqStmt([statement(s) for s in stmt.seq[:]])
            if isinstance(stmt, tirx.AllocBuffer):
                return tirx.AllocBuffer(swap(stmt.buffer), stmt.annotations, stmt.span)
            if isinstance(stmt, tirx.BufferStore):
                return store(stmt)
            if isinstance(stmt, tirx.For):
                extent = stmt.extent
                if self.is_grown(("loop", stmt.loop_var)):
                    extent = tirx.const((constant(extent) or 0) * self.factor, "int32")
                elif stmt.loop_var.same_as(self.var):
                    extent = tirx.const(self.steps, "int32")
                return relooped(stmt, statement(stmt.body), extent=extent)
            if isinstance(stmt, tirx.IfThenElse) and not mentions(stmt.condition, [self.var]):
                orelse = None if stmt.else_case is None else statement(stmt.else_case)
                return tirx.IfThenElse(stmt.condition, statement(stmt.then_case), orelse,
                                       stmt.span)  # fmt: skip
            if isinstance(stmt, tirx.Evaluate):
                return structural_map(stmt, [(TensorRegion, region)], order="pre")
            self.no(f"a {type(stmt).__name__} statement depends on them", stmt)

        return statement(body)

    def _moved(self, expr: Any, analyzer: Any) -> Any:
        """An index with the axis variable scaled."""
        return analyzer.simplify(replaced(expr, {self.var: self.var * self.factor}))
