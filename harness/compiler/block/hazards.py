"""A tensor read and written in one block: every write must wait for what was read of it before.

Reader, compute and writer wait for each other only for data. So a block may be written over what
the same block read only if the writer waited for something made after the read: by the reader after
it, or by compute after it used what was read.
"""

from __future__ import annotations

from typing import Any

from tvm import sym

from harness.compiler.block.model import (
    Buffer,
    IndexTiles,
    Load,
    Region,
    Scaler,
    Statement,
    Store,
)
from harness.compiler.diagnostics import refuse

Loads = frozenset[Load]


def check_in_place(body: list[Statement]) -> None:
    """Refuse a write that may overtake a read of the same region.

    Raises:
        CompileError: ``InPlaceOrder``, at the write, or at the read of what was written before.
    """
    _Clocks().run(body)


class _Clocks:
    """Which loads each thread, and each buffer's data, is after."""

    def __init__(self) -> None:
        self.reader: Loads = frozenset()
        self.compute: Loads = frozenset()
        self.writer: Loads = frozenset()
        self.data: dict[Buffer, Loads] = {}
        self.stores: list[Store] = []

    def run(self, body: list[Statement]) -> None:
        for stmt in body:
            if isinstance(stmt, Load):
                self._load(stmt)
            elif isinstance(stmt, Store):
                self._store(stmt)
            elif isinstance(stmt, IndexTiles | Scaler):
                self.data.update(dict.fromkeys(stmt.defs(), self.reader))
            else:
                for buffer in stmt.uses():
                    self.compute |= self.data.get(buffer, frozenset())
                for inner in stmt.bodies():
                    self.run(inner)
                self.data.update(dict.fromkeys(stmt.defs(), self.compute))

    def _load(self, stmt: Load) -> None:
        name = stmt.region.tensor.name
        if any(_same(s.region, stmt.region) for s in self.stores):
            refuse(f"{name} is read where the same block wrote it before", code="InPlaceOrder",
                   node=stmt.node, next_step="use the block that was written")  # fmt: skip
        self.reader |= {stmt}
        self.data[stmt.dst] = self.reader

    def _store(self, stmt: Store) -> None:
        self.writer |= self.data.get(stmt.src, frozenset())
        for load in self.reader - self.writer:
            if not _apart(load.region, stmt.region):
                refuse(f"{stmt.region.tensor.name} is written from {stmt.src.name!r}, which does"
                       f" not wait for what was read of it into {load.dst.name!r}",
                       code="InPlaceOrder", node=stmt.node,
                       next_step="write something computed from what was read, or another"
                       " tensor")  # fmt: skip
        self.stores.append(stmt)


def _apart(one: Region, two: Region) -> bool:
    """Whether two regions surely share no element."""
    if not one.tensor.same_as(two.tensor):
        return True
    return any(
        d is not None and (d >= b or -d >= a)
        for d, a, b in zip(_offsets(one, two), one.extents, two.extents, strict=True)
    )


def _same(one: Region, two: Region) -> bool:
    """Whether two regions start at the same element."""
    return one.tensor.same_as(two.tensor) and all(d == 0 for d in _offsets(one, two))


def _offsets(one: Region, two: Region) -> list[int | None]:
    """Start of ``one`` less that of ``two``, None where it varies."""
    return [_number(a - b) for a, b in zip(one.starts, two.starts, strict=True)]


def _number(expr: Any) -> int | None:
    from harness.language.regions import constant

    return expr if isinstance(expr, int) else constant(sym.Analyzer().simplify(expr))
