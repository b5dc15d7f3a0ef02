"""Small blocks whose elements are named one by one, as a block per element.

``last = T.alloc_local((2,))`` keeps two scalars. Nothing on a tile machine stores one element of
several outside T.Parallel; a block of one element is a tile of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import tvm
from tvm import tirx
from tvm.ir import Call, TensorLoad, TensorRegion

from harness.compiler.facts.kernel import Kernel, read_kernel, with_body
from harness.compiler.facts.statements import over_children, statements
from harness.compiler.rewrite.sequential import outside_parallel
from harness.compiler.tt_ops import seq
from harness.language.ops import FILL
from harness.language.regions import constant
from harness.language.walks import structural_map, structural_walk

_MOST: Final = 16
"""Elements of a block that is worth a tile each."""


def separated(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with a block per element of those that are stored to by element alone."""
    kernel = read_kernel(func)
    small = {b: _size(b) for b in kernel.onchip}
    small = {b: n for b, n in small.items() if 1 < n <= _MOST}
    if not small:
        return func
    chosen = _stored_alone(kernel, small)
    if not chosen:
        return func
    taken = {b.name for b in (*kernel.params, *kernel.onchip)}
    parts = {b: _parts(b, small[b], taken) for b in chosen}
    return with_body(func, _split(kernel.body, parts))


def _size(buffer: Any) -> int:
    return math.prod(constant(d) or 0 for d in buffer.ty.shape)


def _stored_alone(kernel: Kernel, small: dict[Any, int]) -> list[Any]:
    """Blocks of which every access names one element, or fills all; one is stored outside loops."""
    stored: set[Any] = set()
    other: set[Any] = set()
    alone = set(outside_parallel(kernel.body))
    for stmt in statements(kernel.body):
        if isinstance(stmt, tirx.BufferStore) and stmt.buffer in small:
            named = all(constant(i) is not None for i in stmt.indices) and stmt in alone
            (stored if named else other).add(stmt.buffer)

        def load(node: TensorLoad) -> None:
            if any(constant(i) is None for i in node.indices):
                other.add(node.source)

        def region(node: TensorRegion) -> None:
            other.add(node.source)

        if isinstance(stmt, tirx.Evaluate) and _fills(stmt):
            target = stmt.value.args[0]
            filled = math.prod(constant(r.extent) or 0 for r in target.region)
            if filled != small.get(target.source):
                other.add(target.source)
        elif isinstance(stmt, tirx.Evaluate | tirx.BufferStore | tirx.IfThenElse):
            looked = stmt.condition if isinstance(stmt, tirx.IfThenElse) else stmt
            structural_walk(looked, [(TensorLoad, load), (TensorRegion, region)])
    return [b for b in small if b in stored and b not in other]


def _fills(stmt: tirx.Evaluate) -> bool:
    return isinstance(stmt.value, Call) and stmt.value.op.name == FILL


def _parts(buffer: Any, size: int, taken: set[str]) -> list[Any]:
    """A block of one element for each."""
    made = []
    for number in range(size):
        name = f"{buffer.name}_{number}"
        while name in taken:
            name += "_"
        taken.add(name)
        made.append(tirx.decl_buffer([1], str(buffer.ty.dtype), name=name,
                                     scope=buffer.ty.storage_scope))  # fmt: skip
    return made


def _split(body: Any, parts: dict[Any, list[Any]]) -> Any:
    """A body with elements of blocks in ``parts`` replaced."""
    zero = [tirx.const(0, "int32")]

    def part(buffer: Any, indices: Sequence[Any]) -> Any:
        at = 0
        for index, size in zip(indices, buffer.ty.shape, strict=True):
            at = at * (constant(size) or 0) + (constant(index) or 0)
        return parts[buffer][at]

    def load(node: TensorLoad) -> Any:
        if node.source not in parts:
            return node
        return tirx.BufferLoad(part(node.source, node.indices), zero, span=node.span)

    def store(node: tirx.BufferStore) -> Any:
        if node.buffer not in parts:
            return node
        return tirx.BufferStore(part(node.buffer, node.indices), node.value, zero, span=node.span)

    def down(stmt: Any) -> Any:
        if isinstance(stmt, tirx.AllocBuffer):
            made = parts.get(stmt.buffer)
            return stmt if made is None else seq([
                tirx.AllocBuffer(b, stmt.annotations, stmt.span) for b in made])  # fmt: skip
        if isinstance(stmt, tirx.Evaluate) and _fills(stmt):
            call = stmt.value
            made = parts.get(call.args[0].source)
            if made is None:
                return stmt
            return seq([tirx.Evaluate(_filled(call, b), stmt.span) for b in made])
        if isinstance(stmt, tirx.SeqStmt):
            return tirx.SeqStmt([down(s) for s in stmt.seq])
        return over_children(stmt, down)

    replaced = structural_map(body, [(TensorLoad, load), (tirx.BufferStore, store)], order="post")
    return down(replaced)


def _filled(call: Call, buffer: Any) -> Call:
    one = tvm.ir.Range.from_min_extent(tirx.const(0, "int32"), tirx.const(1, "int32"))
    region = TensorRegion(buffer, [one], call.args[0].ty, call.args[0].span)
    return Call(call.op, [region, *call.args[1:]], call.attrs, ret_ty=call.ty, span=call.span)
