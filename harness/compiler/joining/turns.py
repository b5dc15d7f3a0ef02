"""Blocks that write less than tiles of their own, done by one core in turn.

Two cores never write one tile. Where blocks along a grid axis cannot be joined to one of whole
tiles, a work block does as many of them as write whole tiles together one after another, each as
the source has it. What they move begins anywhere in tiles, and is moved in pieces. So are all
blocks along an axis of which one writes an output that does not move along it, ``if bz == 0``, and
those along an axis of which each writes between what others write, as both halves of rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import tvm
from tvm import tirx
from tvm.ir import TensorLoad

from harness.compiler.block.emitting.pieces import FACE
from harness.compiler.diagnostics import refuse
from harness.compiler.facts.accesses import accesses
from harness.compiler.facts.affine import conjuncts, mentions
from harness.compiler.facts.boxes import apart
from harness.compiler.facts.carried import carried
from harness.compiler.facts.kernel import Kernel, with_body
from harness.compiler.facts.outputs import Writes, boxes, hull, is_told, written
from harness.compiler.facts.statements import children
from harness.compiler.facts.ties import places, step_of
from harness.compiler.facts.values import value_of
from harness.compiler.rewrite.waves import substituted
from harness.compiler.tt_ops import seq
from harness.errors import CompileError
from simulator.arch import TILE

TURNS: Final = "tt.turns"
"""Annotation of the loop over the blocks of a work block."""


def in_pieces(kernel: Kernel, var: Any, *, elements: bool = False) -> bool:
    """Whether blocks move by whole rows of faces along the last dimension of every tensor.

    Elements that T.Parallel reads are chosen from their tiles or moved within L1, wherever they
    are. With ``elements`` blocks may store single ones, each the one beside the last's.
    """
    for place in places(kernel):
        last = place.dim == len(place.tensor.ty.shape) - 1
        read = isinstance(place.node, TensorLoad)
        if elements and isinstance(place.node, tirx.BufferStore):
            read |= step_of(place.start, var) == 1 and place.extent == 1
        if last and not read and (step_of(place.start, var) or 0) % FACE:
            return False
    return True


def turns(kernel: Kernel, var: Any) -> int:
    """The least number of blocks along an axis that write whole tiles together."""
    tensors = written(kernel)
    number = 1
    for place in places(kernel):
        if place.is_tile_dim and place.tensor.name in tensors:
            number = math.lcm(number, TILE // math.gcd(step_of(place.start, var) or TILE, TILE))
    return number


def lone(kernel: Kernel, axis: int) -> set[str]:
    """Outputs that do not move along an axis, and that one of its blocks alone writes."""
    var, blocks = kernel.block_vars[axis], np.arange(kernel.grid[axis])
    kept: dict[Any, Any] = {}
    for stmt, tests in _guarded(kernel.body, ()):
        passes = np.ones(len(blocks), bool)
        for test in tests:
            value = value_of(test, {var: blocks}) if mentions(test, [var]) else None
            passes &= True if value is None else value != 0
        for access in accesses(stmt):
            if access.write and access.buffer in kernel.params:
                moves = any(mentions(start, [var]) for start in access.starts)
                kept.setdefault(access.buffer, np.zeros(len(blocks), bool))
                kept[access.buffer] |= passes | moves
    return {str(tensor.name) for tensor, passes in kept.items() if passes.sum() < 2}


def interleaved(kernel: Kernel, axis: int) -> bool:
    """Whether blocks along an axis write between what others write of an output, and share nothing.

    ``Y[i, bx * 64 + j]`` and ``Y[i, n + bx * 64 + j]``: the plan knows one box of each block.
    """
    between = False
    for writes in written(kernel).values():
        if is_told(writes):
            continue
        try:
            low, high, moves = hull(kernel, writes, tiles=False)
        except CompileError:  # which is told where the map is made, if it stays so
            return False
        if not apart([(tuple(low), tuple(high))], [m[axis] for m in moves], kernel.grid[axis]):
            between = _is_apart(kernel, axis, writes)
            if not between:
                return False
    return between


def _is_apart(kernel: Kernel, axis: int, writes: Writes) -> bool:
    _, _, moves = hull(kernel, writes, tiles=False)
    return apart(boxes(kernel, writes), [m[axis] for m in moves], kernel.grid[axis])


def _guarded(stmt: Any, tests: tuple[Any, ...]) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Statements without statements in them, with the conditions around each."""
    if isinstance(stmt, tirx.IfThenElse):
        yield from _guarded(stmt.then_case, (*tests, *conjuncts(stmt.condition)))
        if stmt.else_case is not None:
            yield from _guarded(stmt.else_case, (*tests, tirx.Not(stmt.condition)))
        return
    for child in children(stmt):
        yield from _guarded(child, tests)
    if not children(stmt):
        yield stmt, tests


def in_turns(kernel: Kernel, axis: int, number: int) -> tirx.PrimFunc:
    """The function with ``number`` blocks along a grid axis after one another.

    Raises:
        CompileError: blocks that write the same elements, or one that may use what another made.
    """
    var, blocks = kernel.block_vars[axis], kernel.grid[axis]
    if number == 1:
        return kernel.func
    _check_apart(kernel, axis)
    for buffer, node in carried(kernel.body, set(kernel.onchip)).items():
        refuse(f"buffer {buffer.name!r} may be used before it is filled, and blocks that share"
               " tiles of what they write are done in turn", node=node, code="UnalignedBlock",
               next_step="clear it first, or write multiples of 32 rows and columns")  # fmt: skip
    turn = tirx.Var("turn", "int32")
    number = min(number, blocks)
    block = var * number + turn
    analyzer = tvm.sym.Analyzer()
    analyzer.bind(var, tvm.ir.Range(0, -(-blocks // number)))
    analyzer.bind(turn, tvm.ir.Range(0, number))
    parts = kernel.body.seq[:] if isinstance(kernel.body, tirx.SeqStmt) else [kernel.body]
    made = [p for p in parts if isinstance(p, tirx.AllocBuffer)]
    done = substituted(seq([p for p in parts if p not in made]), {var: block}, analyzer)
    if blocks % number:
        done = tirx.IfThenElse(block < blocks, done, None)
    loop = tirx.For(turn, 0, number, tirx.ForKind.SERIAL, done, annotations={TURNS: 1})
    return with_body(kernel.func, seq([*made, loop]), {var: -(-blocks // number)})


def turns_of(stmt: Any) -> Iterator[tuple[Any, Any]]:
    """Variables and bodies of loops over blocks done in turn."""
    if isinstance(stmt, tirx.For) and stmt.annotations.get(TURNS):
        yield stmt.loop_var, stmt.body
    for child in children(stmt):
        yield from turns_of(child)


def _check_apart(kernel: Kernel, axis: int) -> None:
    """Every block along an axis writes elements of its own."""
    apart = lone(kernel, axis)
    for name, writes in written(kernel).items():
        if name in apart or is_told(writes):  # data see to that
            continue
        if not _is_apart(kernel, axis, writes):
            refuse(f"blocks along grid axis {'xyz'[axis]} write the same elements of output"
                   f" {name!r}", node=writes[0][0].node, code="OverlappingWrites",
                   next_step="give every block elements of its own")  # fmt: skip
