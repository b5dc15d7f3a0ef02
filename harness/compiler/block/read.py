"""TIR to a block program: every statement understood, or refused where it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tvm
from tvm import tirx
from tvm.ir import Call, TensorRegion

from harness.compiler.affine import block_ranges, mentions
from harness.compiler.block.conditions import check_conditions
from harness.compiler.block.fold import number
from harness.compiler.block.gather import Gathered
from harness.compiler.block.held import KEPT, WHOLES, check_whole, computed_integers
from harness.compiler.block.lattice import Lattice, Run
from harness.compiler.block.model import (
    BlockProgram,
    Buffer,
    Const,
    Convert,
    Cumsum,
    Eltwise,
    Expr,
    For,
    Gemm,
    If,
    IndexTiles,
    Leaf,
    Load,
    Statement,
    Store,
    Transpose,
    Unary,
)
from harness.compiler.block.moved import Moved, zero
from harness.compiler.block.nest import Nest
from harness.compiler.block.parts import Parts
from harness.compiler.block.pieces import FACE
from harness.compiler.block.planes import reduced_planes
from harness.compiler.block.reduced import reduced
from harness.compiler.block.region import Region
from harness.compiler.block.whole import NARROW, NUMBERS, WHOLE, copied, in_parts, total
from harness.compiler.diagnostics import refuse
from harness.compiler.forms import in_order, infer_forms
from harness.compiler.kernel import Kernel, loads_of, region_access
from harness.compiler.lookups import index_tensors
from harness.compiler.passes.propagate_layout import onchip_dtypes, tile_grid
from harness.compiler.signed import stored_dtype
from harness.compiler.waves import substituted
from harness.language.blockformats import BLOCK_FORMATS, dtype_of
from harness.language.extrema import cut_before
from harness.language.ops import COPY, CUMSUM, FILL, GEMM, REDUCE
from harness.language.regions import constant
from harness.language.tensors import DTYPES, TRUTH
from simulator.arch import TILE


def read_block(kernel: Kernel, *, fp32_dest: bool = True) -> BlockProgram:
    """The block program of a kernel; ``fp32_dest`` says whether DST holds 32 bits of a number.

    Raises:
        CompileError: a statement outside what the pipeline lowers, at its source line.
    """
    reader = _Reader(kernel, fp32_dest)
    body = reader.body(kernel.body)
    names = {p.name for p in kernel.params} | {b.name for b in kernel.onchip} | reader.names
    held = {reader.buffers[b.name]: dtype_of(b) for b in kernel.onchip if b.name in reader.held}
    held |= reader.whole
    return BlockProgram(body, names, held, kernel.signed, cut_before(kernel.func), reader.exact)


class _Reader:
    def __init__(self, kernel: Kernel, fp32_dest: bool) -> None:
        self.fp32_dest = fp32_dest
        forms, dtypes = infer_forms(kernel), onchip_dtypes(kernel)
        self.params = {p.name: p for p in kernel.params}
        self.buffers: dict[str, Buffer] = {}
        self.whole: dict[Buffer, str] = {}
        self.exact: list[tuple[Any, Expr]] = []
        self.held = computed_integers(kernel)
        self.signed = kernel.signed
        self.tables = frozenset(index_tensors(kernel))
        self.names: set[str] = set()
        self.ranges = block_ranges(kernel)
        for b in kernel.onchip:
            shape = tuple(constant(d) or 0 for d in b.ty.shape)
            self.buffers[b.name] = make_buffer(b.name, dtypes[b.name], shape, forms[b.name])

    def body(self, stmt: Any) -> list[Statement]:
        if isinstance(stmt, tirx.SeqStmt):
            return [s for child in stmt.seq for s in self.body(child)]
        if isinstance(stmt, tirx.AllocBuffer):
            return []
        if isinstance(stmt, tirx.Evaluate) and isinstance(stmt.value, Call):
            return self.call(stmt.value)
        if isinstance(stmt, tirx.For):
            if stmt.kind == tirx.ForKind.PARALLEL:
                return self.parallel(stmt)
            self.ranges.append((stmt.loop_var, stmt.min, stmt.extent))
            inner = self.body(stmt.body)
            self.ranges.pop()
            return [For(stmt, inner)]
        if isinstance(stmt, tirx.IfThenElse):
            orelse = [] if stmt.else_case is None else self.body(stmt.else_case)
            return [If(stmt, self.body(stmt.then_case), orelse)]
        if isinstance(stmt, tirx.BufferStore):
            refuse("a single element is stored outside T.Parallel", node=stmt,
                   next_step="store tiles in a T.Parallel loop; a sequential one may store elements"
                   " where it reads nothing that another iteration stores")  # fmt: skip
        refuse(f"a {type(stmt).__name__} statement cannot be lowered", node=stmt)

    def call(self, call: Call) -> list[Statement]:
        """A tile op, between what it needs of parts of blocks and what becomes of them."""
        check_conditions(call)
        check_whole(call)
        parts = self.parts()
        body = self.tile_op(call, parts)
        return [*parts.before, *body, *parts.after]

    def stored(self, buffer: Any) -> str:
        """The dtype elements of a tensor or block lie in memory in."""
        return stored_dtype(buffer, self.signed)

    def parts(self) -> Parts:
        """For the parts of blocks that one statement uses."""
        return Parts(self.buffers, self.ranges, self.temp)

    def tile_op(self, call: Call, parts: Parts) -> list[Statement]:
        name, args = call.op.name, call.args[:]
        if name == COPY:
            return self.copy(call, args[0], args[1], parts)
        if name == FILL:
            value = constant(args[1]) if not isinstance(args[1], tirx.FloatImm) else args[1].value
            if value is None:
                refuse("T.fill with a value that is not a constant", node=call,
                       next_step="fill with a number")  # fmt: skip
            return self.fill(call, args[0], number(value, call), parts)
        if name == GEMM:
            flags = [bool(constant(f)) for f in args[3:6]]
            a, b = (self.block(r, call, parts.read) for r in args[:2])
            c = self.block(args[2], call, parts.write if flags[2] else parts.update)
            if any(x.lead != 1 for x in (a, b, c)):
                refuse("T.gemm on blocks of more than two dimensions", node=call,
                       next_step="give matrices")  # fmt: skip
            return [Gemm(call, a, b, c, flags[0], flags[1], None if flags[2] else c)]
        if name == REDUCE:
            count = constant(args[0].region[0].extent)
            planes = len(args[0].region) == 3 and (count != 1 or constant(args[3]) == 0)
            return reduced_planes(self, call, parts) if planes else reduced(self, call, parts)
        if name == CUMSUM:
            return self.cumsum(call, parts)
        refuse(f"{name} cannot be lowered", node=call)

    def fill(self, call: Call, region: Any, value: Const, parts: Parts) -> list[Statement]:
        """A block set to a number, or part of a tensor, by way of a block."""
        if region.source.name not in self.params:
            return [Eltwise(call, self.block(region, call, parts.write), value)]
        target = self.region(region, call)
        block = self.block_of(f"{region.source.name}_block", self.stored(region.source),
                              tuple(target.extents))  # fmt: skip
        return [Eltwise(call, block, value), *self.unload(call, target, block)]

    def block(
        self, region: TensorRegion, node: Any, use: Callable[[Any, Any, Any, Any], Buffer]
    ) -> Buffer:  # fmt: skip
        """The on-chip block of a region; ``use`` is one of the ways of :class:`Parts`."""
        name = region.source.name
        if name not in self.buffers:
            refuse(f"{name!r} is a tensor in device memory; this op works on on-chip blocks",
                   node=node, next_step="T.copy it to an on-chip buffer first")  # fmt: skip
        access = region_access(region, node, write=False)
        return use(region.source, access.starts, access.extents, node)

    def copy(
        self, call: Call, src: TensorRegion, dst: TensorRegion, parts: Parts
    ) -> list[Statement]:  # fmt: skip
        from_tensor, to_tensor = src.source.name in self.params, dst.source.name in self.params
        if dtype_of(src.source) in DTYPES and dtype_of(dst.source) in WHOLES:
            return self.cut(call, src, dst, parts)
        if from_tensor:
            region = self.region(src, call, gathers=True)
            return self.load(call, self.block(dst, call, parts.write), region)
        if to_tensor:
            region = self.region(dst, call, gathers=True)
            return self.unload(call, region, self.block(src, call, parts.read))
        a, b = self.block(src, call, parts.read), self.block(dst, call, parts.write)
        if (a.lead, a.shape) == (b.lead, b.shape):
            return [Eltwise(call, b, copied(a, b))]
        if (a.lead, a.shape) == (b.lead, b.shape[::-1]) and 1 in a.shape:
            return self.converted(call, b, a)
        refuse(f"T.copy between on-chip shapes {a.shape} and {b.shape}", node=call,
               code="ShapeMismatch", next_step="copy blocks of one shape")  # fmt: skip

    def cut(
        self, call: Call, src: TensorRegion, dst: TensorRegion, parts: Parts
    ) -> list[Statement]:  # fmt: skip
        """A copy of real numbers to integers, which cuts them."""
        to_tensor, dtype = dst.source.name in self.params, dtype_of(dst.source)
        made: list[Statement] = []
        target = None if to_tensor else self.block(dst, call, parts.write)
        if src.source.name in self.params:
            region = self.region(src, call, gathers=True)
            if target is None:
                refuse("T.copy of real numbers between tensors, the second of integers", node=call,
                       next_step="copy them to a block first")  # fmt: skip
            real = target.like(self.temp(f"{target.name}_real"), dtype_of(src.source))
            made += self.load(call, real, region)
        else:
            real = self.block(src, call, parts.read)
        whole = real.like(self.temp(f"{dst.source.name}_cut"), KEPT)
        self.whole[whole] = dtype
        cut = Convert(dtype if dtype in NARROW else WHOLE, Leaf(real))
        made.append(Eltwise(call, whole, Convert(KEPT, cut)))
        if target is None:
            return [*made, *self.unload(call, self.region(dst, call), whole)]
        if (whole.lead, whole.shape) == (target.lead, target.shape):
            return [*made, Eltwise(call, target, copied(whole, target))]
        if (whole.lead, whole.shape) == (target.lead, target.shape[::-1]) and 1 in whole.shape:
            return [*made, *self.converted(call, target, whole)]
        refuse(f"T.copy between on-chip shapes {whole.shape} and {target.shape}", node=call,
               code="ShapeMismatch", next_step="copy blocks of one shape")  # fmt: skip

    def converted(self, node: Any, dst: Buffer, src: Buffer) -> list[Statement]:
        """``dst = src`` where one lies in a row and the other in a column."""
        made: list[Statement] = []
        parts = [src]
        if src.dtype in NUMBERS and not dst.format.is_integer:
            made, parts = in_parts(src, node, self.temp)
        turned = [part.turned(self.temp(f"{part.name}_t")) for part in parts]
        made += [Transpose(node, t, part) for t, part in zip(turned, parts, strict=True)]
        return [*made, Eltwise(node, dst, total(map(Leaf, turned)))]

    def unload(self, node: Any, region: Region, buffer: Buffer) -> list[Statement]:
        """A store; a vector that lies the other way in its tensor is turned first."""
        if isinstance(region, Gathered):
            return [Store(node, region, buffer)]
        if {buffer.form, lies(region)} == {"row", "col"}:
            turned = buffer.turned(self.temp(f"{buffer.name}_t"))
            return [Transpose(node, turned, buffer), *self.unload(node, region, turned)]
        _fit(region, buffer, node)
        return [Store(node, region, buffer)]

    def load(self, node: Any, buffer: Buffer, region: Region) -> list[Statement]:
        """A load; where tensor and buffer differ in dtype, through a buffer of the tensor's.

        A vector that lies the other way in its tensor is turned once it is there.
        """
        dtype = self.stored(region.tensor)
        if {buffer.form, lies(region)} == {"row", "col"}:
            raw = buffer.turned(self.temp(f"{buffer.name}_{region.tensor.name}"))
            raw.dtype = dtype
            return [*self.load(node, raw, region), *self.converted(node, buffer, raw)]
        _fit(region, buffer, node)
        if self.begins_in_a_run(region, buffer):
            return self.windowed(node, buffer, region)
        if dtype == buffer.dtype:
            return [Load(node, buffer, region)]
        raw = buffer.like(self.temp(f"{buffer.name}_{region.tensor.name}"), dtype)
        expr = copied(raw, buffer)
        truth = dtype_of(region.tensor) == TRUTH
        return [
            Load(node, raw, region),
            Eltwise(node, buffer, Unary("nez", expr) if truth else expr),
        ]

    def begins_in_a_run(self, region: Region, buffer: Buffer) -> bool:
        """Whether the columns of a region begin inside a row of a face, where no piece does."""
        start = region.starts[-1]
        if loads_of(*region.starts) or dtype_of(region.tensor) in BLOCK_FORMATS or buffer.lead > 1:
            return False
        return not self.parts().proves(tirx.FloorMod(start, tirx.const(FACE, "int32")).equal(0))

    def window(self, parts: Parts, start: Any, extent: int) -> tuple[Any, Any, int]:
        """The multiple of 16 before a column, how far it is from there, and whole runs to read."""
        runs, analyzer = tirx.const(FACE, "int32"), parts.analyzer()
        first = analyzer.simplify(tirx.FloorDiv(start, runs) * runs)
        shift = analyzer.simplify(start - first)
        most = constant(shift)
        most = FACE - 1 if most is None else most
        return first, shift, -(-(most + extent) // FACE) * FACE

    def windowed(self, node: Any, buffer: Buffer, region: Region) -> list[Statement]:
        """A load of columns from anywhere: of the runs they lie in, from which they are moved."""
        first, shift, wide = self.window(self.parts(), region.starts[-1], region.extents[-1])
        rows, columns = buffer.shape
        dtype = self.stored(region.tensor)
        wanted = Region(region.tensor, [*region.starts[:-1], first], [*region.extents[:-1], wide])
        window = self.block_of(f"{region.tensor.name}_window", dtype, (rows, wide))
        raw = buffer if dtype == buffer.dtype else buffer.like(
            self.temp(f"{buffer.name}_{region.tensor.name}"), dtype)  # fmt: skip
        all_of_it = Lattice(Run(0, 1, rows), Run(0, 1, columns), 0, 0, 1, 0, 1)
        made = [*self.load(node, window, wanted),
                Moved(node, raw, window, None, (all_of_it,), zero(), shift)]  # fmt: skip
        return made if raw is buffer else [*made, Eltwise(node, buffer, copied(raw, buffer))]

    def block_of(
        self, stem: str, dtype: str, shape: tuple[int, ...], form: str = "full"
    ) -> Buffer:  # fmt: skip
        """A block of its own for what a statement needs."""
        return make_buffer(self.temp(stem), dtype, shape, form)

    def temp(self, stem: str) -> str:
        name, n = stem, 1
        while name in self.names or name in self.buffers or name in self.params:
            name, n = f"{stem}_{n}", n + 1
        self.names.add(name)
        return name

    def region(self, region: TensorRegion, node: Any, *, gathers: bool = False) -> Region:
        access = region_access(region, node, write=False, gathers=gathers)
        return Region(region.source, list(access.starts), list(access.extents))

    def parallel(self, loop: tirx.For) -> list[Statement]:
        """A T.Parallel nest: its stores in order, each over the whole iteration space."""
        variables, extents = [], []
        body: Any = loop
        while isinstance(body, tirx.For) and body.kind == tirx.ForKind.PARALLEL:
            extent = constant(body.extent)
            if extent is None or constant(body.min) != 0:
                refuse("a T.Parallel extent is not a constant", node=body,
                       next_step="give T.Parallel numbers")  # fmt: skip
            variables.append(body.loop_var)
            extents.append(extent)
            body = body.body
        out: list[Statement] = []
        for stmt in body.seq[:] if isinstance(body, tirx.SeqStmt) else [body]:
            where = None
            if isinstance(stmt, tirx.IfThenElse):  # left of a store whose place data say
                where, stmt = stmt.condition, stmt.then_case  # noqa: PLW2901
            if not isinstance(stmt, tirx.BufferStore):
                refuse(f"a {type(stmt).__name__} inside T.Parallel", node=stmt,
                       next_step="store an elementwise expression; use T.if_then_else")  # fmt: skip
            out += self._stored(stmt, dict(zip(variables, extents, strict=True)), where)
        return out

    def _stored(
        self, stmt: tirx.BufferStore, loops: dict[Any, int], where: Any
    ) -> list[Statement]:  # fmt: skip
        """One store of a nest; a loop of one iteration that it is not stored along is none."""
        unused = {v: tirx.const(0, "int32") for v, extent in loops.items()
                  if extent == 1 and not any(mentions(i, [v]) for i in stmt.indices)}  # fmt: skip
        if where is None and 0 < len(unused) < len(loops):
            stmt = substituted(stmt, unused, tvm.sym.Analyzer())
            loops = {v: extent for v, extent in loops.items() if v not in unused}
        variables = list(loops)
        order = [variables[k] for k in in_order(stmt, variables)]
        return Nest(self, order, [loops[v] for v in order]).store(stmt, where)

    def cumsum(self, call: Call, parts: Parts) -> list[Statement]:
        """Running sums, with the triangle of ones they take."""
        args = call.args[:]
        src = self.block(args[0], call, parts.read)
        dst = self.block(args[1], call, parts.write)
        rank, dim, reverse = len(args[0].region), constant(args[2]) or 0, bool(constant(args[3]))
        if dim < rank - 2:
            refuse("T.cumsum along a leading dimension", node=call,
                   next_step="add the planes one after another")  # fmt: skip
        axis = 1 if dim == rank - 1 and src.form != "col" else 0
        upper = (axis == 1) != reverse  # ones where column >= row
        shape = (TILE, 2 * TILE) if upper else (2 * TILE, TILE)
        index = make_buffer(self.temp("index"), "float32", shape)
        ones = index.like(self.temp("ones"), "bfloat16")
        step = 1 if upper else -1
        return [
            IndexTiles(call, index, tirx.const(0, "int32"), -step, step),
            Eltwise(call, ones, Unary("gez", Leaf(index))),
            Cumsum(call, dst, src, ones, axis, reverse),
        ]


def make_buffer(name: str, dtype: str, shape: tuple[int, ...], form: str = "full") -> Buffer:
    """A block buffer of a shape in elements; a vector lies as its form says."""
    if len(shape) == 1:
        last = (shape[0], 1) if form == "col" else (1, shape[0])
        return Buffer(name, dtype, 1, -(-last[0] // TILE), -(-last[1] // TILE), last,
                      "row" if form == "full" else form)  # fmt: skip
    lead, rows, cols = tile_grid(shape)
    return Buffer(name, dtype, lead, rows, cols, (shape[-2], shape[-1]), form)


def lies(region: Region) -> str:
    """How a vector of a tensor lies in its tiles, ``row`` or ``col``; ``full`` where it is none."""
    *lead, last = region.extents
    if all(e == 1 for e in lead):
        return "row"
    return "col" if last == 1 and all(e == 1 for e in lead[:-1]) else "full"


def _fit(region: Region, buffer: Buffer, node: Any) -> None:
    """A region's leading and tile extents are the buffer's."""
    extents = region.extents if len(region.extents) > 1 else [1, *region.extents]
    lead = 1
    for e in extents[:-2]:
        lead *= e
    if (lead, tuple(extents[-2:])) != (buffer.lead, buffer.shape):
        refuse(f"T.copy between region {tuple(region.extents)} and block of"
               f" {buffer.lead}x{buffer.shape}", node=node, code="ShapeMismatch",
               next_step="unit dimensions may only lead")  # fmt: skip
