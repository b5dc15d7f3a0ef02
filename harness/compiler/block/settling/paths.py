"""Which way operands take to DST: exactly, or through the FPU's source registers."""

from __future__ import annotations

from dataclasses import replace

from harness.compiler.block.model import (
    Accumulate,
    BlockProgram,
    Buffer,
    Cumsum,
    Eltwise,
    Gemm,
    Leaf,
    Load,
    Reduce,
    Statement,
    Transpose,
    leaf_nodes,
    rebuilt,
    walk,
)
from harness.compiler.block.parts import Extract, Insert
from harness.compiler.block.rewrite import replace_uses, rewrite_lists
from simulator.formats.dataformat import DataFormat


def fpu_operands(stmt: Statement) -> tuple[Buffer, ...]:
    """Buffers a statement sends through the FPU's source registers."""
    if isinstance(stmt, Gemm):
        return (stmt.a, stmt.b)
    if isinstance(stmt, Transpose):
        return () if exact_transpose(stmt) else (stmt.src,)
    if isinstance(stmt, (Reduce, Cumsum)):
        return stmt.uses()
    if isinstance(stmt, Eltwise):
        return tuple(dict.fromkeys(n.buffer for n in leaf_nodes(stmt.expr) if n.cut))
    return ()


def exact_transpose(stmt: Transpose) -> bool:
    """Whether a transpose goes through DST as it is instead of through SrcA."""
    return stmt.src.format is DataFormat.Float32


def exact_operands(stmt: Statement) -> tuple[Buffer, ...]:
    """Buffers a statement copies to DST as they are."""
    if isinstance(stmt, Eltwise):
        return tuple(dict.fromkeys(n.buffer for n in leaf_nodes(stmt.expr) if not n.cut))
    if isinstance(stmt, Transpose) and exact_transpose(stmt):
        return (stmt.src,)
    if isinstance(stmt, Gemm) and stmt.acc is not None and not stmt.resident:
        return (stmt.acc,)
    if isinstance(stmt, (Extract, Insert)):
        return stmt.uses()
    return ()


def separate_exact(program: BlockProgram) -> None:
    """A float32 buffer needed exactly and by the FPU gets a second circular buffer for the FPU.

    UnpackToDestFp32 is a property of the circular buffer and excludes it from FPU use.
    """
    everywhere = list(walk(program.body))
    both = {b for s in everywhere for b in exact_operands(s)} & {
        b for s in everywhere for b in fpu_operands(s)
    }
    doubled = {b for b in both if b.format is DataFormat.Float32}

    def visit(body: list[Statement]) -> list[Statement]:
        out: list[Statement] = []
        copies: dict[Buffer, Buffer] = {}
        for stmt in body:
            if isinstance(stmt, Accumulate):
                out += _separate_held(program, stmt, doubled)
            operands = () if isinstance(stmt, Gemm) and stmt.resident else fpu_operands(stmt)
            for buffer in operands:
                if buffer in doubled:
                    if buffer not in copies:
                        copy = buffer.like(program.fresh_name(f"{buffer.name}_fpu"))
                        out.append(Eltwise(stmt.node, copy, Leaf(buffer)))
                        copies[buffer] = copy
                    _take(stmt, buffer, copies[buffer])
            out.append(stmt)
            for changed in (b for s in walk([stmt]) for b in s.defs()):
                copies.pop(changed, None)
        return out

    rewrite_lists(program, visit)


def _take(stmt: Statement, buffer: Buffer, copy: Buffer) -> None:
    """Make a statement read ``copy`` where it sends ``buffer`` through the FPU's sources."""
    if not isinstance(stmt, Eltwise):
        replace_uses(stmt, buffer, copy)
        return
    stmt.expr = rebuilt(
        stmt.expr,
        lambda leaf: replace(leaf, buffer=copy) if leaf.cut and leaf.buffer is buffer else leaf,
    )


def _separate_held(
    program: BlockProgram, held: Accumulate, doubled: set[Buffer]
) -> list[Statement]:
    """Operands of gemms whose sums stay in DST, where nothing else may pass through DST.

    What is loaded among them is loaded twice; what was there before is copied before them.
    """
    gemms = [s for s in walk(held.body) if isinstance(s, Gemm)]
    before: list[Statement] = []
    for buffer in dict.fromkeys(b for g in gemms for b in (g.a, g.b) if b in doubled):
        copy = buffer.like(program.fresh_name(f"{buffer.name}_fpu"))
        for gemm in gemms:
            replace_uses(gemm, buffer, copy)
        if any(buffer in s.defs() for s in walk(held.body)):
            _load_too(held.body, buffer, copy)
        else:
            before.append(Eltwise(held.node, copy, Leaf(buffer)))
    return before


def _load_too(body: list[Statement], buffer: Buffer, copy: Buffer) -> None:
    """After every load of ``buffer`` the same of ``copy``."""
    for stmt in list(body):
        for inner in stmt.bodies():
            _load_too(inner, buffer, copy)
        if isinstance(stmt, Load) and stmt.dst is buffer:
            body.insert(body.index(stmt) + 1, Load(stmt.node, copy, stmt.region))
