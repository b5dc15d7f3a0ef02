"""What lies beside a block in its last tiles must not enter sums and maxima.

Blocks whose extents are no multiples of 32 fill their last tiles in part. What a reader loads has
zeros there; what is computed has anything. Before an op that combines elements along such an extent
its operand is copied with the op's neutral element in place of what lies beside it.
"""

from __future__ import annotations

import math

from harness.compiler.block.model import (
    Accumulate,
    BlockProgram,
    Buffer,
    Const,
    Cumsum,
    Eltwise,
    Gemm,
    IndexTiles,
    Leaf,
    Load,
    Reduce,
    Select,
    Statement,
    Transpose,
    Unary,
    walk,
)
from harness.compiler.block.rewrite import replace_uses, rewrite_lists
from harness.compiler.diagnostics import refuse
from simulator.arch import TILE

Combined = tuple[Buffer, int, float]
"""An operand, the axis an op combines its elements along, and the op's neutral element."""


def combined(stmt: Statement) -> list[Combined]:
    """Operands of a statement whose elements it combines along an extent that ends in a tile."""
    found: list[Combined] = []
    if isinstance(stmt, Gemm):
        found = [(stmt.a, 1, 0.0), (stmt.b, 1 if stmt.trans_b else 0, 0.0)]
    elif isinstance(stmt, Reduce):
        found = [(stmt.src, stmt.axis, 0.0 if stmt.pool == "SUM" else -math.inf)]
    elif isinstance(stmt, Cumsum):  # forwards it multiplies them by zero, and infinities stay
        found = [(stmt.src, stmt.axis, 0.0)]
    return [c for c in found if c[0].shape[c[1]] % TILE]


def pad_combined(program: BlockProgram) -> None:
    """Give every such operand its op's neutral element beside the block.

    Raises:
        CompileError: an operand of integers that is computed.
    """
    makers: dict[Buffer, list[Statement]] = {}
    for stmt in walk(program.body):
        for buffer in stmt.defs():
            makers.setdefault(buffer, []).append(stmt)
    masks: dict[tuple[int, int], Buffer] = {}
    first: list[Statement] = []

    def mask(stmt: Statement, extent: int, axis: int) -> Buffer:
        """1 in the block and 0 beside it: a row of tiles along axis 1, a column along axis 0."""
        if (extent, axis) not in masks:
            tiles = -(-extent // TILE)
            rows, cols, shape = (1, tiles, (1, extent)) if axis else (tiles, 1, (extent, 1))
            index = Buffer(program.fresh_name("index"), "float32", 1, rows, cols, shape,
                           "row" if axis else "col")  # fmt: skip
            inside = index.like(program.fresh_name("inside"), "bfloat16")
            first.append(IndexTiles(stmt.node, index, -extent, 1 - axis, axis))
            first.append(Eltwise(stmt.node, inside, Unary("ltz", Leaf(index))))
            masks[extent, axis] = inside
        return masks[extent, axis]

    def padded(stmt: Statement, source: Buffer, axis: int, neutral: float) -> Eltwise:
        if source.dtype.startswith("int"):
            refuse(f"{source.name!r} is computed and summed over {source.shape[axis]} integers",
                   node=stmt.node, code="UnalignedBlock",
                   next_step=f"sum over a multiple of {TILE}")  # fmt: skip
        inside = Leaf(mask(stmt, source.shape[axis], axis), "ROW" if axis else "COL")
        copy = source.like(program.fresh_name(f"{source.name}_padded"))
        return Eltwise(stmt.node, copy, Select(inside, Leaf(source), Const(neutral)))

    def visit(body: list[Statement]) -> list[Statement]:
        out: list[Statement] = []
        for stmt in body:
            inner = walk(stmt.body) if isinstance(stmt, Accumulate) else [stmt]
            copies: dict[Combined, Eltwise] = {}
            for op in inner:
                if op is stmt and isinstance(op, Gemm) and op.resident:
                    continue  # with the Accumulate around it, where nothing else may use DST
                for operand in combined(op):
                    source, _, neutral = operand
                    if neutral == 0.0 and _zero_beside(source, makers):
                        continue
                    if operand not in copies:
                        copies[operand] = padded(op, *operand)
                    replace_uses(op, source, copies[operand].dst)
            out += [*copies.values(), stmt]
        return out

    rewrite_lists(program, visit)
    program.body[:0] = first


def _zero_beside(buffer: Buffer, makers: dict[Buffer, list[Statement]]) -> bool:
    """Whether a block surely has zeros beside it: it is loaded, or moved as it is."""

    def moved(stmt: Statement) -> Buffer | None:
        if isinstance(stmt, Transpose):
            return stmt.src
        plain = isinstance(stmt, Eltwise) and isinstance(stmt.expr, Leaf) and not stmt.expr.bcast
        return stmt.expr.buffer if plain else None  # type: ignore[attr-defined]

    for stmt in makers.get(buffer, []):
        source = moved(stmt)
        if isinstance(stmt, Load) or (isinstance(stmt, Eltwise) and stmt.expr == Const(0.0)):
            continue
        if source is None or source is buffer or not _zero_beside(source, makers):
            return False
    return True
