"""Loops of extent 1 in T.Parallel beside two others: 0 stands for their variables.

Blocks are rows and columns of tiles, with planes before them. ``T.Parallel(32, 1, 64)`` is written
for tensors of (rows, heads, columns), one head at a time.
"""

from __future__ import annotations

from typing import Any, Final

from tvm import tirx

from harness.language.nests import parallel_nest
from harness.language.regions import constant
from harness.language.walks import replaced, structural_map

_KEPT: Final = 2
"""Loops that stay, whatever their extents."""


def without_unit_loops(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with no loop of extent 1 in a T.Parallel of more than two."""
    body = structural_map(func.body, [(tirx.For, _trimmed)], order="pre")
    if body.same_as(func.body):
        return func
    return tirx.PrimFunc(func.params, body, func.ret_type, attrs=func.attrs, span=func.span)


def _trimmed(loop: tirx.For) -> Any:
    nest, body = parallel_nest(loop)
    units = [one for one in nest if constant(one.extent) == 1 and constant(one.min) == 0]
    units = units[: max(len(nest) - _KEPT, 0)]
    if not units:
        return loop
    zero = dict.fromkeys((one.loop_var for one in units), tirx.const(0, "int32"))
    body = replaced(body, zero)
    for one in reversed(nest):
        if one.loop_var not in zero:
            body = tirx.For(one.loop_var, one.min, one.extent, one.kind, body,
                            annotations=one.annotations, span=one.span)  # fmt: skip
    return body
