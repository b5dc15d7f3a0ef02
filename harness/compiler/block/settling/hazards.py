"""A tensor read and written in one block: the two must be ordered wherever they share elements.

Reader, compute and writer wait for each other only for data. So a block may be written over what
the same block read only if the writer waited for something made after the read: by the reader after
it, or by compute after it used what was read. What was written is never read again: nothing tells
the reader when it has arrived. Loops are looked at twice, as an iteration and a later one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tvm
from tvm import sym, tirx

from harness.compiler.block.model import (
    Buffer,
    For,
    IndexTiles,
    Load,
    Scaler,
    Statement,
    Store,
    walk,
)
from harness.compiler.block.moved import Moved
from harness.compiler.block.reading.gather import Gathered
from harness.compiler.block.region import Region
from harness.compiler.diagnostics import refuse
from harness.compiler.facts.affine import affine
from harness.language.regions import constant
from harness.language.walks import replaced, structural_walk


@dataclass(frozen=True, eq=False)
class _Read:
    """A load in some iterations of the loops around it."""

    stmt: Load
    region: Region


Reads = frozenset[_Read]


@dataclass(frozen=True)
class _Twice:
    """A loop looked at as iteration ``first`` and as one ``later`` steps after it.

    ``low`` and ``extent`` are None where not constant.
    """

    first: Any
    later: Any
    low: int | None
    extent: int | None

    def least(self, per_first: int, per_later: int) -> int | None:
        """The least of ``per_first * first + per_later * later``; None where there is none."""
        if self.low is None or self.extent is None:
            return per_later if per_first == 0 and per_later >= 0 else None
        last = self.extent - 1
        corners = [(0, 1), (0, last), (last - 1, 1)] if per_later else [(0, 0), (last, 0)]
        return min(per_first * (self.low + i) + per_later * n for i, n in corners)


def check_in_place(body: list[Statement]) -> None:
    """Refuse a write that may overtake a read of the same elements, and reads of what was written.

    Raises:
        CompileError: ``InPlaceOrder``, at the write, or at the read of what was written before.
    """
    for stmt in walk(body):
        if isinstance(stmt, Load) and isinstance(stmt.region, Gathered):
            tensor = stmt.region.tensor
            if any(isinstance(s, Store) and s.region.tensor.same_as(tensor) for s in walk(body)):
                refuse(f"{tensor.name} is read at computed places and written", node=stmt.node,
                       code="InPlaceOrder", next_step="write another tensor")  # fmt: skip
    loaded = [s.region.tensor for s in walk(body) if isinstance(s, Load)]
    stored = [s.region.tensor for s in walk(body) if isinstance(s, Store)]
    if any(a.same_as(b) for a in loaded for b in stored):
        _Clocks().run(body, {})


class _Clocks:
    """Which loads each thread, and each buffer's data, is after."""

    def __init__(self) -> None:
        self.reader: Reads = frozenset()
        self.compute: Reads = frozenset()
        self.writer: Reads = frozenset()
        self.data: dict[Buffer, Reads] = {}
        self.stores: list[Region] = []
        self.loops: list[_Twice] = []

    def run(self, body: list[Statement], at: dict[Any, Any]) -> None:
        """``at``: what stands for the variables of the loops around."""
        for stmt in body:
            if isinstance(stmt, Load):
                self._load(stmt, at)
            elif isinstance(stmt, Store):
                self._store(stmt, at)
            elif isinstance(stmt, IndexTiles | Scaler):
                self.data.update(dict.fromkeys(stmt.defs(), self.reader))
            elif isinstance(stmt, Moved):
                for buffer in stmt.uses():
                    self.reader |= self.data.get(buffer, frozenset())
                self.data[stmt.dst] = self.reader
            elif isinstance(stmt, For):
                for step in self._steps(stmt.node):
                    self.run(stmt.body, {**at, stmt.node.loop_var: step})
            else:
                for buffer in stmt.uses():
                    self.compute |= self.data.get(buffer, frozenset())
                for inner in stmt.bodies():
                    self.run(inner, at)
                self.data.update(dict.fromkeys(stmt.defs(), self.compute))

    def _steps(self, loop: tirx.For) -> list[Any]:
        """Any iteration of a loop, and any later one."""
        first, later = (tirx.Var(loop.loop_var.name + tail, "int32") for tail in ("", "_later"))
        extent = constant(loop.extent)
        self.loops.append(_Twice(first, later, constant(loop.min), extent))
        return [first] if extent == 1 else [first, first + later]

    def _load(self, stmt: Load, at: dict[Any, Any]) -> None:
        region = _placed(stmt.region, at)
        if not all(self._apart(region, stored) for stored in self.stores):
            refuse(f"{region.tensor.name} is read where the same block wrote it before",
                   code="InPlaceOrder", node=stmt.node,
                   next_step="use the block that was written")  # fmt: skip
        self.reader |= {_Read(stmt, region)}
        self.data[stmt.dst] = self.reader

    def _store(self, stmt: Store, at: dict[Any, Any]) -> None:
        region = _placed(stmt.region, at)
        self.writer |= self.data.get(stmt.src, frozenset())
        for read in self.reader - self.writer:
            if not self._apart(read.region, region):
                refuse(f"{region.tensor.name} is written from {stmt.src.name!r}, which does"
                       f" not wait for what was read of it into {read.stmt.dst.name!r}",
                       code="InPlaceOrder", node=stmt.node,
                       next_step="write something computed from what was read, or another"
                       " tensor")  # fmt: skip
        self.stores.append(region)

    def _apart(self, one: Region, two: Region) -> bool:
        """Whether two regions surely share no element."""
        if not one.tensor.same_as(two.tensor):
            return True
        return any(
            self._holds(a - b, extent_b) or self._holds(b - a, extent_a)
            for a, b, extent_a, extent_b in zip(
                one.starts, two.starts, one.extents, two.extents, strict=True
            )
        )

    def _holds(self, distance: Any, least: int) -> bool:
        """Whether a distance is surely ``least`` at least, in every iteration."""
        if isinstance(distance, int):
            return distance >= least
        used: list[Any] = []
        distance = sym.Analyzer().simplify(distance)
        structural_walk(distance, [(tvm.ir.Var, used.append)])
        form = affine(distance, list(dict.fromkeys(used)))
        known = [v for loop in self.loops for v in (loop.first, loop.later)]
        if form is None or not all(any(u.same_as(v) for v in known) for u in used):
            return False
        parts = [loop.least(form.of(loop.first), form.of(loop.later)) for loop in self.loops]
        return None not in parts and form.base + sum(p or 0 for p in parts) >= least


def _placed(region: Region, at: dict[Any, Any]) -> Region:
    """A region with its loop variables replaced."""
    return Region(region.tensor, [replaced(s, at) for s in region.starts], region.extents)
