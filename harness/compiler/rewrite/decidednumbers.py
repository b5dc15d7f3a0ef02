"""Scalars and elements of blocks that data decide to change, as choices between values.

``if x[k] > top: top = x[k]; at = k`` outside T.Parallel: no core does one thing or another by what
compute makes, so both values are there and one is chosen, ``at = T.if_then_else(x[k] > top, k,
at)``. What more than one choice asks for is asked once and kept: the first of them may change what
the next would see.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Final

import tvm_ffi
from tvm import tirx

from harness.compiler.diagnostics import refuse
from harness.compiler.facts.accesses import loads_of
from harness.compiler.facts.kernel import Kernel, read_kernel, with_body
from harness.compiler.facts.statements import children, over_children
from harness.compiler.rewrite.numbers import REAL, deciding, own_block
from harness.compiler.rewrite.sequential import outside_parallel
from harness.compiler.tt_ops import seq
from harness.language.blockformats import dtype_of
from harness.language.nests import is_parallel, relooped
from harness.language.tensors import VAR

_ZERO: Final = tirx.const(0, "int32")


def with_choices(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with choices for conditions on data around nothing but such stores.

    Raises:
        CompileError: a number chosen so says where or whether something is done.
    """
    kernel = read_kernel(func)
    made = _Choices(kernel)
    body = made.statement(kernel.body)
    if body.same_as(kernel.body):
        return func
    func = with_body(func, seq([*made.blocks, body]))
    decide = deciding(read_kernel(func))
    placing = [target for target in made.targets if target in decide]
    for target in sorted(placing, key=lambda t: dtype_of(t) == REAL):
        refuse(
            f"data decide what {target.name!r} is, which says where or whether something is done:"
            " what cores do cannot depend on what they compute",
            node=made.targets[target],
            code="DataDependent",
            next_step="write it to an int32 tensor, and ask that in a second kernel",
        )
    return func


class _Choices:
    """Rewrites one kernel.

    Attributes:
        targets: what was stored to under a condition that is none any more, and where.
        blocks: what holds the outcomes of conditions.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.onchip = set(kernel.onchip)
        self.names = {b.name for b in (*kernel.params, *kernel.onchip)}
        self.targets: dict[Any, Any] = {}
        self.blocks: list[Any] = []
        self.kernel = kernel

    @cached_property
    def made(self) -> set[Any]:
        """What holds real numbers, or what is made of them; few kernels have conditions to ask."""
        return _made(self.kernel)

    def statement(self, stmt: Any) -> Any:
        """A statement with choices for such conditions below."""
        if is_parallel(stmt):
            return stmt
        if isinstance(stmt, tirx.IfThenElse) and self.asks_data(stmt):
            store = _either(stmt)
            if store is not None:
                if store.buffer in self.onchip:
                    self.targets.setdefault(store.buffer, stmt)
                return store
            parts = list(_parts(stmt))
            if all(map(self.is_choice, parts)):
                return seq(list(self.chosen(stmt, len(parts))))
        return over_children(stmt, self.statement)

    def asks_data(self, stmt: tirx.IfThenElse) -> bool:
        """Whether real numbers, or what is made of them, decide in a condition."""
        tests = [s.condition for s in outside_parallel(stmt) if isinstance(s, tirx.IfThenElse)]
        return any(load.source in self.made for load in loads_of(*tests))

    def is_choice(self, stmt: Any) -> bool:
        """Whether a statement changes elements on chip, or is a nest of T.Parallel."""
        return is_parallel(stmt) or (isinstance(stmt, tirx.BufferStore)
                                     and stmt.buffer in self.onchip)  # fmt: skip

    def chosen(self, stmt: Any, stores: int, *tests: Any) -> Iterator[Any]:
        """Its stores, each of the value chosen, where all ``tests`` hold."""
        if isinstance(stmt, tirx.SeqStmt):
            for part in stmt.seq:
                yield from self.chosen(part, stores, *tests)
        elif isinstance(stmt, tirx.IfThenElse):
            test = stmt.condition
            if stores > 1:
                block = own_block("chosen", REAL, self.names)
                self.blocks.append(tirx.AllocBuffer(block, None))
                one, none = (tirx.const(n, REAL) for n in (1.0, 0.0))
                yield tirx.BufferStore(block, tirx.Select(test, one, none), [_ZERO], span=stmt.span)
                test = tirx.BufferLoad(block, [_ZERO]) > tirx.const(0.5, REAL)
            yield from self.chosen(stmt.then_case, stores, *tests, test)
            if stmt.else_case is not None:
                yield from self.chosen(stmt.else_case, stores, *tests, tirx.Not(test))
        elif is_parallel(stmt):
            yield _under(stmt, tests)
        else:
            self.targets.setdefault(stmt.buffer, stmt)
            value = stmt.value
            old = tirx.BufferLoad(stmt.buffer, stmt.indices[:], span=stmt.span)
            for test in reversed(tests):
                value = tirx.Select(test, value, old, span=stmt.span)
            yield tirx.BufferStore(stmt.buffer, value, stmt.indices[:], span=stmt.span)


def _either(stmt: Any) -> tirx.BufferStore | None:
    """The one store that both sides of a condition make to one place; None for anything else."""
    if isinstance(stmt, tirx.BufferStore):
        return stmt
    if not isinstance(stmt, tirx.IfThenElse) or stmt.else_case is None:
        return None
    then, other = _either(stmt.then_case), _either(stmt.else_case)
    if then is None or other is None or not then.buffer.same_as(other.buffer):
        return None
    if not all(map(tvm_ffi.structural_equal, then.indices, other.indices)):
        return None
    value = tirx.Select(stmt.condition, then.value, other.value, span=stmt.span)
    return tirx.BufferStore(then.buffer, value, then.indices[:], span=stmt.span)


def _under(stmt: Any, tests: tuple[Any, ...]) -> Any:
    """A nest of T.Parallel with what is in it done where all ``tests`` hold."""
    if is_parallel(stmt):
        return relooped(stmt, _under(stmt.body, tests))
    return tirx.IfThenElse(tirx.all(*tests), stmt, None, stmt.span)


def _parts(stmt: Any) -> Iterator[Any]:
    """Statements below conditions and sequences."""
    inside = _sides(stmt)
    for part in inside:
        yield from _parts(part)
    if not inside:
        yield stmt


def _sides(stmt: Any) -> tuple[Any, ...]:
    if isinstance(stmt, tirx.SeqStmt):
        return tuple(stmt.seq)
    if isinstance(stmt, tirx.IfThenElse):
        return tuple(s for s in (stmt.then_case, stmt.else_case) if s is not None)
    return ()


def _made(kernel: Kernel) -> set[Any]:
    """What holds real numbers, or what is made of them: compute knows them, and cores do not."""
    found = {p for p in kernel.params if not dtype_of(p).startswith(("int", "uint", "bool"))}
    found |= {b for b in kernel.onchip if b.ty.storage_scope != VAR}
    grown = True
    while grown:
        before = len(found)
        for stmt, tests in _stores(kernel.body):
            if any(load.source in found for load in loads_of(stmt.value, *tests)):
                found.add(stmt.buffer)
        grown = len(found) > before
    return found


def _stores(stmt: Any, *tests: Any) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Stores outside T.Parallel, with the conditions around each."""
    if is_parallel(stmt):
        return
    if isinstance(stmt, tirx.BufferStore):
        yield stmt, tests
    if isinstance(stmt, tirx.IfThenElse):
        tests = (*tests, stmt.condition)
    for part in children(stmt):
        yield from _stores(part, *tests)
