"""Vectors that are used element by element, in rows of 32: 1024 of their elements are a tile.

Of a 1-D block as it stands a tile holds one row of 32. Where all that is done with vectors is to
move them in runs that begin at multiples of 32, and to compute elements from others at the same
place of their runs, a vector of N elements is a matrix (N / 32, 32), a block of it is one likewise,
and ``for i in T.Parallel(n)`` is two loops. What meets in a loop or a copy is so together or not at
all: a vector that is reduced, or repeated along rows or columns, stays a row, and all with it.

The host fills the last row up with zeros, which is what reads beyond a tensor give. What a kernel
stores there is nobody's: nothing reads it again (:mod:`harness.compiler.block.settling.hazards`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

import tvm
from tvm import tirx
from tvm.ir import Call, TensorLoad, TensorRegion

from harness.compiler import attrs
from harness.compiler.facts.affine import mentions
from harness.compiler.facts.kernel import Kernel, read_kernel, with_body
from harness.compiler.facts.statements import children, over_children
from harness.compiler.facts.ties import Ties
from harness.compiler.joining.coalesce import coalesce
from harness.compiler.retensor import like, with_tensors
from harness.errors import CompileError
from harness.language.blockformats import carried, dtype_of
from harness.language.nests import is_parallel
from harness.language.ops import COPY, FILL
from harness.language.regions import constant
from harness.language.tensors import VAR
from harness.language.walks import replaced, structural_walk
from simulator.arch import TILE
from simulator.plan.views import ROWS

_AREA: Final = TILE * TILE


def folded(func: tirx.PrimFunc, settled: Collection[str]) -> tuple[tirx.PrimFunc, dict[str, int]]:
    """The function with vectors in rows of 32 where they can be, and how long such tensors were.

    Tensors named ``settled`` stay in the shape they have.
    """
    kernel = read_kernel(func)
    if not any(_length(p) > 1 for p in kernel.params):
        return func, {}
    uses = _Uses(kernel, settled)
    groups = uses.groups()
    for tried in (groups, [g for g in groups if not uses.small & set(g)]):
        keys = {key for group in tried for key in group}
        if keys:
            new = _Rows(kernel, uses.analyzer).rewritten(keys)
            if not uses.small & keys or _joins(new):
                return new, {str(p.name): _length(p) for p in kernel.params if p in keys}
    return func, {}


def row_lengths(func: tirx.PrimFunc) -> dict[str, int]:
    """Lengths of the vectors that layouts say are in rows of 32."""
    layouts = attrs.get(func, attrs.TT_LAYOUT_DESC, {})
    return {n: d["logical_shape"][0] for n, d in layouts.items()
            if tuple(d.get("view", ())) == ROWS and d.get("logical_shape")}  # fmt: skip


def _joins(func: tirx.PrimFunc) -> bool:
    """Whether blocks below a tile can be joined to whole ones."""
    try:
        coalesce(func)
    except CompileError:
        return False
    return True


def _length(buffer: Any) -> int:
    """How many elements a vector has; 0 of what is no vector."""
    return (constant(buffer.ty.shape[0]) or 0) if len(buffer.ty.shape) == 1 else 0


class _Uses:
    """How a kernel uses its vectors, and the loops over their elements.

    What meets is tied. ``apart`` is what is used otherwise than element by element, ``long`` what
    takes several rows at once, ``small`` what is moved in blocks that are no whole tiles.
    """

    def __init__(self, kernel: Kernel, settled: Collection[str]) -> None:
        self.grid = [v for v in kernel.block_vars if v is not None]
        self.analyzer = tvm.sym.Analyzer()
        for var, extent in zip(kernel.block_vars, kernel.grid, strict=True):
            if var is not None:
                self.analyzer.bind(var, tvm.ir.Range.from_min_extent(0, extent))
        self.tensors = [p for p in kernel.params if _length(p) > 1]
        blocks = {b for b in kernel.onchip if _length(b) > 1 and b.ty.storage_scope != VAR}
        self.vectors = {*self.tensors, *blocks}
        self.members: list[Any] = list(self.tensors)
        self.ties = Ties()
        self.apart = {v for v in self.tensors if v.name in settled}
        self.apart |= {b for b in blocks if _length(b) % TILE}
        self.long: set[Any] = set()
        self.small: set[Any] = set()
        self._look(kernel.body, [])

    def groups(self) -> list[list[Any]]:
        """Vectors and loop variables that can be rows of 32, by what they meet."""
        found: dict[Any, list[Any]] = {}
        for key in dict.fromkeys(self.members):
            found.setdefault(self.ties.find(key), []).append(key)
        return [group for group in found.values() if not self.apart & set(group)
                and self.long & set(group) and any(t in group for t in self.tensors)]  # fmt: skip

    def _look(self, stmt: Any, around: list[tirx.For]) -> None:
        """Take in a statement, inside loops of T.Parallel."""
        if isinstance(stmt, tirx.For):
            self._read((stmt.min, stmt.extent), [])
            self.analyzer.bind(stmt.loop_var, tvm.ir.Range.from_min_extent(stmt.min, stmt.extent))
            if is_parallel(stmt):
                self.members.append(stmt.loop_var)
                if constant(stmt.min) != 0 or (constant(stmt.extent) or 1) % TILE:
                    self.apart.add(stmt.loop_var)
                around = [*around, stmt]
        elif isinstance(stmt, tirx.IfThenElse):
            self._read((stmt.condition,), [])
            self.apart |= {loop.loop_var for loop in around}
        elif isinstance(stmt, tirx.BufferStore):
            self._element(stmt.buffer, stmt.indices[:], around)
            self._read((stmt.value,), around)
        elif isinstance(stmt, tirx.Bind):
            self._read((stmt.value,), [])
        elif isinstance(stmt, tirx.Evaluate) and isinstance(stmt.value, Call):
            self._call(stmt.value)
        for child in children(stmt):
            self._look(child, around)

    def _read(self, exprs: Sequence[Any], around: list[tirx.For]) -> None:
        """Take in what expressions read."""
        for load in _loads(exprs):
            self._element(load.source, load.indices[:], around)

    def _element(self, buffer: Any, indices: Sequence[Any], around: list[tirx.For]) -> None:
        """Take in an element that is read or stored."""
        told = _loads(indices)
        self.apart |= {load.source for load in told}
        moved = [loop.loop_var for loop in around
                 if any(mentions(index, [loop.loop_var]) for index in indices)]  # fmt: skip
        if buffer in self.vectors and len(moved) == len(around) == 1 and not told:
            start = self.analyzer.simplify(indices[0] - moved[0])
            if not mentions(start, moved):
                self._run(buffer, start, constant(around[0].extent) or 0)
                self.ties.join(buffer, moved[0])
                return
        self.apart |= {buffer, *moved}

    def _call(self, call: Call) -> None:
        """Take in a tile op."""
        regions = [a for a in call.args[:] if isinstance(a, TensorRegion)]
        starts = [r.min for a in regions for r in a.region]
        self._read([*starts, *(a for a in call.args[:] if not isinstance(a, TensorRegion))], [])
        extents = {constant(r.extent) or 0 for a in regions for r in a.region}
        used = {a.source for a in regions}
        if call.op.name not in (COPY, FILL) or len(extents) > 1 or not used <= self.vectors:
            self.apart |= used
            return
        for region in regions:
            self._run(region.source, region.region[0].min, *extents)
            self.ties.join(region.source, regions[0].source)

    def _run(self, vector: Any, start: Any, extent: int) -> None:
        """Take in a run of a vector's elements."""
        self.members.append(vector)
        if extent > TILE:
            self.long.add(vector)
        whole = extent >= _length(vector) and constant(start) == 0
        if extent % TILE or not self._is_multiple(start, TILE):
            self.apart.add(vector)
        elif not whole and (extent % _AREA or not self._is_multiple(start, _AREA)):
            self.small.add(vector)
            steps = (self._is_multiple(start - var * extent, _AREA) for var in self.grid)
            if vector not in self.tensors or not any(steps):
                self.apart.add(vector)

    def _is_multiple(self, index: Any, of: int) -> bool:
        return bool(self.analyzer.can_prove_equal(tirx.FloorMod(index, of), 0))


class _Rows:
    """Rewrites one kernel; ``analyzer`` knows the ranges of its variables."""

    def __init__(self, kernel: Kernel, analyzer: Any) -> None:
        self.kernel, self.analyzer = kernel, analyzer

    def rewritten(self, keys: Collection[Any]) -> tirx.PrimFunc:
        """The function with the vectors and loop variables ``keys`` in rows of 32."""
        func = with_body(self.kernel.func, self._split(self.kernel.body, keys))
        new = {v: like(v, [-(-_length(v) // TILE), TILE], carried(dtype_of(v)))
               for v in (*self.kernel.params, *self.kernel.onchip) if v in keys}  # fmt: skip
        return with_tensors(func, new, dict.fromkeys(new, self._moved))

    def _split(self, stmt: Any, keys: Collection[Any]) -> Any:
        if not is_parallel(stmt) or stmt.loop_var not in keys:
            return over_children(stmt, lambda child: self._split(child, keys))
        row, place = (tirx.Var(f"{stmt.loop_var.name}_{part}", "int32") for part in ("row", "in"))
        extents = ((constant(stmt.extent) or 0) // TILE, TILE)
        body = replaced(stmt.body, {stmt.loop_var: row * TILE + place})
        for var, extent in ((place, extents[1]), (row, extents[0])):
            self.analyzer.bind(var, tvm.ir.Range.from_min_extent(0, extent))
            body = tirx.For(var, 0, extent, stmt.kind, body, span=stmt.span)
        return body

    def _moved(self, given: Sequence[Any]) -> list[Any]:
        """Indices of a row and a place in it, or ranges of whole rows."""
        (at,), cut = given, tvm.ir.Range.from_min_extent
        if isinstance(at, tvm.ir.Range):
            return [cut(self._over(at.min), (constant(at.extent) or 0) // TILE), cut(0, TILE)]
        return [self._over(at), self.analyzer.simplify(tirx.FloorMod(at, TILE))]

    def _over(self, index: Any) -> Any:
        """The row of an element."""
        return self.analyzer.simplify(tirx.FloorDiv(index, TILE))


def _loads(exprs: Sequence[Any]) -> list[TensorLoad]:
    """Every element that expressions read, those in indices of others included."""
    found: list[TensorLoad] = []
    for expr in exprs:
        if isinstance(expr, tvm.ir.Expr):
            structural_walk(expr, [(TensorLoad, found.append)])
    return found
