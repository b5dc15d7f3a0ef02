"""Which blocks a statement may read before it has written them whole."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import tvm
from tvm import tirx

from harness.compiler.facts.accesses import Access, accesses, loads
from harness.language.regions import constant


def carried(stmt: Any, onchip: Collection[Any]) -> dict[Any, Any]:
    """Buffers of ``onchip`` read before they are surely written, and where."""
    found: dict[Any, Any] = {}
    _Walk(onchip, found).run(stmt, set(), {})
    return found


class _Walk:
    def __init__(self, onchip: Collection[Any], found: dict[Any, Any]) -> None:
        self.onchip, self.found = onchip, found

    def run(self, stmt: Any, written: set[Any], loops: dict[Any, int]) -> None:
        """``written`` grows by what the statement surely writes; ``loops`` are T.Parallel's."""
        if isinstance(stmt, tirx.SeqStmt):
            for part in stmt.seq[:]:
                self.run(part, written, loops)
        elif isinstance(stmt, tirx.For):
            extent = constant(stmt.extent) or 0
            inner = set(written)
            parallel = stmt.kind == tirx.ForKind.PARALLEL
            self.run(stmt.body, inner, {**loops, stmt.loop_var: extent} if parallel else loops)
            if extent > 0:
                written |= inner
        elif isinstance(stmt, tirx.IfThenElse):
            for access in loads(stmt.condition):
                self.read(access, written)
            sides = [set(written), set(written)]
            self.run(stmt.then_case, sides[0], loops)
            if stmt.else_case is not None:
                self.run(stmt.else_case, sides[1], loops)
            written |= sides[0] & sides[1]
        else:
            for access in accesses(stmt):
                if not access.write:
                    self.read(access, written)
                elif access.buffer in self.onchip and _whole(access, loops):
                    written.add(access.buffer)

    def read(self, access: Access, written: set[Any]) -> None:
        if access.buffer in self.onchip and access.buffer not in written:
            self.found.setdefault(access.buffer, access.node)


def _whole(access: Access, loops: dict[Any, int]) -> bool:
    """Whether a write covers its buffer: a region does, or T.Parallel loops run over it."""
    sizes = [constant(d) for d in access.buffer.ty.shape]
    if not isinstance(access.node, tirx.BufferStore):
        return list(access.extents) == sizes and all(constant(s) == 0 for s in access.starts)
    used = set()
    for start, size in zip(access.starts, sizes, strict=True):
        if isinstance(start, tvm.ir.Var) and loops.get(start) == size and start not in used:
            used.add(start)
        elif size != 1 or constant(start) != 0:
            return False
    return True
