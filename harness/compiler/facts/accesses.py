"""What statements and expressions read and write, and from where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import Call, TensorLoad, TensorRegion

from harness.compiler.diagnostics import refuse
from harness.compiler.facts.statements import statements
from harness.language.ops import CLEARS, COPY, FILL, GEMM, READS, WRITES
from harness.language.regions import constant
from harness.language.tensors import VAR
from harness.language.walks import structural_map, structural_walk

TENSORS = ("", "global")
"""Storage scopes of tensors in device memory."""
LEAVES = frozenset({tvm.ir.Var, tirx.IntImm, tirx.FloatImm, int, float})
"""Expressions without parts, which most are: no walk is set up for them."""
ARITHMETIC = frozenset({tirx.Add, tirx.Sub, tirx.Mul, tirx.FloorDiv, tirx.FloorMod})
"""Expressions of two parts, which most others are: looking at both is cheaper than a walk."""


@dataclass(frozen=True)
class Access:
    """One read or write of a buffer: start expressions and constant extents."""

    buffer: tvm.ir.Var
    starts: tuple[Any, ...]
    extents: tuple[int, ...]
    write: bool
    node: Any


def accesses(stmt: Any) -> Iterator[Access]:
    """Every buffer access below, in program order, reads of a statement before its writes.

    What bounds of loops, and conditions on tile ops, ask tensors is not among them, as what places
    of copies ask is not: :mod:`harness.compiler.facts.lookups` says what they may ask.
    """
    for node in statements(stmt):
        kind = type(node)
        if kind is tirx.Evaluate:
            yield from _call_accesses(node)
        elif kind is tirx.BufferStore:
            yield from loads(node.value)
            indices = tuple(node.indices[:])
            check_placed(indices, node, gathers=node.buffer.ty.storage_scope in TENSORS)
            yield Access(node.buffer, indices, (1,) * len(indices), True, node)
        elif kind is tirx.Bind:
            yield from loads(node.value)
        elif kind is tirx.IfThenElse:
            inside = loads(node.condition)
            yield from inside if of_elements(node) else _onchip(inside)
        elif kind is tirx.For:
            yield from _onchip((*loads(node.min), *loads(node.extent)))


def of_elements(stmt: tirx.IfThenElse) -> bool:
    """Whether a condition is one on elements, in T.Parallel or on scalars, and not on tile ops."""
    return not any(
        type(s) is tirx.Evaluate or (type(s) is tirx.For and s.kind == tirx.ForKind.PARALLEL)
        for s in statements(stmt)
    )


def _onchip(found: Iterable[Access]) -> Iterator[Access]:
    return (access for access in found if access.buffer.ty.storage_scope not in TENSORS)


def loads(expr: Any) -> Iterator[Access]:
    """Element reads inside an expression; what tensors their indices ask is not among them."""
    if reads_nothing(expr):
        return
    found: list[TensorLoad] = []
    structural_walk(expr, [(TensorLoad, found.append)])
    if any(loads_of(*load.indices[:]) for load in found):
        found = _outermost(expr)
    for load in found:
        indices = tuple(load.indices[:])
        check_placed(indices, load, gathers=load.source.ty.storage_scope in TENSORS)
        yield Access(load.source, indices, (1,) * len(indices), False, load)


def _outermost(expr: Any) -> list[TensorLoad]:
    """Loads that are not part of another's indices."""
    found: list[TensorLoad] = []

    def seen(load: TensorLoad) -> Any:
        found.append(load)
        return tirx.Var("read", str(load.ty.dtype))  # beneath which nothing is looked at

    structural_map(expr, [(TensorLoad, seen)], order="pre")
    return found


def reads_nothing(expr: Any) -> bool:
    """Whether an expression is arithmetic of variables and numbers; False says nothing."""
    kind = type(expr)
    if kind in ARITHMETIC:
        return reads_nothing(expr.a) and reads_nothing(expr.b)
    return kind in LEAVES


def loads_of(*exprs: Any) -> list[TensorLoad]:
    """What expressions read from memory, each once, in order of appearance."""
    found: list[TensorLoad] = []

    def seen(load: TensorLoad) -> None:
        if not any(tvm_ffi.structural_equal(load, known) for known in found):
            found.append(load)

    for expr in exprs:
        if isinstance(expr, tvm.ir.Expr) and not reads_nothing(expr):
            structural_walk(expr, [(TensorLoad, seen)])
    return found


def check_placed(indices: Sequence[Any], node: Any, *, gathers: bool = False) -> None:
    """Refuse indices that are themselves read from memory; scalars are none, they have values.

    What ``gathers``, or scatters, may ask tensors where it starts, and they others in turn;
    :mod:`harness.compiler.facts.lookups` says how.

    Raises:
        CompileError: at the access.
    """
    for index in indices:
        if not reads_nothing(index) and isinstance(index, tvm.ir.Expr):
            for inner in loads(index):
                scope = inner.buffer.ty.storage_scope
                if scope == VAR or (gathers and scope in TENSORS):
                    check_placed(inner.starts, node, gathers=gathers)
                    continue
                refuse(f"an index is read from {inner.buffer.name!r}: readers ask a tensor of"
                       " indices for what they fetch, and nothing else has a way to read an index"
                       " from memory",
                       node=node, code="UnsupportedIndex",
                       next_step="read by elements of an int32 tensor, a parameter, or rearrange on"
                       " the host")  # fmt: skip


def region_access(
    region: TensorRegion, node: Any, *, write: bool, gathers: bool = False
) -> Access:  # fmt: skip
    """The access a region operand makes."""
    ranges = region.region[:]
    starts = tuple(r.min for r in ranges)
    check_placed(starts, node, gathers=gathers)
    extents = tuple(constant(r.extent) for r in ranges)
    if any(e is None for e in extents):
        refuse("a region's extent is not a constant", node=node)
    return Access(
        region.source,
        starts,
        extents,  # type: ignore[arg-type]
        write,
        node,
    )


def _call_accesses(stmt: tirx.Evaluate) -> Iterator[Access]:
    call = stmt.value
    if not isinstance(call, Call) or not hasattr(call.op, "name"):
        return
    args, name = call.args[:], call.op.name
    if name in WRITES:
        gathers, target = name == COPY, args[WRITES[name]]
        if name == FILL:
            yield from loads(args[1])
        for at in READS[name]:
            yield region_access(args[at], call, write=False, gathers=gathers)
        if name in CLEARS and not constant(args[CLEARS[name]]):
            yield region_access(target, call, write=False)
        yield region_access(target, call, write=True, gathers=gathers)
    elif name.startswith("tt."):
        return
    else:
        refuse(f"call of {name!r} is not a tile op", node=call,
               next_step=f"use {COPY}, {FILL}, {GEMM} or a T.Parallel loop")  # fmt: skip
