"""Making a block program schedulable.

After :func:`normalise` every buffer has one producer thread and one consumer thread, every operand
is in the form its op takes, accumulators that fit stay in DST, and expressions fit DST.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.compiler.block.model import (
    Accumulate,
    BlockProgram,
    Buffer,
    Const,
    Cumsum,
    Eltwise,
    For,
    Gemm,
    If,
    Leaf,
    Load,
    Reduce,
    Scaler,
    Statement,
    Store,
    Transpose,
    walk,
)
from harness.compiler.block.moved import Moved
from harness.compiler.block.parts import Extract, Insert
from harness.compiler.block.rewrite import redirect, replace_uses, rewrite_lists
from harness.compiler.block.settling.alike import compare_as_reduced
from harness.compiler.block.settling.cut import cut_expressions
from harness.compiler.block.settling.initialise import initialise
from harness.compiler.block.settling.padding import pad_combined
from harness.compiler.block.settling.paths import separate_exact
from harness.compiler.block.settling.webs import propagate_copies, rename_webs
from harness.compiler.block.whole import copied
from harness.compiler.facts.affine import Bounds, surely_runs
from harness.compiler.facts.signed import stored_dtype


def normalise(
    program: BlockProgram, dst_tiles: int, ranges: Sequence[Bounds], *, wide: bool = True
) -> None:
    """Rewrite a block program in place; ``ranges`` bounds the grid's variables.

    ``wide`` says that a destination tile keeps float32.

    Raises:
        CompileError: a construct no rewrite covers, at its source line.
    """
    _transposed_operands(program)
    _accumulate(program, dst_tiles, ranges)
    initialise(program, ranges)
    _one_scaler(program)
    rename_webs(program)
    propagate_copies(program)
    pad_combined(program)
    _separate_loads(program)
    _separate_moves(program)
    _separate_stores(program)
    _retarget(program)
    compare_as_reduced(program, wide=wide)
    cut_expressions(program, dst_tiles)
    separate_exact(program)
    _remove_dead(program)


def _one_scaler(program: BlockProgram) -> None:
    """All reductions read one scaler tile, written before anything else."""
    scalers = [s for s in walk(program.body) if isinstance(s, Scaler)]
    if not scalers:
        return
    keep = scalers[0]
    for other in scalers[1:]:
        for stmt in walk(program.body):
            replace_uses(stmt, other.dst, keep.dst)
    rewrite_lists(program, lambda body: [s for s in body if not isinstance(s, Scaler)])
    program.body.insert(0, keep)


def _remove_dead(program: BlockProgram) -> None:
    """Drop statements whose results nothing reads, until none is left."""
    effects = (Store, For, If, Accumulate)
    while True:
        used = {b for s in walk(program.body) for b in s.uses()}
        dead = [s for s in walk(program.body) if not isinstance(s, effects)
                and s.defs() and not any(b in used for b in s.defs())]  # fmt: skip
        dead += _unread_accumulators(program, used)
        if not dead:
            return
        rewrite_lists(program, lambda body: [s for s in body if s not in dead])  # noqa: B023


def _unread_accumulators(program: BlockProgram, used: set[Buffer]) -> list[Statement]:
    """Gemms, or whole accumulations, whose result nothing reads; the others keep their place."""
    dead: list[Statement] = []
    for stmt in walk(program.body):
        if not isinstance(stmt, Accumulate) or all(out in used for out in stmt.outs):
            continue
        kept = [(a, o) for a, o in zip(stmt.accs, stmt.outs, strict=True) if o in used]
        if not kept:
            dead.append(stmt)
            continue
        lost = [a for a in stmt.accs if all(a is not k for k, _ in kept)]
        dead += [g for g in walk(stmt.body) if isinstance(g, Gemm) and g.c in lost]
        stmt.accs, stmt.outs = [a for a, _ in kept], [o for _, o in kept]
    return dead


def is_zero(stmt: Statement, buffer: Buffer | None = None) -> bool:
    """Whether a statement fills (``buffer``) with zero."""
    return (
        isinstance(stmt, Eltwise)
        and stmt.expr == Const(0.0)
        and (buffer is None or stmt.dst is buffer)
    )


def touches(stmt: Statement, buffer: Buffer) -> bool:
    """Whether a statement, nested ones included, reads or writes a buffer."""
    return any(buffer in (*s.defs(), *s.uses()) for s in walk([stmt]))


def _transposed_operands(program: BlockProgram) -> None:
    """A transposed left operand goes through a transpose of its own (in1 has a flag)."""

    def visit(body: list[Statement]) -> list[Statement]:
        out: list[Statement] = []
        for stmt in body:
            if isinstance(stmt, Gemm) and stmt.trans_a:
                a = stmt.a
                turned = a.turned(program.fresh_name(f"{a.name}_t"))
                out.append(Transpose(stmt.node, turned, a))
                stmt.a, stmt.trans_a = turned, False
            out.append(stmt)
        return out

    rewrite_lists(program, visit)


def _gemms_only(body: list[Statement]) -> list[Gemm] | None:
    """The gemms of a body of loops, branches, loads and accumulating gemms; None if there is more.

    Sums of integers under a condition stay in memory: nothing fills DST with theirs.
    """
    gemms: list[Gemm] = []
    branches = False
    for stmt in walk(body):
        branches |= isinstance(stmt, If)
        if isinstance(stmt, Gemm) and stmt.acc is stmt.c:
            gemms.append(stmt)
        elif not isinstance(stmt, (For, If, Load)):
            return None
    return None if branches and any(g.c.format.is_integer for g in gemms) else gemms or None


def _accumulate(program: BlockProgram, dst_tiles: int, ranges: Sequence[Bounds]) -> None:
    """``clear(acc)`` … gemms into acc: start from the cleared DST instead of from memory."""
    loops = [s.node for s in walk(program.body) if isinstance(s, For)]
    around = [*ranges, *((loop.loop_var, loop.min, loop.extent) for loop in loops)]

    def visit(body: list[Statement]) -> list[Statement]:
        out = list(body)
        index = 0
        while index < len(out):
            stmt = out[index]
            gemms = _gemms_only([stmt])
            if gemms is not None:
                accs = list(dict.fromkeys(g.c for g in gemms))
                fills = [_fill_before(out, index, acc) for acc in accs]
                operands = {b for g in gemms for b in (g.a, g.b)}
                if None not in fills and not operands & set(accs):
                    fits = sum(a.tiles for a in accs) <= dst_tiles
                    if fits:
                        bare = frozenset(accs) - _added([stmt], around)
                        out[index] = Accumulate(stmt.node, [stmt], accs, list(accs), bare)
                        for gemm in gemms:
                            gemm.resident = True
                    elif isinstance(stmt, Gemm):
                        stmt.acc = None
                    if fits or isinstance(stmt, Gemm):
                        for position in sorted((f for f in fills if f is not None), reverse=True):
                            del out[position]
                            index -= 1
            index += 1
        return out

    rewrite_lists(program, visit)


def _added(body: list[Statement], ranges: Sequence[Bounds]) -> set[Buffer]:
    """Accumulators to which a body of loops surely adds a product."""
    found: set[Buffer] = set()
    for stmt in body:
        if isinstance(stmt, Gemm):
            found.add(stmt.c)
        elif isinstance(stmt, For) and surely_runs(stmt.node, ranges):
            found |= _added(stmt.body, ranges)
    return found


def _fill_before(body: list[Statement], index: int, acc: Buffer) -> int | None:
    """Position of the ``clear(acc)`` that reaches ``body[index]`` untouched."""
    for position in range(index - 1, -1, -1):
        if is_zero(body[position], acc):
            return position
        if touches(body[position], acc):
            return None
    return None


def _stores_of(program: BlockProgram, buffer: Buffer) -> tuple[int, int, int]:
    """(stores, other uses, loads) of a buffer."""
    stores = other = loads = 0
    for stmt in walk(program.body):
        if buffer in stmt.uses():
            if isinstance(stmt, Store):
                stores += 1
            else:
                other += 1
        if isinstance(stmt, Load) and stmt.dst is buffer:
            loads += 1
    return stores, other, loads


def _separate_stores(program: BlockProgram) -> None:
    """What the writer reads is written for it alone, in the tensor's own dtype."""

    def kept(store: Store) -> str:
        return stored_dtype(store.region.tensor, program.signed)

    converted = {s.src for s in walk(program.body) if isinstance(s, Store)
                 and kept(s) != s.src.dtype}  # fmt: skip

    def visit(body: list[Statement]) -> list[Statement]:
        out: list[Statement] = []
        for stmt in body:
            if isinstance(stmt, Store):
                dtype = kept(stmt)
                _, other, _ = _stores_of(program, stmt.src)
                defs = sum(stmt.src in s.defs() for s in walk(program.body))
                if other or stmt.src in converted or defs > 1:
                    copy = stmt.src.like(program.fresh_name(f"{stmt.src.name}_out"), dtype)
                    out.append(Eltwise(stmt.node, copy, copied(stmt.src, copy)))
                    stmt.src = copy
            out.append(stmt)
        return out

    rewrite_lists(program, visit)


def _separate_loads(program: BlockProgram) -> None:
    """A buffer both loaded and computed is loaded into one of its own first."""
    computed = {b for s in walk(program.body) if not isinstance(s, (Load, Moved))
                for b in s.defs()}  # fmt: skip

    def visit(body: list[Statement]) -> list[Statement]:
        out: list[Statement] = []
        for stmt in body:
            if isinstance(stmt, (Load, Moved)) and stmt.dst in computed:
                final = stmt.dst
                stmt.dst = final.like(program.fresh_name(f"{final.name}_in"))
                out += [stmt, Eltwise(stmt.node, final, Leaf(stmt.dst))]
            else:
                out.append(stmt)
        return out

    rewrite_lists(program, visit)


def _separate_moves(program: BlockProgram) -> None:
    """What the reader moves elements from is for it alone, and not what it moves them to."""
    everywhere = list(walk(program.body))
    shared = {b for s in everywhere for b in s.uses()
              if not isinstance(s, Moved) or b in s.defs()}  # fmt: skip

    def visit(body: list[Statement]) -> list[Statement]:
        out: list[Statement] = []
        for stmt in body:
            for buffer in stmt.uses() if isinstance(stmt, Moved) else ():
                if buffer in shared:
                    copy = buffer.like(program.fresh_name(f"{buffer.name}_kept"), buffer.dtype)
                    out.append(Eltwise(stmt.node, copy, Leaf(buffer)))
                    replace_uses(stmt, buffer, copy)
            out.append(stmt)
        return out

    rewrite_lists(program, visit)


def _retarget(program: BlockProgram) -> None:
    """``x = f(...); y = x`` becomes ``y = f(...)`` where x is only a name for the way there.

    Only where the value of y stays the same: x in float32, or of y's dtype.
    """

    def visit(body: list[Statement]) -> list[Statement]:
        out = list(body)
        position = 0
        while position < len(out):
            stmt = out[position]
            source = _retargetable(program, out, position, stmt)
            if source is not None and isinstance(stmt, Eltwise):
                x = stmt.expr.buffer  # type: ignore[union-attr]
                redirect(out[source], x, stmt.dst)
                del out[position]
                continue
            position += 1
        return out

    rewrite_lists(program, visit)


_MAKERS = (Eltwise, Accumulate, Transpose, Reduce, Cumsum, Gemm, Extract, Insert)
"""Statements of the compute thread that make a block."""


def _retargetable(
    program: BlockProgram, body: list[Statement], position: int, stmt: Statement
) -> int | None:
    if not (isinstance(stmt, Eltwise) and isinstance(stmt.expr, Leaf)) or stmt.expr.bcast:
        return None
    x, y = stmt.expr.buffer, stmt.dst
    everywhere = list(walk(program.body))
    if x.dtype not in ("float32", y.dtype) or x is y:
        return None
    if sum(x in s.uses() for s in everywhere) != 1 or sum(x in s.defs() for s in everywhere) != 1:
        return None
    for source in range(position - 1, -1, -1):
        maker = body[source]
        if x in maker.defs():
            return source if isinstance(maker, _MAKERS) else None
        if touches(maker, y) or touches(maker, x):
            return None
    return None
