"""Joining iterations that sum over no whole tiles: K blocks below 32, or of 48.

``for k in range(n)`` over K blocks of ``e`` elements runs as many iterations at once as are whole
tiles together. That is the same sum where all an iteration does is to load its blocks of K, change
them element by element, and add their product to an accumulator. Other loops stay as they are, and
their blocks are moved in pieces.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from tvm import tirx
from tvm.ir import Call

from harness.compiler.facts.accesses import accesses
from harness.compiler.facts.kernel import Kernel, read_kernel
from harness.compiler.facts.statements import statements
from harness.compiler.facts.ties import Ties, places, step_of
from harness.compiler.joining.coalesce import Join
from harness.compiler.joining.notjoined import NotJoined
from harness.compiler.joining.turns import TURNS
from harness.language.nests import is_parallel
from harness.language.ops import COPY, FILL, GEMM
from harness.language.regions import constant
from simulator.arch import TILE


def join_loops(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with iterations over less than a tile of K joined, where they only add."""
    kernel = read_kernel(func)
    for loop in kernel.statements:
        if isinstance(loop, tirx.For) and loop.kind != tirx.ForKind.PARALLEL:
            if TURNS in loop.annotations:
                continue
            extent, trips = _step(kernel, loop), constant(loop.extent)
            if extent is not None and trips is not None and trips > 1 and constant(loop.min) == 0:
                what = f"steps of loop {loop.loop_var.name!r}"
                join = Join(kernel, loop.loop_var, extent, trips, what)
                try:
                    _check(kernel, loop, join, trips)
                    joined = join.run()
                except NotJoined:
                    continue
                return join_loops(joined)
    return func


def _step(kernel: Kernel, loop: tirx.For) -> int | None:
    """Elements, no whole tiles, that every iteration covers of what it moves along.

    A lone element that it reads is chosen from its tile, and needs no others beside it.
    """
    found = set()
    for place in places(kernel):
        step = step_of(place.start, loop.loop_var)
        if place.is_tile_dim and step and step % TILE and not place.is_element:
            found.add(step if step == place.extent else 0)
    return found.pop() if len(found) == 1 and 0 not in found else None


def _check(kernel: Kernel, loop: tirx.For, join: Join, trips: int) -> None:
    parallel = False
    for stmt in statements(loop.body):
        if is_parallel(stmt):
            parallel = True
        if isinstance(stmt, tirx.BufferStore):
            if not _grows(join, stmt.buffer, len(stmt.indices)):
                join.no(f"{stmt.buffer.name!r} is stored to once per step", stmt)
        elif isinstance(stmt, tirx.Evaluate) and isinstance(stmt.value, Call):
            _check_call(stmt.value, join)
        elif isinstance(stmt, tirx.IfThenElse):
            join.no("a condition stands between them", stmt)
    inside = Counter(a.buffer for a in accesses(loop.body))
    everywhere = Counter(a.buffer for a in kernel.accesses)
    for buffer in kernel.onchip:
        if _grows(join, buffer, len(buffer.ty.shape)) and everywhere[buffer] > inside[buffer]:
            join.no(f"buffer {buffer.name!r} is also used outside the loop", loop)
    if trips % join.factor == 0:
        return
    for place in places(kernel):
        size = constant(place.tensor.ty.shape[place.dim]) or 0
        if join.is_grown(place.key) and (size > trips * join.extent or parallel):
            join.no(f"{trips} of them are no whole tiles, and what is beyond them may not be zero",
                    loop)  # fmt: skip


def _check_call(call: Call, join: Join) -> None:
    name, args = call.op.name, call.args[:]
    if name in (COPY, FILL):
        target = args[1] if name == COPY else args[0]
        if any(join.is_grown(Ties.key(target, i)) for i in range(len(target.region))):
            return
        join.no(f"{target.source.name!r} is set once per step", call)
    if name == GEMM:
        a, c, flags = args[0], args[2], [bool(constant(f)) for f in args[3:6]]
        k = len(a.region) - (2 if flags[0] else 1)
        sums = join.is_grown(Ties.key(a, k)) and not flags[2]
        if sums and not any(join.is_grown(Ties.key(c, i)) for i in range(len(c.region))):
            return
        join.no("a product is not summed over them", call)
    join.no(f"{name} is done once per step", call)


def _grows(join: Join, buffer: Any, rank: int) -> bool:
    return any(join.is_grown((buffer, i)) for i in range(rank))
