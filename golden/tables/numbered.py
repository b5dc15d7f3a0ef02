"""How many places a kernel works at that numbers its blocks by hand.

``tile = wave * cores + block; bx = tile // n; by = tile % n`` under ``if tile < total``: its places
are the pairs of block and wave that the guard accepts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import tirx

from golden.contract import NumericContract
from golden.errors import GoldenError
from golden.interpret.expressions import Evaluator
from golden.interpret.machine import Chunk, Machine
from golden.interpret.reader import Reader
from golden.interpret.space import Space
from golden.source import Kernel, constant, mentions
from golden.walks import structural_walk


def numbered_places(kernel: Kernel, contract: NumericContract) -> int | None:
    """The number of places, None where the blocks of T.Kernel are what the kernel works at."""
    loop, body, guard = _apart(kernel.body)
    blocks = [var for var, _ in kernel.grid]
    wave = [] if loop is None else [loop.loop_var]
    together = any(mentions(g, blocks) and mentions(g, wave) for g in guard)
    if not together and not _divides(kernel.body, [*blocks, *wave]):
        return None
    if not together and not _divides(body, wave):
        loop, wave = None, []
        _, guard = _guarded(_last(kernel.body))
    total = int(np.prod([extent for _, extent in kernel.grid], dtype=np.int64))
    chunk = Chunk(Machine(kernel, contract, False, {}), np.arange(total, dtype=np.int32))
    rest = np.arange(total, dtype=np.int64)
    for var, extent in kernel.grid:
        chunk.env[var] = rest % extent
        rest = rest // extent
    count, reader = 0, Reader(kernel)
    conditions = [reader.expr(condition) for condition in guard]
    try:
        for trip in range(1 if loop is None else constant(loop.extent) or 0):
            if loop is not None:
                chunk.env[loop.loop_var] = trip
            accepted = np.ones(total, bool)
            for condition in conditions:
                accepted &= np.asarray(Evaluator(Space(chunk)).truth(condition), bool).reshape(-1)
            count += int(accepted.sum())
    except GoldenError:
        return None
    return count


def _last(stmt: Any) -> Any:
    while isinstance(stmt, (tirx.AttrStmt, tirx.SeqStmt)):
        stmt = stmt.body if isinstance(stmt, tirx.AttrStmt) else stmt.seq[-1]
    return stmt


def _guarded(stmt: Any) -> tuple[Any, list[Any]]:
    guard = []
    while isinstance(stmt, tirx.IfThenElse) and stmt.else_case is None:
        guard.append(stmt.condition)
        stmt = stmt.then_case
    return stmt, guard


def _apart(stmt: Any) -> tuple[Any | None, Any, list[Any]]:
    """The loop over waves, what happens in one, and the conditions around all of it."""
    last = _last(stmt)
    serial = isinstance(last, tirx.For) and last.kind != tirx.ForKind.PARALLEL
    loop = last if serial and constant(last.min) == 0 and constant(last.extent) else None
    return loop, *_guarded(last if loop is None else loop.body)


def _divides(body: Any, variables: list[Any]) -> bool:
    """Whether something is divided that these variables number."""
    found: list[Any] = []
    structural_walk(body, [(k, found.append) for k in (tirx.FloorDiv, tirx.FloorMod)])
    return any(mentions(division.a, variables) for division in found)
