"""Scalars and names of computed numbers, as blocks of one element.

``mean = total[0] / n`` and ``s = weights[k]`` are made of what compute makes, so that no index says
what they are worth: they are stored where they are given their value, and read where they are used.
So are numbers that a loop carries on, ``top = T.max(top, x[k])``: rounded at every step, they have
no closed form.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import tvm
from tvm import tirx
from tvm.ir import TensorLoad

from harness.compiler.facts.accesses import loads_of
from harness.compiler.facts.kernel import Kernel, read_kernel, with_body
from harness.compiler.facts.statements import over_children
from harness.compiler.rewrite.sequential import outside_parallel
from harness.compiler.tt_ops import seq
from harness.language.blockformats import dtype_of
from harness.language.regions import is_buffer
from harness.language.tensors import FRAGMENT, VAR
from harness.language.walks import structural_map, structural_walk

REAL: Final = "float32"
WHOLE: Final = "int32"


def with_numbers(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with a block for each float32 scalar or name that blocks give a value."""
    kernel = read_kernel(func)
    given = [s for s in outside_parallel(kernel.body) if _is_number(s)]
    names = {b.name for b in (*kernel.params, *kernel.onchip) if b.ty.storage_scope != VAR}
    found = {scalar: _block(scalar, names) for scalar in _carried(kernel)}
    decide = deciding(kernel)
    grown = True
    while grown:
        grown = False
        for stmt in given:
            target = stmt.var if isinstance(stmt, tirx.Bind) else stmt.buffer
            whole = _dtype(target) == WHOLE
            if target in found or (whole and target in decide):
                continue
            if _is_computed(stmt.value, kernel, found):
                found[target] = _block(target, names)
                grown = True
    if not found:
        return func
    return with_body(func, _replaced(kernel.body, found))


def _is_number(stmt: Any) -> bool:
    """Whether a statement gives a scalar or a float32 name a value."""
    if isinstance(stmt, tirx.Bind):
        return str(stmt.value.ty.dtype) == REAL
    return (isinstance(stmt, tirx.BufferStore) and stmt.buffer.ty.storage_scope == VAR
            and dtype_of(stmt.buffer) in (REAL, WHOLE))  # fmt: skip


def _dtype(target: Any) -> str:
    """The type of a scalar or a name."""
    return dtype_of(target) if is_buffer(target) else str(target.ty.dtype)


def _carried(kernel: Kernel) -> list[Any]:
    """Scalars to which a sequential loop gives what is made of tensors and of what they were.

    Those that decide what cores do, or where, stay expressions: no core knows what compute makes.
    """
    decide, found = deciding(kernel), []
    for loop in outside_parallel(kernel.body):
        given = outside_parallel(loop.body) if isinstance(loop, tirx.For) else ()
        for stmt in given:
            if not _is_number(stmt) or isinstance(stmt, tirx.Bind):
                continue
            used = {load.source for load in loads_of(stmt.value)}
            data = {p for p in kernel.params if dtype_of(p) != WHOLE or _dtype(stmt.buffer) == REAL}
            own = stmt.buffer in used and bool(used & data)
            if own and stmt.buffer not in decide and stmt.buffer not in found:
                found.append(stmt.buffer)
    return found


def deciding(kernel: Kernel) -> set[Any]:
    """Scalars and names that conditions, bounds of loops or indices are made of."""
    asked: list[Any] = []
    given: list[tuple[Any, Any]] = []
    for stmt in outside_parallel(kernel.body):  # within, what data say chooses between values
        asked += [stmt.condition] if isinstance(stmt, tirx.IfThenElse) else []
    for stmt in kernel.statements:
        asked += [stmt.min, stmt.extent] if isinstance(stmt, tirx.For) else []
        if isinstance(stmt, tirx.Bind):
            given.append((stmt.var, stmt.value))
        elif isinstance(stmt, tirx.BufferStore):
            asked += stmt.indices[:]
            given.append((stmt.buffer, stmt.value))
    asked += [start for access in kernel.accesses for start in access.starts]
    found = _used(asked)
    while more := _used(value for target, value in given if target in found) - found:
        found |= more
    return found


def _used(values: Iterable[Any]) -> set[Any]:
    """What expressions name and read."""
    found: set[Any] = set()
    for value in values:
        structural_walk(value, [(tvm.ir.Var, found.add)])
        found |= {load.source for load in loads_of(value)}
    return found


def _is_computed(value: Any, kernel: Kernel, found: dict[Any, Any]) -> bool:
    """Whether a value is made of blocks, directly or by what was found to be."""
    blocks = {b for b in kernel.onchip if b.ty.storage_scope != VAR}
    return any(v in blocks or v in found for v in _used([value]))


def _block(target: Any, names: set[str]) -> Any:
    return own_block(str(target.name), _dtype(target), names)


def own_block(name: str, dtype: str, names: set[str], extent: int = 1) -> Any:
    """A block of one element, or some, whose name is none of ``names`` and is one of them then."""
    while name in names:
        name += "_"
    names.add(name)
    return tirx.decl_buffer([extent], dtype, name=name, scope=FRAGMENT)


def _replaced(body: Any, found: dict[Any, Any]) -> Any:
    """A body with blocks for scalars and names, those of names made ahead of it."""
    zero = [tirx.const(0, "int32")]
    named = {v: b for v, b in found.items() if not is_buffer(v)}

    def element(var: Any) -> Any:
        return tirx.BufferLoad(named[var], zero) if var in named else var

    def load(node: TensorLoad) -> Any:
        if node.source not in found:
            return node
        return tirx.BufferLoad(found[node.source], zero, span=node.span)

    def store(node: tirx.BufferStore) -> Any:
        if node.buffer not in found:
            return node
        return tirx.BufferStore(found[node.buffer], node.value, zero, span=node.span)

    def down(stmt: Any) -> Any:
        if isinstance(stmt, tirx.AllocBuffer) and stmt.buffer in found:
            return tirx.AllocBuffer(found[stmt.buffer], stmt.annotations, stmt.span)
        if isinstance(stmt, tirx.Bind) and stmt.var in named:
            return tirx.BufferStore(named[stmt.var], stmt.value, zero, span=stmt.span)
        return over_children(stmt, down)

    callbacks = [(TensorLoad, load), (tirx.BufferStore, store), (tvm.ir.Var, element)]
    made = [tirx.AllocBuffer(block, None) for block in named.values()]
    return seq([*made, structural_map(down(body), callbacks, order="post")])
