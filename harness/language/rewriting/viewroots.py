"""Blocks of more than two dimensions that are better kept as matrices.

The last two dimensions of a block are rows and columns of tiles, padded to 32 each. Where ops take
a block's rows, or its columns in groups, as those of one matrix, that matrix is what is allocated:
``T.gemm(T.reshape(x, (P * M, N)), …)``, and ``x[i, g, j] = w[i, g * L + j]``. The block itself is
then a view of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import tvm
from tvm import tirx
from tvm.ir import Call, TensorLoad, TensorRegion

from harness.language.ops import CUMSUM, GEMM, REDUCE
from harness.language.regions import constant
from harness.language.walks import structural_walk
from simulator.arch import TILE

Shape = list[int]
_MATRIX: Final = 2


def matrices(body: Any) -> dict[Any, Shape]:
    """The matrix that each such block is kept as."""
    blocks: dict[Any, Shape] = {}
    views: dict[Any, Any] = {}

    def allocated(node: tirx.AllocBuffer) -> None:
        shape = [constant(d) or 0 for d in node.buffer.ty.shape]
        if node.buffer.ty.storage_scope not in ("", "global") and len(shape) > _MATRIX:
            blocks[node.buffer] = shape

    def declared(node: tirx.DeclBuffer) -> None:
        block = node.data.args[0]
        views[node.buffer] = views.get(block, block)

    structural_walk(body, [(tirx.AllocBuffer, allocated), (tirx.DeclBuffer, declared)])
    if not blocks:
        return {}
    found = _as_operands(body, blocks, views)
    for block, shape in _in_groups(body, blocks).items():
        found.setdefault(block, shape)
    kept = _only_as_blocks(body, blocks)
    return {block: shape for block, shape in found.items() if block not in kept}


def _as_operands(
    body: Any, blocks: Mapping[Any, Shape], views: Mapping[Any, Any]
) -> dict[Any, Shape]:  # fmt: skip
    """Blocks whose rows, plane after plane, a product or a reduction takes as one matrix's."""
    found: dict[Any, Shape] = {}

    def called(call: Call) -> None:
        if getattr(call.op, "name", "") not in (GEMM, REDUCE):
            return
        for arg in call.args:
            block = views.get(arg.source) if isinstance(arg, TensorRegion) else None
            if block in blocks:
                shape, own = [constant(d) or 0 for d in arg.source.ty.shape], blocks[block]
                if shape == [math.prod(own[:-1]), own[-1]] and own[-2] % TILE == 0:
                    found.setdefault(block, shape)

    structural_walk(body, [(Call, called)])
    return found


def _in_groups(body: Any, blocks: Mapping[Any, Shape]) -> dict[Any, Shape]:
    """Blocks of three dimensions, the last two of which are groups of columns elsewhere."""
    found: dict[Any, Shape] = {}

    def stored(store: tirx.BufferStore) -> None:
        places = [(store.buffer, store.indices[:])]
        structural_walk(store.value, [(TensorLoad, lambda load: places.append(
            (load.source, load.indices[:])))])  # fmt: skip
        for block, indices in places:
            own = blocks.get(block)
            if own is None or len(own) != _MATRIX + 1:
                continue
            group, column = indices[1:]
            others = [i for buffer, at in places if not buffer.same_as(block) for i in at]
            if any(_numbered(i, group, column, own[2]) for i in others):
                found[block] = [own[0], own[1] * own[2]]

    structural_walk(body, [(tirx.BufferStore, stored)])
    return found


def _numbered(index: Any, group: Any, column: Any, length: int) -> bool:
    """Whether an index is ``group * length + column`` further than something else."""
    if not all(isinstance(v, tvm.ir.Var) for v in (group, column)) or group.same_as(column):
        return False
    if not isinstance(index, tvm.ir.Expr):
        return False
    steps = [constant(step) for step in tvm.sym.detect_linear_equation(index, [group, column])]
    return steps[:2] == [length, 1]


def _only_as_blocks(body: Any, blocks: Mapping[Any, Shape]) -> set[Any]:
    """Blocks that ops take as they are, other than to copy or fill them, or sum up groups."""
    found: set[Any] = set()

    def called(call: Call) -> None:
        name = getattr(call.op, "name", "")
        for at, arg in enumerate(call.args):
            if isinstance(arg, TensorRegion) and arg.source in blocks:
                group = name == REDUCE and at == 0 and constant(call.args[3]) == _MATRIX
                if name in (GEMM, CUMSUM) or (name == REDUCE and not group):
                    found.add(arg.source)

    structural_walk(body, [(Call, called)])
    return found
