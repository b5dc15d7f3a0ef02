"""Rows, columns and elements inside the tiles of a block, chosen by an index: ``s[i, k]``.

No op takes a column out of a tile. Everything else in the block is replaced by minus infinity, and
the largest along the axis is what was asked for: a maximum compares and does not compute, so it
only loses what the matrix unit's sources lose, as every operand that is repeated does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tvm import tirx

from harness.compiler.block.model import (
    Buffer,
    Const,
    Eltwise,
    IndexTiles,
    Leaf,
    Select,
    Statement,
    Transpose,
    Unary,
)
from harness.compiler.block.parts import Parts
from harness.compiler.block.reading.pool import pooled
from harness.compiler.block.region import Region
from harness.compiler.diagnostics import refuse
from harness.language.regions import constant
from simulator.arch import TILE


@dataclass(frozen=True)
class Pick:
    """Place ``at`` along an axis of a block: one row for axis 0, one column for axis 1."""

    axis: int
    at: Any


def picks(
    parts: Parts,
    buffer: Any,
    starts: list[Any],
    extents: list[int],
    fixed: Sequence[int],
    node: Any,
) -> list[Pick]:
    """What to choose along the ``fixed`` dimensions; their starts and extents become all of them.

    Raises:
        CompileError: an index that may lie outside.
    """
    found = []
    parts.inside(buffer, starts, extents, node)
    for dim in fixed:
        at, rank = starts[dim], len(starts)
        column = parts.buffers[buffer.name].form != "col" if rank == 1 else dim == rank - 1
        found.append(Pick(int(column), at))
        starts[dim], extents[dim] = tirx.const(0, "int32"), constant(buffer.ty.shape[dim]) or 0
    return found


def window(parts: Parts, region: Region, fixed: Sequence[int]) -> tuple[Region, list[Pick]]:
    """The whole tiles of a tensor that hold a region, and what to choose from them.

    The region is one row or column thick along the ``fixed`` dimensions.
    """
    starts, extents, found = list(region.starts), list(region.extents), []
    for dim in fixed:
        first = parts.tile_of(starts[dim]) * TILE
        found.append(Pick(int(dim == len(starts) - 1), starts[dim] - first))
        starts[dim], extents[dim] = first, TILE
    return Region(region.tensor, starts, extents), found


def picked(
    block: Buffer, chosen: Sequence[Pick], node: Any, temp: Callable[[str], str]
) -> tuple[list[Statement], Buffer]:  # fmt: skip
    """Statements that choose, and the vector or the one element that is chosen."""
    made: list[Statement] = []
    for pick in chosen:
        axis = pick.axis
        if block.lead != 1:
            refuse(f"a row or column of {block.name!r} is chosen in several planes", node=node,
                   next_step="use blocks of two dimensions")  # fmt: skip
        if axis == 1 and block.dtype == "float16":  # whose maxima of rows pass as bfloat16
            turned = block.turned(temp(f"{block.name}_t"))
            made.append(Transpose(node, turned, block))
            block, axis = turned, 0
        index = block.like(temp("index"), "float32")
        kept = block.like(temp(f"{block.name}_kept"))
        here = Unary("eqz", Leaf(index))
        made.append(IndexTiles(node, index, tirx.const(0, "int32") - pick.at, 1 - axis, axis))
        made.append(Eltwise(node, kept, Select(here, Leaf(block), Const(-math.inf))))
        largest, block = pooled(kept, "MAX", axis, node, temp, kept.dtype, f"{block.name}_chosen")
        made += largest
    return made, block
