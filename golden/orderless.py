"""Sequential loops over elements that may be evaluated all at once: their order says nothing.

Every iteration stores elements that no other one does, each index of which is one loop variable, or
a number it is added to or taken from; and of buffers that are stored to, an iteration reads those
elements alone. Loops that no stored place names may go around all others where there is one store.
"""

from __future__ import annotations

from typing import Any

import tvm
import tvm_ffi
from tvm import tirx

from golden.source import constant, mentions
from golden.walks import structural_walk

_ORDERED: tuple[int, ...] = (0, 3)
"""Kinds of loops that run one iteration after another: serial and unrolled."""


def orderless(stmt: Any) -> tuple[list[Any], list[Any]] | None:
    """Loops to run one by one, and those within to run at once; None where order counts.

    ``stmt`` is a sequential loop.
    """
    loops: list[Any] = []
    body = stmt
    while isinstance(body, tirx.For):
        loops.append(body)
        body = body.body
    stores = list(body.seq) if isinstance(body, tirx.SeqStmt) else [body]
    if not all(isinstance(s, tirx.BufferStore) for s in stores) or not all(map(_plain, loops)):
        return None
    named = [_named(s, loops) for s in stores]
    if None in named or any(n != named[0] for n in named) or not _alone(stores):
        return None
    at_once = [lo for n, lo in enumerate(loops) if n in (named[0] or ())]
    around = [lo for n, lo in enumerate(loops) if n not in (named[0] or ())]
    if not at_once or (around and len(stores) > 1):
        return None
    if any(int(lo.kind) not in _ORDERED for lo in around):
        return None
    return around, at_once


def _plain(loop: Any) -> bool:
    counted = constant(loop.min) == 0 and constant(loop.extent) is not None
    step = getattr(loop, "step", None)
    return counted and int(loop.kind) in (*_ORDERED, 1) and (step is None or constant(step) == 1)


def _named(store: Any, loops: list[Any]) -> set[int] | None:
    """Numbers of the loops whose variables the place stored to names; None where it is unclear."""
    found: list[int] = []
    for index in store.indices:
        mine = [n for n, lo in enumerate(loops) if mentions(index, [lo.loop_var])]
        if len(mine) > 1 or (mine and not _is_sum(index, loops[mine[0]].loop_var)):
            return None
        found += mine
    return set(found) if len(set(found)) == len(found) else None


def _is_sum(index: Any, var: Any) -> bool:
    """Whether an index is made of + and - alone, with the variable on one side once."""
    if isinstance(index, (tirx.Add, tirx.Sub)):
        sides = [mentions(side, [var]) for side in (index.a, index.b)]
        return sum(sides) == 1 and _is_sum(index.a if sides[0] else index.b, var)
    return isinstance(index, tvm.ir.Var) and index.same_as(var)


def _alone(stores: list[Any]) -> bool:
    """Whether each buffer is stored at one place, and read there alone."""
    places: dict[Any, Any] = {}
    for store in stores:
        known = places.setdefault(store.buffer, store.indices)
        if not _same(known, store.indices):
            return False
    found: list[Any] = []
    for store in stores:
        for part in (store.value, *store.indices):
            if isinstance(part, tvm.ir.Expr):
                structural_walk(part, [(tvm.ir.TensorLoad, found.append)])
    return all(load.source not in places or _same(places[load.source], load.indices)
               for load in found)  # fmt: skip


def _same(first: Any, second: Any) -> bool:
    return len(first) == len(second) and all(
        bool(tvm_ffi.structural_equal(a, b)) for a, b in zip(first, second, strict=True)
    )
