"""Scalars and names of computed numbers, as blocks of one element.

``mean = total[0] / n`` and ``s = weights[k]`` are made of what compute makes, so that no index says
what they are worth: they are stored where they are given their value, and read where they are used.
"""

from __future__ import annotations

from typing import Any, Final

import tvm
from tvm import tirx
from tvm.ir import TensorLoad

from harness.compiler.kernel import Kernel, loads_of, over_children, read_kernel, with_body
from harness.compiler.sequential import outside_parallel
from harness.compiler.tt_ops import seq
from harness.language.blockformats import dtype_of
from harness.language.regions import is_buffer
from harness.language.tensors import FRAGMENT, VAR
from harness.language.walks import structural_map, structural_walk

REAL: Final = "float32"


def with_numbers(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with a block for each float32 scalar or name that blocks give a value."""
    kernel = read_kernel(func)
    given = [s for s in outside_parallel(kernel.body) if _is_number(s)]
    names = {b.name for b in (*kernel.params, *kernel.onchip) if b.ty.storage_scope != VAR}
    found: dict[Any, Any] = {}
    grown = True
    while grown:
        grown = False
        for stmt in given:
            target = stmt.var if isinstance(stmt, tirx.Bind) else stmt.buffer
            if target not in found and _is_computed(stmt.value, kernel, found):
                found[target] = _block(target.name, names)
                grown = True
    if not found:
        return func
    return with_body(func, _replaced(kernel.body, found))


def _is_number(stmt: Any) -> bool:
    """Whether a statement gives a float32 scalar or name a value."""
    if isinstance(stmt, tirx.Bind):
        return str(stmt.value.ty.dtype) == REAL
    return (isinstance(stmt, tirx.BufferStore) and stmt.buffer.ty.storage_scope == VAR
            and dtype_of(stmt.buffer) == REAL)  # fmt: skip


def _is_computed(value: Any, kernel: Kernel, found: dict[Any, Any]) -> bool:
    """Whether a value is made of blocks, directly or by what was found to be."""
    blocks = {b for b in kernel.onchip if b.ty.storage_scope != VAR}
    used: list[Any] = [load.source for load in loads_of(value)]
    structural_walk(value, [(tvm.ir.Var, used.append)])
    return any(v in blocks or v in found for v in used)


def _block(name: str, names: set[str]) -> Any:
    while name in names:
        name += "_"
    names.add(name)
    return tirx.decl_buffer([1], REAL, name=name, scope=FRAGMENT)


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
