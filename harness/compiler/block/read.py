"""TIR to a block program: every statement understood, or refused where it stands."""

from __future__ import annotations

from typing import Any

import tvm
from tvm import tirx
from tvm.ir import Call, TensorLoad, TensorRegion

from harness.compiler.block.model import (
    Binary,
    BlockProgram,
    Buffer,
    Const,
    Eltwise,
    Expr,
    For,
    Gemm,
    If,
    Leaf,
    Load,
    Region,
    Statement,
    Store,
)
from harness.compiler.diagnostics import refuse
from harness.compiler.kernel import Kernel, region_access
from harness.compiler.passes.propagate_layout import tile_grid
from harness.language.ops import COPY, FILL, GEMM
from harness.language.regions import constant

_BINARY = ((tirx.Add, "add"), (tirx.Sub, "sub"), (tirx.Mul, "mul"))


def read_block(kernel: Kernel) -> BlockProgram:
    """The block program of a kernel.

    Raises:
        CompileError: a statement outside what the pipeline lowers, at its source line.
    """
    reader = _Reader(kernel)
    body = reader.body(kernel.body)
    return BlockProgram(body, {p.name for p in kernel.params} | {b.name for b in kernel.onchip}
                        | reader.names)  # fmt: skip


class _Reader:
    def __init__(self, kernel: Kernel) -> None:
        self.params = {p.name: p for p in kernel.params}
        self.buffers: dict[str, Buffer] = {}
        self.names: set[str] = set()
        for b in kernel.onchip:
            shape = tuple(constant(d) or 0 for d in b.ty.shape)
            self.buffers[b.name] = _buffer(b.name, str(b.ty.dtype), shape)

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
            return [For(stmt, self.body(stmt.body))]
        if isinstance(stmt, tirx.IfThenElse):
            orelse = [] if stmt.else_case is None else self.body(stmt.else_case)
            return [If(stmt, self.body(stmt.then_case), orelse)]
        if isinstance(stmt, tirx.BufferStore):
            refuse("a single element is stored outside T.Parallel", node=stmt,
                   next_step="store tiles in a T.Parallel loop")  # fmt: skip
        refuse(f"a {type(stmt).__name__} statement cannot be lowered", node=stmt)

    def call(self, call: Call) -> list[Statement]:
        name, args = call.op.name, list(call.args)
        if name == COPY:
            return self.copy(call, args[0], args[1])
        if name == FILL:
            value = constant(args[1]) if not isinstance(args[1], tirx.FloatImm) else args[1].value
            if value is None:
                refuse("T.fill with a value that is not a constant", node=call,
                       next_step="fill with a number")  # fmt: skip
            return [Eltwise(call, self.whole(args[0], call), Const(float(value)))]
        if name == GEMM:
            a, b, c = (self.whole(r, call) for r in args[:3])
            flags = [bool(constant(f)) for f in args[3:6]]
            if any(x.lead != 1 for x in (a, b, c)):
                refuse("T.gemm on blocks of more than two dimensions", node=call,
                       next_step="give matrices")  # fmt: skip
            return [Gemm(call, a, b, c, *flags)]
        refuse(f"{name} cannot be lowered", node=call)

    def whole(self, region: TensorRegion, node: Any) -> Buffer:
        """The on-chip buffer a region covers in full."""
        name = region.source.name
        if name not in self.buffers:
            refuse(f"{name!r} is a tensor in device memory; this op works on on-chip blocks",
                   node=node, next_step="T.copy it to a shared or fragment buffer first")  # fmt: skip
        access = region_access(region, node, write=False)
        full = tuple(constant(d) for d in region.source.ty.shape)
        if any(constant(s) != 0 for s in access.starts) or access.extents != full:
            refuse(f"part of on-chip buffer {name!r} is used", node=node,
                   next_step="use whole on-chip buffers")  # fmt: skip
        return self.buffers[name]

    def copy(self, call: Call, src: TensorRegion, dst: TensorRegion) -> list[Statement]:
        from_tensor, to_tensor = src.source.name in self.params, dst.source.name in self.params
        if from_tensor and to_tensor:
            refuse("T.copy from tensor to tensor", node=call,
                   next_step="copy through a shared buffer")  # fmt: skip
        if from_tensor:
            buffer = self.whole(dst, call)
            region = self.region(src, call)
            _fit(region, buffer, call)
            return self.load(call, buffer, region)
        if to_tensor:
            region, buffer = self.region(dst, call), self.whole(src, call)
            _fit(region, buffer, call)
            return [Store(call, region, buffer)]
        a, b = self.whole(src, call), self.whole(dst, call)
        if (a.lead, a.shape) != (b.lead, b.shape):
            refuse(f"T.copy between on-chip shapes {a.shape} and {b.shape}", node=call,
                   code="ShapeMismatch")  # fmt: skip
        return [Eltwise(call, b, Leaf(a))]

    def load(self, node: Any, buffer: Buffer, region: Region) -> list[Statement]:
        """A load; where tensor and buffer differ in dtype, through a buffer of the tensor's."""
        dtype = str(region.tensor.ty.dtype)
        if dtype == buffer.dtype:
            return [Load(node, buffer, region)]
        raw = buffer.like(self.temp(f"{buffer.name}_{region.tensor.name}"), dtype)
        return [Load(node, raw, region), Eltwise(node, buffer, Leaf(raw))]

    def temp(self, stem: str) -> str:
        name, n = stem, 1
        while name in self.names or name in self.buffers or name in self.params:
            name, n = f"{stem}_{n}", n + 1
        self.names.add(name)
        return name

    def region(self, region: TensorRegion, node: Any) -> Region:
        access = region_access(region, node, write=False)
        return Region(region.source, list(access.starts), list(access.extents))

    # T.Parallel -----------------------------------------------------------------------------

    def parallel(self, loop: tirx.For) -> list[Statement]:
        variables, extents = [], []
        body: Any = loop
        while isinstance(body, tirx.For) and body.kind == tirx.ForKind.PARALLEL:
            extent = constant(body.extent)
            if extent is None or constant(body.min) != 0:
                refuse("a T.Parallel extent is not a constant", node=body)
            variables.append(body.loop_var)
            extents.append(extent)
            body = body.body
        out: list[Statement] = []
        for stmt in body.seq if isinstance(body, tirx.SeqStmt) else [body]:
            if not isinstance(stmt, tirx.BufferStore):
                refuse(f"a {type(stmt).__name__} inside T.Parallel", node=stmt,
                       next_step="store an elementwise expression")  # fmt: skip
            out += self.store(stmt, variables, extents)
        return out

    def store(self, stmt: tirx.BufferStore, variables: list[Any], extents: list[int]) -> list[Statement]:
        before: list[Statement] = []
        target = stmt.buffer
        expr = self.expr(stmt.value, stmt, variables, extents, before)
        place = self.place(target, list(stmt.indices), stmt, variables, extents)
        if isinstance(place, Buffer):
            return [*before, Eltwise(stmt, place, expr)]
        temp = _buffer(self.temp(f"{target.name}_block"), str(target.ty.dtype), tuple(extents))
        return [*before, Eltwise(stmt, temp, expr), Store(stmt, place, temp)]

    def place(
        self, buffer: Any, indices: list[Any], node: Any, variables: list[Any], extents: list[int]
    ) -> Buffer | Region:
        """What ``buffer[indices]`` over the whole iteration space is."""
        ana = tvm.sym.Analyzer()
        if buffer.name in self.buffers:
            block = self.buffers[buffer.name]
            shape = [constant(d) for d in buffer.ty.shape]
            same = len(indices) == len(variables) and all(
                isinstance(i, tvm.ir.Var) and i.same_as(v)
                for i, v in zip(indices, variables, strict=True)
            )
            if not same or shape != extents:
                refuse(f"{buffer.name!r} is not indexed by the T.Parallel variables in order over"
                       " its whole extent", node=node, code="UnsupportedIndex",
                       next_step="index whole on-chip blocks by the loop variables")  # fmt: skip
            return block
        starts, sizes = [], []
        used = 0
        for index in indices:
            rest = ana.simplify(index - variables[used]) if used < len(variables) else index
            if used < len(variables) and not _mentions(rest, variables):
                starts.append(rest)
                sizes.append(extents[used])
                used += 1
            elif not _mentions(index, variables):
                starts.append(index)
                sizes.append(1)
            else:
                refuse(f"tensor {buffer.name!r} is not indexed by start + loop variable in order",
                       node=node, code="UnsupportedIndex",
                       next_step="index as tensor[start + i, start + j]")  # fmt: skip
        if used != len(variables):
            refuse(f"tensor {buffer.name!r} does not use every T.Parallel variable", node=node,
                   code="UnsupportedIndex")  # fmt: skip
        return Region(buffer, starts, sizes)

    def expr(
        self, value: Any, node: Any, variables: list[Any], extents: list[int], before: list[Statement]
    ) -> Expr:
        if isinstance(value, (tirx.FloatImm, tirx.IntImm)):
            return Const(float(value.value))
        if isinstance(value, tirx.Cast):
            inner = value.value
            if isinstance(inner, (tirx.FloatImm, tirx.IntImm)):
                return Const(float(inner.value))
            widens = str(value.ty.dtype) == "float32"
            if not widens and not value.same_as(node.value):
                refuse("a narrowing cast inside an expression", node=value,
                       next_step="store the narrowed value to a buffer of that dtype")  # fmt: skip
            return self.expr(inner, node, variables, extents, before)
        if isinstance(value, TensorLoad):
            place = self.place(value.source, list(value.indices), value, variables, extents)
            if isinstance(place, Buffer):
                return Leaf(place)
            tensor = value.source
            for known in before:
                if isinstance(known, Load) and known.region.tensor.same_as(tensor) and [
                    str(s) for s in known.region.starts
                ] == [str(s) for s in place.starts]:
                    return Leaf(known.dst)
            temp = _buffer(self.temp(f"{tensor.name}_block"), str(tensor.ty.dtype), tuple(extents))
            before.append(Load(node, temp, place))
            return Leaf(temp)
        for kind, op in _BINARY:
            if isinstance(value, kind):
                a = self.expr(value.a, node, variables, extents, before)
                b = self.expr(value.b, node, variables, extents, before)
                return _fold(op, a, b)
        what = value.op.name if isinstance(value, Call) else type(value).__name__
        refuse(f"{what} in an elementwise expression", node=value,
               next_step="use +, - and * of blocks and numbers")  # fmt: skip


def _fold(op: str, a: Expr, b: Expr) -> Expr:
    if isinstance(a, Const) and isinstance(b, Const):
        x, y = a.value, b.value
        return Const(x + y if op == "add" else x - y if op == "sub" else x * y)
    return Binary(op, a, b)


def _mentions(expr: Any, variables: list[Any]) -> bool:
    import tvm_ffi

    found = []
    tvm_ffi.structural_walk(expr, [(tvm.ir.Var, found.append)])
    return any(f.same_as(v) for f in found for v in variables)


def _buffer(name: str, dtype: str, shape: tuple[int, ...]) -> Buffer:
    lead, rows, cols = tile_grid(shape)
    last = shape if len(shape) > 1 else (1, *shape)
    return Buffer(name, dtype, lead, rows, cols, (last[-2], last[-1]))


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
