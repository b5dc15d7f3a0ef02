"""Indices that count from the end: ``a[i, -1]`` is the last element, as in Python.

TileLang reads them so. A region that begins before its buffer and reaches into it stays, and so
does one that no element from the end begins: what a copy finds outside is zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tvm
from tvm import tirx
from tvm.ir import TensorLoad, TensorRegion

from harness.errors import LanguageError
from harness.language.parsing.spans import location
from harness.language.regions import constant
from harness.language.walks import structural_map


def counted_from_end(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with such indices counted from the beginning.

    Raises:
        LanguageError: an element that lies before the beginning, at its line.
    """
    wrong: list[tuple[Any, int, int, Any]] = []  # what structural_map is left by loses its type
    changed: list[Any] = []

    def begin(buffer: Any, dim: int, index: Any, extent: int, node: Any) -> Any:
        at = constant(index)
        if at is None or at + extent > 0 or at >= 0:
            return index
        size = constant(buffer.ty.shape[dim])
        if size is None:
            return index
        if at + size < 0:
            if not isinstance(node, TensorRegion):
                wrong.append((buffer, at, size, node))
            return index
        changed.append(node)
        return tirx.const(at + size, "int32")

    def elements(buffer: Any, indices: Sequence[Any], node: Any) -> list[Any]:
        return [begin(buffer, dim, index, 1, node) for dim, index in enumerate(indices)]

    def load(node: TensorLoad) -> Any:
        where = elements(node.source, node.indices, node)
        return tirx.BufferLoad(node.source, where, span=node.span)

    def store(node: tirx.BufferStore) -> Any:
        where = elements(node.buffer, node.indices, node)
        return tirx.BufferStore(node.buffer, node.value, where, span=node.span)

    def region(node: TensorRegion) -> Any:
        ranges = [
            tvm.ir.Range.from_min_extent(begin(node.source, dim, r.min, size, node), r.extent)
            if (size := constant(r.extent)) is not None else r
            for dim, r in enumerate(node.region)
        ]  # fmt: skip
        return TensorRegion(node.source, ranges, node.ty, node.span)

    callbacks = [(TensorLoad, load), (tirx.BufferStore, store), (TensorRegion, region)]
    body = structural_map(func.body, callbacks, order="post")
    if wrong:
        buffer, at, size, node = wrong[0]
        raise LanguageError(f"index {at} of {buffer.name!r}, which has {size} there",
                            code="OutOfBounds", location=location(node),
                            next_step=f"count from -{size} to {size - 1}")  # fmt: skip
    if not changed:
        return func
    return tirx.PrimFunc(func.params, body, func.ret_type, attrs=func.attrs, span=func.span)
