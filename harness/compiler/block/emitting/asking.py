"""Questions to tensors of indices that decide what threads do: asked once, rows ahead of loops."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from tvm import tirx

from harness.compiler.block.emitting.lookup import Lookup, Scope, asked_of
from harness.compiler.block.names import Names, is_index_row
from harness.compiler.facts.affine import mentions, supposing
from harness.compiler.facts.statements import statements
from harness.compiler.tt_ops import TILE_ADDR
from harness.language.regions import constant


def ask(
    exprs: list[Any], names: Names, ana: Any, scope: Scope, node: Any
) -> tuple[list[Any], list[Any]]:
    """What tells the threads what tensors of indices decide, and expressions of the answers.

    ``ana`` knows the variables in scope.

    Raises:
        CompileError: an index of the tensor of indices that may lie outside it.
    """
    asked, told = asked_of(exprs, names, ana, scope, node)
    rows: list[Lookup] = []
    binds = []
    for one in asked:
        same = next((r for r in rows if r.same_row(one)), None)
        rows += [one] if same is None else []
        binds.append((one if same is None else replace(one, row=same.row)).bind())
    span = getattr(node, "span", None)
    return [*(stmt for row in rows for stmt in row.fetch(span)), *binds], told


def ahead(inner: list[Any], var: Any, ana: Any, scope: Scope) -> tuple[list[Any], list[Any]]:
    """A loop's body without reads of rows that are the same in every iteration, and those.

    A row is read ahead only where its page is surely one of its tensor even if the loop never
    runs; ``var`` is the loop's, which is out of scope already.
    """
    out: tuple[list[Any], list[Any]] = ([], [])
    with supposing(ana, scope.conditions):
        for stmt in inner:
            out[_reads_row(stmt, ana, var)].append(stmt)
    return out


def _reads_row(stmt: Any, ana: Any, var: Any) -> bool:
    """Whether a statement reads a row for what is asked below it, the same for every ``var``.

    ``ana`` knows what holds without the loop over ``var``.
    """
    if not isinstance(stmt, tirx.AttrStmt):
        return False
    first = next((s for s in statements(stmt.body) if isinstance(s, tirx.Evaluate)), None)
    if first is None or first.value.op.name != "tt.noc_async_read_page":
        return False
    page, tensor, where = first.value.args
    if where.op.name != TILE_ADDR or not is_index_row(where.args[0]) or mentions(page, [var]):
        return False
    rows = math.prod(constant(d) or 0 for d in tensor.ty.shape[:-1])
    return bool(ana.can_prove(tirx.all(page >= 0, page < rows)))
