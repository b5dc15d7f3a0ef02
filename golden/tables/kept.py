"""Tensors of which a store under a condition inside T.Parallel keeps elements: they are read too.

A condition keeps nothing where it only says that the element exists, or where it decides for a
whole block; nor does a condition both of whose sides store the same elements. Where data say which
elements are stored, the others are not the block's to keep.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import tvm
from tvm import tirx

from golden.named import Named, named, told
from golden.walks import structural_walk

_PARALLEL = 1
Target = tuple[Any, str]


def kept(body: Any, grid: Iterable[tuple[Any, int]]) -> set[str]:
    """Names of buffers some of whose elements a store leaves as they were."""
    out: set[str] = set()
    around, names = [(var, tvm.ir.Range(0, extent)) for var, extent in grid], named(body)
    for nest in _nests(body):
        loops: list[tuple[Any, Any]] = []
        inner: Any = nest
        while isinstance(inner, tirx.For) and int(inner.kind) == _PARALLEL:
            loops.append((inner.loop_var, tvm.ir.Range.from_min_extent(inner.min, inner.extent)))
            inner = inner.body
        loops = [(var, _reached(var, span, inner)) for var, span in loops]
        stored, sure = _Nest(loops, around, names).stored(inner, None)
        out |= {str(buffer.name) for buffer, _ in stored - sure}
    return out


def _reached(var: Any, span: Any, body: Any) -> Any:
    """A loop's range less the iterations that store to no tensor, ``if i < 96:`` around all."""
    most = 0
    for stmt in body.seq[:] if isinstance(body, tirx.SeqStmt) else [body]:
        if not isinstance(stmt, tirx.IfThenElse) or stmt.else_case is not None:
            return span
        inside = stmt.then_case
        stores = inside.seq[:] if isinstance(inside, tirx.SeqStmt) else [inside]
        if not all(isinstance(s, tirx.BufferStore) and s.buffer.ty.storage_scope in ("", "global")
                   for s in stores):  # fmt: skip
            return span
        ends = [int(test.b) for test in _parts(stmt.condition) if isinstance(test, tirx.LT)
                and test.a.same_as(var) and isinstance(test.b, tirx.IntImm)]  # fmt: skip
        if not ends:
            return span
        most = max(most, min(ends))
    whole = isinstance(span.min, tirx.IntImm) and isinstance(span.extent, tirx.IntImm)
    if not whole or int(span.min) != 0 or not 0 < most < int(span.extent):
        return span
    return tvm.ir.Range(0, most)


def _nests(stmt: Any) -> Iterator[Any]:
    if isinstance(stmt, tirx.For) and int(stmt.kind) == _PARALLEL:
        yield stmt
    elif isinstance(stmt, tirx.SeqStmt):
        for part in stmt.seq[:]:
            yield from _nests(part)
    elif isinstance(stmt, tirx.IfThenElse):
        yield from _nests(stmt.then_case)
        if stmt.else_case is not None:
            yield from _nests(stmt.else_case)
    elif isinstance(stmt, (tirx.For, tirx.AttrStmt)):
        yield from _nests(stmt.body)


class _Nest:
    """One T.Parallel nest: its loop variables and those of the grid, with their ranges."""

    def __init__(
        self, loops: list[tuple[Any, Any]], around: list[tuple[Any, Any]], names: Named
    ) -> None:  # fmt: skip
        self.loops, self.around, self.names = loops, around, names

    def stored(self, stmt: Any, test: Any) -> tuple[set[Target], set[Target]]:
        """Targets stored to, and those stored to wherever they exist; ``test`` holds, if given."""
        if isinstance(stmt, tirx.BufferStore):
            target = (stmt.buffer, str(stmt.indices[:]))
            whole = test is None or any(told(i, self.names) for i in stmt.indices[:])
            return {target}, {target} if whole or self._exists(stmt, test) else set()
        if isinstance(stmt, tirx.SeqStmt):
            return _united([self.stored(part, test) for part in stmt.seq[:]])
        if not isinstance(stmt, tirx.IfThenElse):
            return set(), set()
        here = stmt.condition, tirx.Not(stmt.condition)
        sides = [(s, h) for s, h in zip((stmt.then_case, stmt.else_case), here, strict=True)
                 if s is not None]  # fmt: skip
        if self._of_block(stmt.condition):
            return _united([self.stored(side, test) for side, _ in sides])
        stored, sure = _united(
            [self.stored(side, h if test is None else tirx.all(test, h)) for side, h in sides]
        )
        if len(sides) == 2:
            then, orelse = (self.stored(side, test)[1] for side, _ in sides)
            sure |= then & orelse
        return stored, sure

    def _of_block(self, test: Any) -> bool:
        used: list[Any] = []
        reads: list[Any] = []
        structural_walk(test, [(tvm.ir.Var, used.append), (tvm.ir.TensorLoad, reads.append)])
        return not reads and not any(v.same_as(var) for v in used for var, _ in self.loops)

    def _exists(self, store: Any, test: Any) -> bool:
        """Whether a condition holds for every element of the stored buffer that exists."""
        analyzer = tvm.sym.Analyzer()
        for var, span in (*self.around, *self.loops):
            analyzer.bind(var, span)
        inside: Any = tirx.const(True, "bool")
        for index, size in zip(store.indices, store.buffer.ty.shape, strict=True):
            inside = tirx.all(inside, index >= 0, index < size)
        sizes = list(zip(store.indices[:], store.buffer.ty.shape[:], strict=True))
        with analyzer.constraint_scope(inside):
            return all(_is_end(part, sizes, analyzer) or analyzer.can_prove(part)
                       for part in _parts(test))  # fmt: skip


def _is_end(test: Any, sizes: list[tuple[Any, Any]], analyzer: Any) -> bool:
    """Whether a condition is that one index is below the size there, or below a greater number."""
    return isinstance(test, tirx.LT) and any(
        analyzer.can_prove_equal(test.a, index) and analyzer.can_prove(test.b >= size)
        for index, size in sizes
    )


def _united(found: list[tuple[set[Target], set[Target]]]) -> tuple[set[Target], set[Target]]:
    stored: set[Target] = set()
    sure: set[Target] = set()
    for some, all_ in found:
        stored |= some
        sure |= all_
    return stored, sure


def _parts(test: Any) -> Iterator[Any]:
    if isinstance(test, tirx.And):
        yield from _parts(test.a)
        yield from _parts(test.b)
    else:
        yield test
