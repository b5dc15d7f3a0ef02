"""TIR to a block program: every statement understood, or refused where it stands."""

from __future__ import annotations

from typing import Any

import tvm
from tvm import tirx
from tvm.ir import Call

from harness.compiler.block.fold import number
from harness.compiler.block.model import (
    BlockProgram,
    Const,
    Cumsum,
    Eltwise,
    For,
    Gemm,
    If,
    IndexTiles,
    Leaf,
    Statement,
    Unary,
)
from harness.compiler.block.parts import Parts
from harness.compiler.block.reading.blocks import make_buffer
from harness.compiler.block.reading.conditions import check_conditions
from harness.compiler.block.reading.copies import Copies
from harness.compiler.block.reading.held import check_whole
from harness.compiler.block.reading.nest import Nest
from harness.compiler.block.reading.planes import reduced_planes
from harness.compiler.block.reading.reduced import reduced
from harness.compiler.diagnostics import refuse
from harness.compiler.facts.affine import mentions
from harness.compiler.facts.forms import in_order
from harness.compiler.facts.kernel import Kernel
from harness.compiler.rewrite.waves import substituted
from harness.language.blockformats import dtype_of
from harness.language.nests import is_parallel, parallel_nest
from harness.language.ops import COPY, CUMSUM, FILL, GEMM, REDUCE
from harness.language.regions import constant
from harness.language.rewriting.extrema import cut_before
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


class _Reader(Copies):
    def body(self, stmt: Any) -> list[Statement]:
        if isinstance(stmt, tirx.SeqStmt):
            return [s for child in stmt.seq for s in self.body(child)]
        if isinstance(stmt, tirx.AllocBuffer):
            return []
        if isinstance(stmt, tirx.Evaluate) and isinstance(stmt.value, Call):
            return self.call(stmt.value)
        if isinstance(stmt, tirx.For):
            if is_parallel(stmt):
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

    def parallel(self, loop: tirx.For) -> list[Statement]:
        """A T.Parallel nest: its stores in order, each over the whole iteration space."""
        loops, body = parallel_nest(loop)
        extents: dict[Any, int] = {}
        for one in loops:
            extent = constant(one.extent)
            if extent is None or constant(one.min) != 0:
                refuse("a T.Parallel extent is not a constant", node=one,
                       next_step="give T.Parallel numbers")  # fmt: skip
            extents[one.loop_var] = extent
        out: list[Statement] = []
        for stmt in body.seq[:] if isinstance(body, tirx.SeqStmt) else [body]:
            where = None
            if isinstance(stmt, tirx.IfThenElse):  # left of a store whose place data say
                where, stmt = stmt.condition, stmt.then_case  # noqa: PLW2901
            if not isinstance(stmt, tirx.BufferStore):
                refuse(f"a {type(stmt).__name__} inside T.Parallel", node=stmt,
                       next_step="store an elementwise expression; use T.if_then_else")  # fmt: skip
            out += self._stored(stmt, extents, where)
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
