"""Where a vector lives: in the first row or the first column of its tiles.

A 1-D buffer is a row of tiles (``row``) unless something makes it a column (``col``): it receives a
reduction over columns, or it is indexed by the row variable of a two-dimensional loop. Buffers that
meet elementwise, or by copy, share a form. Where both are asked for, the column wins and the
row users go through a transpose. Integers, which the matrix unit does not turn, stay rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import tvm
from tvm import tirx
from tvm.ir import Call

from harness.compiler.facts.accesses import loads
from harness.compiler.facts.affine import mentions
from harness.compiler.facts.kernel import Kernel
from harness.compiler.facts.statements import statements
from harness.language.blockformats import dtype_of
from harness.language.nests import is_parallel, parallel_nest
from harness.language.ops import COPY, CUMSUM, REDUCE
from harness.language.regions import constant
from harness.language.tensors import INTEGERS


@lru_cache(maxsize=8)
def infer_forms(kernel: Kernel) -> Mapping[str, str]:
    """``full``, ``row`` or ``col`` per on-chip buffer."""
    flat = [b for b in kernel.onchip if len(b.ty.shape) == 1]
    vectors = {b.name for b in flat if dtype_of(b) not in INTEGERS}
    parent = {name: name for name in vectors}
    columns: set[str] = set()

    def find(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    for node in kernel.statements:
        if isinstance(node, tirx.Evaluate) and isinstance(node.value, Call):
            args = node.value.args[:]
            if node.value.op.name == REDUCE:
                rank, dim = len(args[0].region), constant(args[3])
                if args[1].source.name in vectors and dim == rank - 1:
                    columns.add(args[1].source.name)
            elif node.value.op.name in (COPY, CUMSUM):
                a, b = args[0].source.name, args[1].source.name
                if a in vectors and b in vectors:
                    parent[find(a)] = find(b)
        elif is_parallel(node):
            _nest(node, vectors, columns, parent, find)
    groups = {find(name) for name in columns}
    found = {b.name: "full" for b in kernel.onchip} | {b.name: "row" for b in flat}
    return found | {name: "col" for name in vectors if find(name) in groups}


def in_order(stmt: tirx.BufferStore, variables: Sequence[Any]) -> list[int]:
    """Loops of T.Parallel in the order in which what is stored runs along them.

    Iterations are independent, so the order of the loops says nothing; that of the target does.
    """
    places = []
    for number, var in enumerate(variables):
        found = [at for at, index in enumerate(stmt.indices) if mentions(index, [var])]
        if len(found) != 1:
            return list(range(len(variables)))
        places.append((found[0], number))
    if len({at for at, _ in places}) < len(places):
        return list(range(len(variables)))
    return [number for _, number in sorted(places)]


def _nest(
    loop: tirx.For, vectors: set[str], columns: set[str], parent: dict[str, str], find: Any
) -> None:
    """Evidence of one T.Parallel nest."""
    loops, body = parallel_nest(loop)
    variables = [one.loop_var for one in loops]
    for stmt in statements(body):
        if not isinstance(stmt, tirx.BufferStore):
            continue
        order = in_order(stmt, variables)
        used = [(stmt.buffer, stmt.indices[:])]
        used += [(a.buffer, list(a.starts)) for a in loads(stmt.value)]
        met = None
        for buffer, indices in used:
            if buffer.name not in vectors or not isinstance(indices[0], tvm.ir.Var):
                continue
            if len(variables) == 1:
                if met is not None:
                    parent[find(buffer.name)] = find(met)
                met = buffer.name
            elif indices[0].same_as(variables[order[-2]]):
                columns.add(buffer.name)
