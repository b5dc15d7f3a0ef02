"""Gathers: indices ignored, stale, of another row, one page off, taken before they are there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np

from golden.interpret.tileops import TileOps
from harness.compiler.block.emitting import transfer
from harness.mutants.edit import Body, dropped, edit, edit_bodies, is_op, with_arg
from harness.mutants.edit import replace as edited
from harness.mutants.registry import Mutant, Where, in_built, substitution
from simulator.engine import compiler
from simulator.program import Let, is_load, statements

FAMILY: Final = "gathers"
READ: Final = "noc_async_read_page"


def _built(name: str, breaks: str, apply: Callable[..., Any]) -> Mutant:
    return in_built(FAMILY, name, breaks, apply)


def _value(change: Callable[[Any], Any]) -> Any:
    """The value of every load changed."""
    return lambda b: edit(
        b, lambda s: (edited(s, value=change(s.value)),) if is_load(s) else None, thread="ncrisc"
    )


def _of_tables(change: Callable[[Body, int], Body | None]) -> Any:
    """Statement lists changed at the first load, of which there must be one."""

    def visit(body: Body) -> Body | None:
        at = next((i for i, stmt in enumerate(body) if is_load(stmt)), None)
        return None if at is None else change(body, at)

    return lambda b: edit_bodies(b, visit, "ncrisc")


def _before(name: str) -> Callable[[Body, int], Body | None]:
    """The load in front of the op of a name that comes before it."""

    def change(body: Body, at: int) -> Body | None:
        ops = [i for i, stmt in enumerate(body[:at]) if is_op(stmt, name)]
        return (*body[: ops[-1]], body[at], *body[ops[-1] : at], *body[at + 1 :]) if ops else None

    return change


def _without(name: str) -> Callable[[Body, int], Body | None]:
    """The op of a name that comes before the load left out."""

    def change(body: Body, at: int) -> Body | None:
        ops = [i for i, stmt in enumerate(body[:at]) if is_op(stmt, name)]
        return (*body[: ops[-1]], *body[ops[-1] + 1 :]) if ops else None

    return change


def _pages(change: Callable[[Any], Any]) -> Any:
    """Page numbers that a loaded index is part of; ``change`` gets it with what it is times."""

    def apply(b: Any) -> Any:
        names: set[str] = set()
        for program in b.programs.programs:
            names |= {s.var for s in statements(program.body) if isinstance(s, Let) and is_load(s)}

        def put(expr: Any) -> Any:
            if isinstance(expr, str):
                return change(expr) if expr in names else expr
            if not isinstance(expr, list):
                return expr
            if expr[0] == "*" and expr[1] in names:
                return change(expr)
            return [expr[0], *map(put, expr[1:])]

        return edit(b, with_arg(READ, 0, put), thread="ncrisc")

    return apply


def _has_table(base: Any) -> bool:
    return any(la.tile_shape[0] == 1 for la in base.artifact.plan.layouts.values())


def _other(name: str, where: Where, breaks: str, owner: Any, attribute: str, wrap: Any) -> Mutant:
    return substitution(FAMILY, name, where, breaks, (owner, attribute, wrap), applies=_has_table)


def _asked(**fields: Callable[[Any], Any]) -> Any:
    """What a copy asks tensors of indices, changed."""

    def wrap(old: Any) -> Any:
        def new(*args: Any) -> Any:
            found, region = old(*args)
            changed = [replace(one, **{n: f(one) for n, f in fields.items()}) for one in found]
            return changed, region

        return new

    return wrap


def _for_all(old: Any) -> Any:
    """Every core takes what the first one loads."""

    def build(names: Any, operands: Any, scope: Any, register: int, following: int) -> Any:
        step = old(names, operands, scope, register, following)

        def new(group: Any) -> Any:
            out = step(group)
            group.regs[register] = int(np.ravel(group.regs[register])[0])
            return out

        return new

    return build


def _first_of_blocks(old: Any) -> Any:
    """Every block of a copy starts where the first one does, in dimensions indices choose."""

    def new(self: Any, node: Any, evaluator: Any) -> Any:
        found = old(self, node, evaluator)
        first, *others = found.starts
        first = np.full_like(first, np.ravel(first)[0]) if np.ndim(first) else first
        return replace(found, starts=(first, *others))

    return new


MUTANTS: Final = (
    _built("index-ignored", "Every gather takes block 0.", _value(lambda _: 0)),
    _built("index-of-the-row-s-start", "Every gather takes the first index of its row.",
           _value(lambda v: [v[0], v[1], 0])),
    _built("index-of-the-next-step", "Gathers take the index after theirs.",
           _value(lambda v: [v[0], v[1], ["+", v[2], 1]])),
    _built("index-of-the-step-before", "Gathers take the index before theirs.",
           _value(lambda v: [v[0], v[1], ["max", ["-", v[2], 1], 0]])),
    _built("index-one-more", "Gathers take the block after theirs.",
           _pages(lambda e: ["*", ["+", e[1], 1], e[2]] if isinstance(e, list) else ["+", e, 1])),
    _built("index-times-two", "Gathers take every other block.",
           _pages(lambda e: ["*", e, 2])),
    _built("index-as-page", "Indices are taken for numbers of pages.",
           _pages(lambda e: e[1] if isinstance(e, list) else e)),
    _built("index-before-barrier", "Indices are loaded while their row still arrives.",
           _of_tables(_before("noc_async_read_barrier"))),
    _built("index-without-barrier", "Nobody waits for the row of indices.",
           _of_tables(_without("noc_async_read_barrier"))),
    _built("index-without-read", "The row of indices is not read.", _of_tables(_without(READ))),
    _built("index-without-wait", "The row of indices is loaded before it is waited for.",
           _of_tables(_without("cb_wait_front"))),
    _built("index-row-not-popped", "Rows of indices stay where they are.",
           lambda b: edit(b, dropped("cb_pop_front"), thread="ncrisc")),
    _other("index-of-row-0", Where.PASS4, "The reader asks the table's first row.",
           transfer, "looked_up", _asked(page=lambda _: 0)),
    _other("index-of-datum-0", Where.PASS4, "The reader loads a row's first datum.",
           transfer, "looked_up", _asked(index=lambda _: 0)),
    _other("machine-one-index-for-all", Where.SIMULATOR, "All cores of a group load one index.",
           compiler, "build_load", _for_all),
    _other("golden-one-index-for-all", Where.GOLDEN, "The golden gathers one block for all.",
           TileOps, "region", _first_of_blocks),
)  # fmt: skip
