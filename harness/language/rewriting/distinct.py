"""Blocks of one name, or of none, given names of their own.

A macro that allocates gives every expansion a block of the same name, and so does a body that is
written twice; blocks made in a list have none. Which block is meant never depends on its name.
"""

from __future__ import annotations

from typing import Any

from tvm import tirx

from harness.language.walks import on_buffers, structural_map, structural_walk


def named_apart(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with no two blocks of one name."""
    blocks: list[Any] = []
    structural_walk(func.body, [(tirx.AllocBuffer, lambda n: blocks.append(n.buffer))], order="pre")
    taken = {str(param.name) for param in func.params}
    new: dict[Any, Any] = {}
    for block in blocks:
        name = stem = str(block.name) or "block"
        number = 0
        while name in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(name)
        if name != block.name:
            new[block] = tirx.decl_buffer(block.ty.shape, str(block.ty.dtype), name=name,
                                          scope=block.ty.storage_scope)  # fmt: skip
    return _renamed(func, new) if new else func


def _renamed(func: tirx.PrimFunc, new: dict[Any, Any]) -> tirx.PrimFunc:
    def of(block: Any) -> Any:
        return new.get(block, block)

    def allocated(node: tirx.AllocBuffer) -> tirx.AllocBuffer:
        return tirx.AllocBuffer(of(node.buffer), node.annotations, node.span)

    callbacks = [*on_buffers(of), (tirx.AllocBuffer, allocated)]
    body = structural_map(func.body, callbacks, order="post")
    return tirx.PrimFunc(func.params, body, func.ret_type, attrs=func.attrs, span=func.span)
