"""Conditions inside T.Parallel as choices between a new value and the old one.

``if i < n: s[i] = x`` stores ``select(i < n, x, s[i])``. A store to a tensor needs no choice where
its condition only says that the element exists, since tiles are clipped there anyway. What does not
depend on the place in the block becomes a branch around the loops. A store whose place data say
keeps its conditions: what was there belongs to others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import tvm
from tvm import tirx
from tvm.ir import TensorLoad

from harness.compiler.diagnostics import refuse
from harness.compiler.facts.accesses import loads
from harness.compiler.facts.affine import Bounds, block_ranges
from harness.compiler.facts.kernel import Kernel, read_kernel, with_body
from harness.compiler.facts.lookups import is_told
from harness.compiler.facts.statements import children
from harness.compiler.rewrite.guards import left_of
from harness.compiler.tt_ops import seq
from harness.language.nests import is_parallel, parallel_nest, relooped
from harness.language.regions import constant
from harness.language.tensors import FRAGMENT
from harness.language.walks import structural_walk

_AGAIN = "store in the same order on both sides, or in loops of their own"


@dataclass(frozen=True)
class _Store:
    """A store; ``conditions`` all hold where it happens, ``branch`` ones for whole blocks."""

    node: tirx.BufferStore
    value: Any
    conditions: tuple[Any, ...] = ()
    branch: tuple[Any, ...] = ()

    @property
    def target(self) -> tuple[Any, str]:
        """Buffer and indices."""
        return self.node.buffer, str(self.node.indices[:])


def unmasked(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function without conditions inside T.Parallel.

    Raises:
        CompileError: another statement under such a condition.
    """
    kernel = read_kernel(func)
    if not any(_conditions(nest) for nest in _nests(kernel.body)):
        return func
    work = _Masks(kernel)
    body = work.statement(kernel.body, tuple(block_ranges(kernel)))
    return with_body(func, seq([*work.allocated, body]))


def keeps(store: tirx.BufferStore) -> bool:
    """Whether a store gives some elements the value they have."""
    return isinstance(store.value, tirx.Select) and is_old(store.value.false_value, store)


def is_old(value: Any, store: tirx.BufferStore) -> bool:
    """Whether a value is what the place stored to holds."""
    same = isinstance(value, TensorLoad) and value.source.same_as(store.buffer)
    return bool(same) and str(value.indices) == str(store.indices)


def _nests(stmt: Any) -> Iterator[tirx.For]:
    if is_parallel(stmt):
        yield stmt
        return
    for child in children(stmt):
        yield from _nests(child)


def _conditions(stmt: Any) -> bool:
    return isinstance(stmt, tirx.IfThenElse) or any(_conditions(c) for c in children(stmt))


class _Masks:
    """Rewrites one kernel; ``allocated`` are the blocks it needs for conditions."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel, self.params = kernel, set(kernel.params)
        self.names = {b.name for b in (*kernel.params, *kernel.onchip)}
        self.allocated: list[Any] = []
        self.loops: list[tirx.For] = []
        self.ranges: tuple[Bounds, ...] = ()

    def statement(self, stmt: Any, ranges: tuple[Bounds, ...]) -> Any:
        """A statement outside T.Parallel."""
        if isinstance(stmt, tirx.SeqStmt):
            return seq([self.statement(s, ranges) for s in stmt.seq[:]])
        if isinstance(stmt, tirx.IfThenElse):
            other = stmt.else_case
            other = None if other is None else self.statement(other, ranges)
            return tirx.IfThenElse(stmt.condition, self.statement(stmt.then_case, ranges), other,
                                   stmt.span)  # fmt: skip
        if not isinstance(stmt, tirx.For):
            return stmt
        if stmt.kind == tirx.ForKind.PARALLEL:
            return self.nest(stmt, ranges) if _conditions(stmt) else stmt
        around = (*ranges, (stmt.loop_var, stmt.min, stmt.extent))
        return relooped(stmt, self.statement(stmt.body, around))

    def nest(self, outer: tirx.For, ranges: tuple[Bounds, ...]) -> Any:
        """A T.Parallel nest: its stores one after another, each in loops of its own."""
        self.loops, body = parallel_nest(outer)
        own = [(n.loop_var, n.min, n.extent) for n in self.loops]
        self.ranges = (*ranges, *own)
        out: list[Any] = []
        for store in self.stores(body):
            whole: Any = self.masked(store)
            for loop in reversed(self.loops):
                whole = relooped(loop, whole)
            for test in reversed(store.branch):
                whole = tirx.IfThenElse(test, whole, None, store.node.span)
            out.append(whole)
        return seq(out)

    def stores(self, stmt: Any) -> list[_Store]:
        """Stores of a statement in order, with what they depend on."""
        if isinstance(stmt, tirx.SeqStmt):
            return [s for child in stmt.seq for s in self.stores(child)]
        if isinstance(stmt, tirx.BufferStore):
            return [_Store(stmt, stmt.value)]
        if not isinstance(stmt, tirx.IfThenElse):
            refuse(f"a {type(stmt).__name__} statement under a condition inside T.Parallel",
                   node=stmt, next_step="store elements there, and nothing else")  # fmt: skip
        test = stmt.condition
        then = self.stores(stmt.then_case)
        orelse = [] if stmt.else_case is None else self.stores(stmt.else_case)
        if self._of_block(test):
            return [replace(s, branch=(test, *s.branch)) for s in then] + [
                replace(s, branch=(tirx.Not(test), *s.branch)) for s in orelse
            ]
        before: list[_Store] = []
        stored = [s.node.buffer for s in (*then, *orelse)]
        paired = [s.target for s in then] == [s.target for s in orelse] and not any(
            s.conditions or s.branch for s in (*then, *orelse)
        )
        steps = len(then) if paired else len(stored)
        if steps > 1 and any(a.buffer.same_as(b) for a in loads(test) for b in stored):
            kept, test = self._kept(test, stmt)
            before.append(kept)
        if paired:
            return before + [replace(a, value=tirx.Select(test, a.value, b.value))
                             for a, b in zip(then, orelse, strict=True)]  # fmt: skip
        both = {s.target for s in then} & {s.target for s in orelse}
        if any(buffer in self.params for buffer, _ in both):
            refuse("both sides of a condition inside T.Parallel store to a tensor, in different"
                   " order", node=stmt, next_step=_AGAIN)  # fmt: skip
        return (
            before
            + [replace(s, conditions=(test, *s.conditions)) for s in then]
            + [replace(s, conditions=(tirx.Not(test), *s.conditions)) for s in orelse]
        )

    def masked(self, store: _Store) -> Any:
        """A store everywhere, of the old value where it does not happen."""
        node, value = store.node, store.value
        if is_told(node, self.kernel):
            made = tirx.BufferStore(node.buffer, value, list(node.indices), span=node.span)
            if not store.conditions:
                return made
            return tirx.IfThenElse(tirx.all(*store.conditions), made, None, node.span)
        left = [c for test in store.conditions
                for c in left_of(test, node, self.ranges, self.params)]  # fmt: skip
        if left:
            old = tirx.BufferLoad(node.buffer, node.indices[:], span=node.span)
            test = left[0] if len(left) == 1 else tirx.all(*left)
            value = tirx.Select(test, value, old, span=node.span)
        return tirx.BufferStore(node.buffer, value, node.indices[:], span=node.span)

    def _of_block(self, test: Any) -> bool:
        """Whether a condition is the same at every place of the block."""
        used: list[Any] = []
        structural_walk(test, [(tvm.ir.Var, used.append)])
        mine = [loop.loop_var for loop in self.loops]
        return not any(v.same_as(m) for v in used for m in mine) and not list(loads(test))

    def _kept(self, test: Any, stmt: tirx.IfThenElse) -> tuple[_Store, Any]:
        """A condition in a block of its own, for use after the stores change what it reads."""
        name, n = "mask", 1
        while name in self.names:
            name, n = f"mask_{n}", n + 1
        self.names.add(name)
        shape = [constant(loop.extent) or 1 for loop in self.loops]
        buffer = tirx.decl_buffer(shape, "float32", name=name, scope=FRAGMENT)
        self.allocated.append(tirx.AllocBuffer(buffer, None, stmt.span))
        indices = [loop.loop_var for loop in self.loops]
        one, zero = tirx.const(1.0, "float32"), tirx.const(0.0, "float32")
        node = tirx.BufferStore(buffer, tirx.Select(test, one, zero), indices, span=stmt.span)
        return _Store(node, node.value), tirx.NE(tirx.BufferLoad(buffer, indices), zero)
