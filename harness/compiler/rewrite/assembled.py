"""Stores to every other element of a tensor, put together in a block on chip.

``Y[i, 2 * j] = a`` and ``Y[i, 2 * j + 1] = b``, in one T.Parallel nest or in several one after
another, are stores to a block and a T.copy of it: nothing writes single elements to device memory.
Together they have to store all of a box.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tvm
from tvm import tirx
from tvm.ir import Call, TensorRegion
from tvm.tirx.stmt import BufferRegionType

from harness.compiler.block.reading.held import WHOLES
from harness.compiler.diagnostics import refuse
from harness.compiler.facts.accesses import accesses
from harness.compiler.facts.affine import Bounds, block_ranges, mentions
from harness.compiler.facts.kernel import Kernel, read_kernel, with_body
from harness.compiler.facts.statements import over_children
from harness.compiler.facts.values import value_of
from harness.compiler.tt_ops import seq
from harness.language.blockformats import dtype_of
from harness.language.nests import is_parallel, parallel_nest
from harness.language.ops import COPY, FILL
from harness.language.regions import constant
from harness.language.tensors import SHARED
from harness.language.walks import replaced, structural_map

_LOOPS: Final = 2
"""Loops over a matrix."""
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Strided:
    """A store whose places are no part of a tensor: where the first is, and all from there."""

    node: tirx.BufferStore
    bases: tuple[Any, ...]
    numbers: tuple[Numbers, ...]


def assembled(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function without stores of elements that do not lie side by side.

    Raises:
        CompileError: such stores that leave out elements between, or meet.
    """
    kernel = read_kernel(func)
    work = _Assembly(kernel)
    body = work.statement(kernel.body, tuple(block_ranges(kernel)))
    return with_body(func, seq([*work.allocated, body])) if work.allocated else func


class _Assembly:
    """Rewrites one kernel; ``allocated`` are the blocks it needs."""

    def __init__(self, kernel: Kernel) -> None:
        self.params = set(kernel.params)
        self.names = {b.name for b in (*kernel.params, *kernel.onchip)}
        self.allocated: list[Any] = []

    def statement(self, stmt: Any, ranges: tuple[Bounds, ...]) -> Any:
        if isinstance(stmt, tirx.SeqStmt):
            return self.sequence(list(stmt.seq), ranges)
        if is_parallel(stmt):
            return self.sequence([stmt], ranges)
        if isinstance(stmt, tirx.For):
            ranges = (*ranges, (stmt.loop_var, stmt.min, stmt.extent))
        return over_children(stmt, lambda child: self.statement(child, ranges))

    def sequence(self, stmts: list[Any], ranges: tuple[Bounds, ...]) -> Any:
        """Statements; nests that store to one tensor, one after another, are taken together."""
        out: list[Any] = []
        while stmts:
            run = stmts[: _nests_first(stmts)]
            if not run:
                out.append(self.statement(stmts.pop(0), ranges))
                continue
            del stmts[: len(run)]
            found = [(s, _strided(s, self.params, ranges)) for s in run]
            targets = list(dict.fromkeys(one.node.buffer for _, stores in found for one in stores))
            copies: list[Any] = []
            before: list[Any] = []
            for target in targets:
                mine = [one for _, stores in found for one in stores if one.node.buffer is target
                        or one.node.buffer.same_as(target)]  # fmt: skip
                if any(a.buffer.same_as(target) for s in run for a in accesses(s) if not a.write):
                    break
                swapped, clear, copy = self.together(mine, ranges)
                before.append(clear)
                run = [structural_map(s, [(tirx.BufferStore, swapped)]) for s in run]
                copies.append(copy)
            out += [*before, *run, *copies]
        return out[0] if len(out) == 1 else tirx.SeqStmt(out)

    def together(
        self, stores: Sequence[_Strided], ranges: tuple[Bounds, ...]
    ) -> tuple[Any, Any, Any]:  # fmt: skip
        """What makes the stores go to a block, what is done to it first, and the copy of it."""
        node = stores[0].node
        if dtype_of(node.buffer) in WHOLES:
            refuse(f"stores to elements of {node.buffer.name!r} of {dtype_of(node.buffer)} that do"
                   " not lie side by side", node=node, code="UnsupportedIndex",
                   next_step="store whole numbers in order, or real numbers, which may be"
                   " moved")  # fmt: skip
        analyzer = _analyzer(ranges)
        rank = len(node.indices)
        origin, places = stores[0].bases, []
        for one in stores:
            offsets = [constant(analyzer.simplify(b - o))
                       for b, o in zip(one.bases, origin, strict=True)]  # fmt: skip
            if None in offsets:
                refuse(f"stores to elements of {node.buffer.name!r} that do not lie side by side"
                       " begin at places that are not a fixed way apart", node=one.node,
                       code="UnsupportedIndex", next_step="store to an on-chip block, and T.copy"
                       " that")  # fmt: skip
            places.append([n + (o or 0) for n, o in zip(one.numbers, offsets, strict=True)])
        low = [min(int(p[d].min()) for p in places) for d in range(rank)]
        extents = [max(int(p[d].max()) for p in places) - low[d] + 1 for d in range(rank)]
        self._filled(node, places, low, extents)
        dims = _matrix(extents)
        block = self._block(node, [extents[d] for d in dims])
        starts = [analyzer.simplify(o + first) for o, first in zip(origin, low, strict=True)]

        def swapped(stmt: tirx.BufferStore) -> tirx.BufferStore:
            if not any(stmt.same_as(one.node) for one in stores):
                return stmt
            indices = [analyzer.simplify(stmt.indices[d] - starts[d]) for d in dims]
            return tirx.BufferStore(block, stmt.value, indices, span=stmt.span)

        kind = BufferRegionType()
        source = TensorRegion(block, [tvm.ir.Range(0, extents[d]) for d in dims], kind)
        target = TensorRegion(node.buffer, [tvm.ir.Range.from_min_extent(s, e) for s, e in
                                            zip(starts, extents, strict=True)], kind)  # fmt: skip
        copy = Call(COPY, [source, target], ret_ty="void", span=node.span)
        # Blocks may be done in turn, none of which may find what another left.
        zero = tirx.const(0, dtype_of(node.buffer))
        fill = Call(FILL, [source, zero], ret_ty="void", span=node.span)
        fill, copy = (tirx.Evaluate(call, span=node.span) for call in (fill, copy))
        return swapped, fill, copy

    @staticmethod
    def _filled(node: Any, places: list[list[Numbers]], low: list[int], extents: list[int]) -> None:
        """Refuse stores that leave out elements of their box, or store one twice."""
        if sum(e != 1 for e in extents) > _LOOPS:
            refuse(f"stores to elements of {node.buffer.name!r} that do not lie side by side, in"
                   " several planes", node=node, code="UnsupportedIndex",
                   next_step="store plane by plane")  # fmt: skip
        count = np.zeros(extents, np.int64)
        for place in places:
            at = tuple(n - first for n, first in zip(place, low, strict=True))
            np.add.at(count, at, 1)
        if (count > 1).any():
            refuse(f"several places of a T.Parallel store to one element of {node.buffer.name!r}",
                   node=node, code="UnsupportedIndex",
                   next_step="store to each element once")  # fmt: skip
        if not count.all():
            refuse(f"stores to {node.buffer.name!r} leave out elements between theirs, and device"
                   " memory is written in runs", node=node, code="UnsupportedIndex",
                   next_step="store the elements between as well, right before or after: all of"
                   " them go to device memory together")  # fmt: skip

    def _block(self, node: Any, extents: Sequence[int]) -> Any:
        base = name = f"{node.buffer.name}_strided"
        count = 0
        while name in self.names:
            count += 1
            name = f"{base}_{count}"
        self.names.add(name)
        made = tirx.decl_buffer(list(extents), dtype_of(node.buffer), name=name, scope=SHARED)
        self.allocated.append(tirx.AllocBuffer(made, None, node.span))
        return made


def _matrix(extents: Sequence[int]) -> list[int]:
    """The two dimensions a box runs along, the last ones where it has fewer."""
    along = [d for d, extent in enumerate(extents) if extent != 1]
    rest = [d for d in reversed(range(len(extents))) if d not in along]
    return sorted([*along, *rest[: max(min(_LOOPS, len(extents)) - len(along), 0)]])


def _nests_first(stmts: Sequence[Any]) -> int:
    """How many statements are nests before one that is none."""
    return next((n for n, s in enumerate(stmts) if not is_parallel(s)), len(stmts))


def _strided(nest: Any, params: set[Any], ranges: Sequence[Bounds]) -> list[_Strided]:
    """Stores of a nest to tensors, of elements that are counted and do not lie side by side."""
    loops, nest = parallel_nest(nest)
    variables = [loop.loop_var for loop in loops]
    extents = [constant(loop.extent) for loop in loops]
    if None in extents:
        return []
    stores = list(nest.seq) if isinstance(nest, tirx.SeqStmt) else [nest]
    out = []
    for store in stores:
        if not isinstance(store, tirx.BufferStore) or store.buffer not in params:
            continue
        if _is_plain(store.indices, variables):
            continue
        found = list(_places(store.indices, loops, extents, ranges))
        if None not in found:
            bases, numbers = zip(*found, strict=True)
            if len(loops) > _LOOPS and any(plane.any() for plane in numbers[:-_LOOPS]):
                continue  # plane by plane, then
            out.append(_Strided(store, bases, numbers))
    return out


def _is_plain(indices: Sequence[Any], variables: Sequence[Any]) -> bool:
    """Whether each index is a start, or a start and one loop variable of its own."""
    analyzer = tvm.sym.Analyzer()
    used: list[Any] = []
    for index in indices:
        mine = [v for v in variables if mentions(index, [v])]
        if not mine:
            continue
        if len(mine) > 1 or mentions(analyzer.simplify(index - mine[0]), variables):
            return False
        used += mine
    return len({id(v) for v in used}) == len(used)


def _places(
    indices: Sequence[Any], loops: Sequence[tirx.For], extents: Sequence[Any], ranges: Any
) -> Iterator[tuple[Any, Numbers] | None]:  # fmt: skip
    """Of every index where the first place is, and how far the others are from there."""
    analyzer = _analyzer((*ranges, *((lo.loop_var, lo.min, lo.extent) for lo in loops)))
    variables = [loop.loop_var for loop in loops]
    axes = dict(zip(variables, np.ogrid[tuple(slice(e) for e in extents)], strict=True))
    first = {v: tirx.const(0, "int32") for v in variables}
    for index in indices:
        base = analyzer.simplify(replaced(index, first))
        numbers = value_of(analyzer.simplify(index - base), axes)
        if numbers is None:
            yield None
        else:
            yield base, np.broadcast_to(np.asarray(numbers, np.int64), tuple(extents))


def _analyzer(ranges: Sequence[Bounds]) -> Any:
    analyzer = tvm.sym.Analyzer()
    for var, start, extent in ranges:
        analyzer.bind(var, tvm.ir.Range.from_min_extent(start, extent))
    return analyzer
