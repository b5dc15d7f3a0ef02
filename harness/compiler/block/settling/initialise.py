"""Every block is written before it is read, on every path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tvm import tirx

from harness.compiler.block.model import BlockProgram, Buffer, Const, Eltwise, For, Statement
from harness.compiler.block.moved import Moved
from harness.compiler.block.parts import Insert
from harness.compiler.diagnostics import refuse
from harness.compiler.facts.accesses import loads_of
from harness.compiler.facts.affine import Bounds, surely_runs
from harness.compiler.rewrite.masks import keeps


def initialise(program: BlockProgram, ranges: Sequence[Bounds]) -> None:
    """Refuse reads of buffers nothing has written on the way; ``ranges`` bounds the grid.

    A buffer written part by part, or first where a condition holds, starts from zeros: the rest has
    no value in the source.
    """
    parts: dict[Buffer, Statement] = {}

    def missing(stmt: Statement, written: set[Buffer]) -> None:
        for buffer in stmt.uses():
            if buffer in written:
                continue
            part = isinstance(stmt, (Insert, Moved)) and buffer is stmt.base
            if part or _only_kept(stmt.node, buffer):
                parts.setdefault(buffer, stmt)
                continue
            refuse(f"buffer {buffer.name!r} is read before it is written", node=stmt.node,
                   code="UninitialisedBuffer",
                   next_step="T.clear, T.fill or T.copy into it first")  # fmt: skip

    def visit(body: list[Statement], written: set[Buffer], ranges: Sequence[Bounds]) -> set[Buffer]:
        for stmt in body:
            missing(stmt, written)
            branches = stmt.bodies()
            if len(branches) == 2:
                after = [visit(b, set(written), ranges) for b in branches]
                written |= after[0] & after[1]
            elif isinstance(stmt, For):
                node = stmt.node
                around = (*ranges, (node.loop_var, node.min, node.extent))
                inner = visit(stmt.body, set(written), around)
                if surely_runs(node, ranges):
                    written |= inner
            elif branches:
                written |= visit(branches[0], set(written), ranges)
            written |= set(stmt.defs())
        return written

    visit(program.body, set(), ranges)
    zeros = [Eltwise(stmt.node, buffer, Const(0.0)) for buffer, stmt in parts.items()]
    program.body[:0] = zeros


def _only_kept(node: Any, buffer: Buffer) -> bool:
    """Whether a store reads a buffer for nothing but elements it leaves as they are."""
    if not isinstance(node, tirx.BufferStore) or node.buffer.name != buffer.name:
        return False
    if not keeps(node):
        return False
    new = loads_of(node.value.condition, node.value.true_value)
    return not any(load.source.same_as(node.buffer) for load in new)
