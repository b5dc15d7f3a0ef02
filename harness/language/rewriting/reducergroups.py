"""Reducers of groups: ``acc[i, j // 4] += x[i, j]`` in T.Parallel.

A loop whose quotient says which element of a reducer is given a value is two loops, one over groups
and one within them: ``acc[i, g] += x[i, g * 4 + k]``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tvm
from tvm import tirx
from tvm.ir import TensorLoad

from harness.language.regions import constant
from harness.language.walks import structural_map, structural_walk


def grouped(
    loops: Sequence[tirx.For], body: Any, reducers: Mapping[Any, str]
) -> tuple[list[tirx.For], Any]:
    """The loops of a nest and what is in it, with loops over groups as two."""
    sizes: dict[Any, int] = {}
    ours = {loop.loop_var: constant(loop.extent) or 0 for loop in loops}

    def seen(source: Any, indices: Sequence[Any]) -> None:
        for index in indices if source in reducers else ():
            if isinstance(index, tirx.FloorDiv) and index.a in ours:
                size = constant(index.b) or 1
                if size > 1 and ours[index.a] % size == 0:
                    sizes.setdefault(index.a, size)

    structural_walk(body, [
        (tirx.BufferStore, lambda store: seen(store.buffer, store.indices[:])),
        (TensorLoad, lambda load: seen(load.source, load.indices[:])),
    ])  # fmt: skip
    if not sizes:
        return list(loops), body
    pairs = {var: (tirx.Var(f"{var.name}_group", "int32"), tirx.Var(str(var.name), "int32"))
             for var in sizes}  # fmt: skip

    def part(node: Any, which: int) -> Any:
        whole = node.a in sizes and constant(node.b) == sizes[node.a]
        return pairs[node.a][which] if whole else node

    def both(var: Any) -> Any:
        return pairs[var][0] * sizes[var] + pairs[var][1] if var in sizes else var

    parts = [(tirx.FloorDiv, lambda node: part(node, 0)),
             (tirx.FloorMod, lambda node: part(node, 1))]  # fmt: skip
    body = structural_map(structural_map(body, parts, order="pre"), [(tvm.ir.Var, both)])
    made: list[tirx.For] = []
    for loop in loops:
        if loop.loop_var not in sizes:
            made.append(loop)
            continue
        size = sizes[loop.loop_var]
        extents = (ours[loop.loop_var] // size, size)
        made += [tirx.For(var, 0, extent, loop.kind, loop.body, span=loop.span)
                 for var, extent in zip(pairs[loop.loop_var], extents, strict=True)]  # fmt: skip
    return made, body
