"""Other variables for a kernel's tensors: of another element type, or with other dimensions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tvm
from tvm import tirx
from tvm.ir import TensorLoad, TensorRegion

from harness.language.walks import structural_map

Indices = Callable[[Sequence[Any]], list[Any]]


def with_tensors(
    func: tirx.PrimFunc, new: Mapping[Any, Any], moved: Mapping[Any, Indices] | None = None
) -> tirx.PrimFunc:
    """``func`` with some tensors or blocks replaced, and their indices where ``moved`` says how.

    Args:
        func: the kernel.
        new: the variable that takes a tensor's or block's place.
        moved: for one of them, its new indices (or ranges of a region).
    """
    moved = moved or {}

    def indices(buffer: Any, given: Sequence[Any]) -> list[Any]:
        return moved[buffer](list(given)) if buffer in moved else list(given)

    def region(node: TensorRegion) -> TensorRegion:
        if node.source not in new:
            return node
        ranges = indices(node.source, node.region)
        return TensorRegion(new[node.source], ranges, node.ty, node.span)

    def load(node: TensorLoad) -> TensorLoad:
        if node.source not in new:
            return node
        where, source = indices(node.source, node.indices), new[node.source]
        element = tirx.BufferLoad(source, where, span=node.span)
        same = source.ty.dtype == node.source.ty.dtype
        return element if same else tirx.Cast(str(node.ty.dtype), element, node.span)

    def store(node: tirx.BufferStore) -> tirx.BufferStore:
        if node.buffer not in new:
            return node
        where = indices(node.buffer, node.indices)
        return tirx.BufferStore(new[node.buffer], node.value, where, span=node.span)

    def allocation(node: tirx.AllocBuffer) -> tirx.AllocBuffer:
        buffer = new.get(node.buffer, node.buffer)
        return tirx.AllocBuffer(buffer, node.annotations, node.span)

    callbacks = [(TensorRegion, region), (TensorLoad, load), (tirx.BufferStore, store),
                 (tirx.AllocBuffer, allocation)]  # fmt: skip
    body = structural_map(func.body, callbacks, order="post")
    params = [new.get(p, p) for p in func.params]
    return tirx.PrimFunc(params, body, func.ret_type, attrs=func.attrs, span=func.span)


def like(param: Any, shape: Sequence[Any], dtype: str) -> tvm.ir.Var:
    """A tensor variable of a parameter's name."""
    return tirx.decl_buffer(list(shape), dtype, name=param.name, scope=param.ty.storage_scope)
