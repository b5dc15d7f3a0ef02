"""T.reduce of blocks of three dimensions: plane by plane.

Along the first dimension the planes are joined element by element. Along another a loop over the
planes takes a line of each, which becomes one row of the result: it is repeated down the block, and
taken where the row is the plane's.
"""

from __future__ import annotations

from functools import reduce
from typing import Any, Final

from tvm import tirx
from tvm.ir import Call, TensorRegion

from harness.compiler.block.model import (
    Binary,
    Buffer,
    Const,
    Eltwise,
    Expr,
    For,
    IndexTiles,
    Leaf,
    Select,
    Statement,
    Transpose,
    Unary,
)
from harness.compiler.block.parts import Parts
from harness.compiler.block.reading.copies import Copies
from harness.compiler.block.reading.reduced import BEFORE, JOIN, line, negated
from harness.compiler.diagnostics import refuse
from harness.compiler.facts.accesses import region_access
from harness.language.regions import constant
from simulator.arch import TILE

JOINED: Final = TILE
"""Planes that are joined in one expression."""
ROWS: Final = 256
"""Planes that become rows: their numbers are exact in every format of DST."""


def reduced_planes(reader: Copies, call: Call, parts: Parts) -> list[Statement]:
    """The statements of a reduction of (L, M, N) along any dimension.

    Raises:
        CompileError: more planes than are unrolled, or a result that is no matrix.
    """
    source, target, kind, dim, clear = call.args[:]
    kind, dim, clear = str(kind.value), constant(dim) or 0, bool(constant(clear))
    count = constant(source.region[0].extent) or 0
    most = ROWS if dim else JOINED
    if count > most:
        refuse(f"T.reduce_{kind} of {count} planes", node=call,
               next_step=f"reduce at most {most} at once, or in a loop, each into a row"
               " of its own")  # fmt: skip
    dst = reader.block(target, call, parts.write if clear and dim == 0 else parts.update)
    if dim == 0:
        planes = [_plane(source, at, call, parts) for at in range(count)]
        if dst.shape != planes[0].shape:
            refuse(f"T.reduce_{kind} into a block of {dst.shape}", node=call, code="ShapeMismatch",
                   next_step=f"declare the result as {planes[0].shape}")  # fmt: skip
        return _joined(call, kind, planes, dst, clear=clear)
    if dst.shape[0] != count:
        refuse(f"T.reduce_{kind} of {count} planes into a block of {dst.shape}", node=call,
               code="ShapeMismatch", next_step="declare a row per plane")  # fmt: skip
    return _rows(reader, call, kind, dst, axis=dim - 1, clear=clear)


def _plane(source: TensorRegion, at: Any, call: Call, parts: Parts) -> Buffer:
    access = region_access(source, call, write=False)
    first, *starts = access.starts
    return parts.read(source.source, [first + at, *starts], [1, *access.extents[1:]], call)


def _joined(
    call: Call, kind: str, planes: list[Buffer], dst: Buffer, *, clear: bool
) -> list[Statement]:
    """All planes in one expression, in pairs: as few roundings as there can be."""
    op = JOIN.get(kind, "max")
    before = BEFORE.get(kind) if kind != "min" else None
    terms: list[Expr] = [Leaf(plane) if before is None else before(Leaf(plane)) for plane in planes]
    while len(terms) > 1:
        pairs = [terms[i : i + 2] for i in range(0, len(terms), 2)]
        terms = [reduce(lambda a, b: Binary(op, a, b), pair) for pair in pairs]
    value = terms[0] if clear else Binary(op, Leaf(dst), terms[0])
    return [Eltwise(call, dst, value)]


def _rows(
    reader: Copies, call: Call, kind: str, dst: Buffer, *, axis: int, clear: bool
) -> list[Statement]:
    """A row of the result after another; ``left`` counts the planes down to each row's own."""
    source = call.args[0]
    count = source.region[0].extent
    at = tirx.Var("plane", "int32")
    index = dst.like(reader.temp("index"), "float32")
    left = dst.like(reader.temp("left"), "float32")
    out: list[Statement] = [
        IndexTiles(call, index, tirx.const(0, "int32"), 1, 0),
        Eltwise(call, left, Leaf(index)),
    ]
    if clear:
        out.append(Eltwise(call, dst, Const(0.0)))
    reader.ranges.append((at, tirx.const(0, "int32"), count))
    parts = reader.parts()
    plane = _plane(source, at, call, parts)
    reader.ranges.pop()
    made, found = line(reader, call, kind, plane, axis, "float32", f"{dst.name}_{kind}")
    body = [*parts.before, *made]
    if found.form == "col":
        turned = found.turned(reader.temp(f"{found.name}_t"))
        body.append(Transpose(call, turned, found))
        found = turned
    value: Expr = Leaf(found, "ROW")
    if kind == "min":
        value = negated(value)
    if not clear:
        value = Binary(JOIN.get(kind, "max"), Leaf(dst), value)
    body.append(Eltwise(call, dst, Select(Unary("eqz", Leaf(left)), value, Leaf(dst))))
    body.append(Eltwise(call, left, Binary("sub", Leaf(left), Const(1.0))))
    nothing = tirx.Evaluate(tirx.const(0, "int32"))
    loop = tirx.For(at, 0, count, tirx.ForKind.SERIAL, nothing, span=call.span)
    return [*out, For(loop, body)]
