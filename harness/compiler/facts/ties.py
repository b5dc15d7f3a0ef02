"""Which dimensions move together: of on-chip buffers, of tensors per access, and loops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import tvm
from tvm import tirx
from tvm.ir import Call, TensorLoad, TensorRegion

from harness.compiler.block.reading.gather import is_gathered
from harness.compiler.diagnostics import refuse
from harness.compiler.facts.accesses import loads
from harness.compiler.facts.affine import affine, mentions
from harness.compiler.facts.kernel import Kernel
from harness.compiler.facts.statements import calls
from harness.language.ops import COPY, CUMSUM, FILL, GEMM, REDUCE
from harness.language.regions import constant
from harness.language.walks import structural_map, structural_walk

_ZERO = tirx.const(0, "int32")
Dim = tuple[Any, Any]
"""(buffer or access key, dimension), or ("loop", variable)."""


@dataclass
class Ties:
    """Union-find over dimensions; ``loops`` are the parallel loop variables met.

    ``summed`` holds the dimensions an op makes one value of, with the op.
    """

    parent: dict[Any, Any] = field(default_factory=dict)
    loops: list[Any] = field(default_factory=list)
    summed: list[tuple[Dim, Call]] = field(default_factory=list)

    def find(self, item: Any) -> Any:
        """The representative of an item."""
        while self.parent.setdefault(item, item) != item:
            item = self.parent[item]
        return item

    def join(self, a: Any, b: Any) -> None:
        """Tie two items."""
        self.parent[self.find(a)] = self.find(b)

    @staticmethod
    def key(region: TensorRegion, dim: int) -> Dim:
        """One dimension of a region; of several ask :meth:`owner` once."""
        return (Ties.owner(region), dim)

    @staticmethod
    def owner(region: TensorRegion) -> Any:
        """Tensors are tied per access: two accesses of one tensor may move differently."""
        source = region.source
        if source.ty.storage_scope in ("", "global"):
            return "@" + source.name + str([str(r.min) for r in region.region[:]])
        return source


@dataclass(frozen=True)
class Place:
    """One dimension of one access to a tensor: where it starts and how much it covers."""

    tensor: Any
    dim: int
    is_tile_dim: bool
    start: Any
    extent: int
    key: Dim
    node: Any

    @property
    def is_element(self) -> bool:
        """Whether it is of a lone element that is read, which is chosen from its tile."""
        return self.extent == 1 and isinstance(self.node, TensorLoad)


def step_of(expr: Any, var: Any) -> int | None:
    """Coefficient of a variable in an index; 0 where absent, None where not affine."""
    if not mentions(expr, [var]) or constant(expr) is not None:
        return 0
    used: list[Any] = []
    structural_walk(expr, [(tvm.ir.Var, used.append)])
    form = affine(expr, list(dict.fromkeys(used)))
    return None if form is None else form.of(var)


@lru_cache(maxsize=8)
def nests(kernel: Kernel) -> tuple[tuple[tirx.BufferStore, Mapping[Any, int]], ...]:
    """Stores inside T.Parallel with the extents of the loops around them."""

    def down(stmt: Any, around: dict[Any, int]) -> Iterator[tuple[Any, dict[Any, int]]]:
        if isinstance(stmt, tirx.For):
            if stmt.kind == tirx.ForKind.PARALLEL:
                around = {**around, stmt.loop_var: constant(stmt.extent) or 0}
            yield from down(stmt.body, around)
        elif isinstance(stmt, tirx.SeqStmt):
            for child in stmt.seq[:]:
                yield from down(child, around)
        elif isinstance(stmt, tirx.IfThenElse):
            yield from down(stmt.then_case, around)
            if stmt.else_case is not None:
                yield from down(stmt.else_case, around)
        elif isinstance(stmt, tirx.BufferStore):
            yield stmt, around

    return tuple(down(kernel.body, {}))


@lru_cache(maxsize=8)
def places(kernel: Kernel) -> tuple[Place, ...]:
    """Every dimension of every tensor access."""
    return tuple(_places(kernel))


def _places(kernel: Kernel) -> Iterator[Place]:
    params = set(kernel.params)
    for call in calls(kernel.body):
        for region in (a for a in call.args[:] if isinstance(a, TensorRegion)):
            if region.source in params:
                ranges, owner = region.region[:], Ties.owner(region)
                for dim, rng in enumerate(ranges):
                    yield Place(region.source, dim, dim >= len(ranges) - 2, rng.min,
                                constant(rng.extent) or 0, (owner, dim), call)  # fmt: skip
    for store, around in nests(kernel):
        for tensor, indices, node in elements(store):
            if tensor not in params or is_gathered(indices, list(around)):
                continue
            owner = f"@{tensor.name}{[str(i) for i in indices]}"
            for dim, index in enumerate(indices):
                moving = [v for v in around if step_of(index, v)]
                extent = around[moving[0]] if len(moving) == 1 else 1
                start = index
                if moving:
                    start = tvm.sym.Analyzer().simplify(index - moving[0])
                tied: Dim = ("loop", moving[0]) if len(moving) == 1 else (owner, dim)
                yield Place(tensor, dim, dim >= len(indices) - 2, start, extent, tied, node)


def elements(store: tirx.BufferStore) -> Iterator[tuple[Any, list[Any], Any]]:
    """Buffer, indices and node of every element a store touches."""
    yield store.buffer, store.indices[:], store
    for access in loads(store.value):
        yield access.buffer, list(access.starts), access.node


def tie(kernel: Kernel, ties: Ties) -> None:
    """Join what every statement moves together.

    Raises:
        CompileError: a tile op whose dimensions are not known to move together.
    """
    for call in calls(kernel.body):
        _tie_op(call, ties)
    onchip = set(kernel.onchip)
    for store, around in nests(kernel):
        for var in around:
            if var not in ties.loops:
                ties.loops.append(var)
        for buffer, indices, _ in elements(store):
            for dim, index in enumerate(indices):
                for var in around:
                    if buffer in onchip and isinstance(index, tvm.ir.Var) and index.same_as(var):
                        ties.join((buffer, dim), ("loop", var))


def _tie_op(call: Call, ties: Ties) -> None:
    name, args = call.op.name, call.args[:]
    if name in (COPY, CUMSUM):
        a, b = args[0], args[1]
        if name == CUMSUM:
            ties.summed.append((ties.key(a, constant(args[2]) or 0), call))
        one, other = ties.owner(a), ties.owner(b)
        for i, j in _aligned(a, b):
            ties.join((one, i), (other, j))
    elif name == GEMM:
        a, b, c = args[:3]
        ta, tb = bool(constant(args[3])), bool(constant(args[4]))
        ra, rb, rc = len(a.region), len(b.region), len(c.region)
        m, k = (ra - 1, ra - 2) if ta else (ra - 2, ra - 1)
        k2, n = (rb - 1, rb - 2) if tb else (rb - 2, rb - 1)
        of_a, of_b, of_c = (ties.owner(x) for x in (a, b, c))
        ties.join((of_a, m), (of_c, rc - 2))
        ties.join((of_b, n), (of_c, rc - 1))
        ties.join((of_a, k), (of_b, k2))
        ties.summed.append(((of_a, k), call))
    elif name == REDUCE:
        src, dst, dim = args[0], args[1], constant(args[3]) or 0
        kept = [i for i in range(len(src.region)) if i != dim]
        taken, put = ties.owner(src), ties.owner(dst)
        ties.summed.append(((taken, dim), call))
        for i, j in zip(reversed(kept), reversed(range(len(dst.region))), strict=False):
            ties.join((taken, i), (put, j))
    elif name != FILL:
        refuse(f"{name} on blocks smaller than a tile", node=call)


def _aligned(a: TensorRegion, b: TensorRegion) -> Iterator[tuple[int, int]]:
    """Dimensions of two regions that a copy moves together, the last first.

    Both have the same extents, other than 1, in the same order.
    """
    i, j = len(a.region) - 1, len(b.region) - 1
    while i >= 0 and j >= 0:
        one, other = constant(a.region[i].extent), constant(b.region[j].extent)
        if one == other:
            yield i, j
        i -= one in (other, 1)
        j -= one == other or one != 1


def indices_of(kernel: Kernel) -> Iterator[tuple[Any, Any]]:
    """Integer expressions inside the values of T.Parallel stores, and bounds of loops."""
    for node in kernel.statements:
        if isinstance(node, tirx.For):
            for bound in (node.min, node.extent):
                if isinstance(bound, tvm.ir.Expr):
                    yield node, bound
    for store, _ in nests(kernel):
        found: list[Any] = []

        def compare(expr: Any, into: list[Any] = found) -> None:
            if "int" in str(expr.a.ty.dtype):
                into.append(expr.a - expr.b)

        kinds = (tirx.LT, tirx.LE, tirx.GT, tirx.GE, tirx.EQ, tirx.NE)
        structural_walk(store.value, [(k, compare) for k in kinds])

        def cast(expr: Any, into: list[Any] = found) -> None:
            if "int" in str(expr.value.ty.dtype):
                into.append(expr.value)

        structural_walk(store.value, [(tirx.Cast, cast)])
        for expr in found:  # what is read there has places of its own
            yield store, structural_map(expr, [(TensorLoad, lambda _: _ZERO)])
