"""Branches on the block of a one-row kernel, as choices between a new value and the old one.

Joining blocks of one row makes rows of them, and a branch that some rows take is no branch of the
joined block: ``if bx == 0: x[i] = y`` stores ``select(bx == 0, y, x[i])``.
"""

from __future__ import annotations

from typing import Any

from tvm import tirx

from harness.compiler.facts.accesses import loads_of
from harness.compiler.facts.affine import mentions
from harness.compiler.facts.kernel import Kernel, with_body
from harness.compiler.facts.statements import over_children, statements
from harness.compiler.tt_ops import seq
from harness.language.nests import is_parallel


def chosen_rows(kernel: Kernel, var: Any) -> tirx.PrimFunc:
    """The function without branches on ``var`` around stores to on-chip blocks.

    Branches around anything else stay as they are.
    """
    onchip = set(kernel.onchip)

    def stores_only(stmt: Any) -> bool:
        return all(
            isinstance(s, tirx.SeqStmt)
            or (is_parallel(s))
            or (isinstance(s, tirx.IfThenElse) and not loads_of(s.condition))
            or (isinstance(s, tirx.BufferStore) and s.buffer in onchip)
            for s in statements(stmt)
        )

    def visit(stmt: Any, tests: tuple[Any, ...] = ()) -> Any:
        if isinstance(stmt, tirx.IfThenElse) and (
            tests or (mentions(stmt.condition, [var]) and stores_only(stmt))
        ):
            sides = [visit(stmt.then_case, (*tests, stmt.condition))]
            if stmt.else_case is not None:
                sides.append(visit(stmt.else_case, (*tests, tirx.Not(stmt.condition))))
            return seq(sides)
        if isinstance(stmt, tirx.BufferStore) and tests:
            old = tirx.BufferLoad(stmt.buffer, stmt.indices[:], span=stmt.span)
            test = tests[0] if len(tests) == 1 else tirx.all(*tests)
            value = tirx.Select(test, stmt.value, old, span=stmt.span)
            return tirx.BufferStore(stmt.buffer, value, stmt.indices[:], span=stmt.span)
        return over_children(stmt, lambda child: visit(child, tests))

    return with_body(kernel.func, visit(kernel.body))
