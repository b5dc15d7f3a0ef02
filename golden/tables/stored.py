"""Stores whose places memory decides: which they are, and where they go."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from tvm import tirx

from golden.errors import GoldenError
from golden.interpret import tree
from golden.interpret.access import check_stored
from golden.interpret.expressions import Evaluator
from golden.interpret.space import Space
from golden.named import Named, loads_behind, told
from golden.source import COPY, BufferInfo, Kernel, calls, mentions, statements

_PARALLEL: Final = (1, 2)


class Stored:
    """The places of stores that memory decides, of one walk through a kernel."""

    def __init__(self) -> None:
        self.found: dict[BufferInfo, list[Any]] = {}

    def store(self, stmt: tree.Store, space: Space) -> None:
        """Note where a store goes.

        Raises:
            GoldenError: outside its tensor.
        """
        evaluator, sizes = Evaluator(space), stmt.buffer.shape
        indices = [np.broadcast_to(evaluator.place(i), space.shape) for i in stmt.indices]
        kept = np.ones(space.shape, bool) if space.mask is None else np.broadcast_to(
            space.mask, space.shape)  # fmt: skip
        for is_told, index, size in zip(stmt.told, indices, sizes, strict=True):
            if is_told:
                check_stored(index, size, space, stmt)
            kept = kept & (index >= 0) & (index < size)
        self._add(stmt.buffer, [index[kept] for index in indices], sizes)

    def copied(self, stmt: tree.TileOp, space: Space) -> None:
        """Note where a copy goes, row by row, if memory decides that."""
        if not any(stmt.told):
            return
        region = stmt.args[1]
        sizes = region.buffer.shape
        extents = [extent or 1 for extent in region.extents]
        extents[-1] = extents[-1] if stmt.told[-1] else 1
        lanes = np.arange(len(space.chunk.active)).reshape(-1, *(1,) * len(extents))
        offsets = np.indices(extents, sparse=True)
        places = []
        for start, offset in zip(region.starts, offsets, strict=True):
            value = np.asarray(Evaluator(space).integer(start))
            value = value.reshape(-1, *(1,) * len(extents)) if value.ndim else value
            places.append(value + offset + lanes * 0)
        rows = np.broadcast_arrays(*places)
        kept = np.logical_and.reduce([(p >= 0) & (p < n) for p, n in zip(rows, sizes, strict=True)])
        self._add(region.buffer, [p[kept] for p in rows], sizes)

    def _add(self, tensor: BufferInfo, places: list[Any], sizes: tuple[int, ...]) -> None:
        flat = np.zeros(places[0].shape, np.int64)
        for place, size in zip(places, sizes, strict=True):
            flat = flat * size + place
        self.found.setdefault(tensor, []).append(flat.ravel())

    def count(self) -> int:
        """How many places are stored.

        Raises:
            GoldenError: one of them twice.
        """
        total = 0
        for tensor, parts in self.found.items():
            every = np.concatenate(parts)
            if len(np.unique(every)) < len(every):
                raise GoldenError(f"an element of {tensor.name} is stored twice", code="SourceRace")
            total += len(every)
        return total


def matters(loop: tree.Loop) -> bool:
    """Whether more than the place in a row depends on a loop of T.Parallel."""
    exprs: list[tree.Expr] = []
    for stmt in tree.below(loop):
        if isinstance(stmt, tree.If):
            exprs.append(stmt.condition)
        elif isinstance(stmt, tree.Store) and stmt.scatters:
            exprs += [*stmt.indices[:-1], *(stmt.indices[-1:] if stmt.told[-1] else ())]
    return any(mentions(expr.origin, [loop.var]) for expr in exprs)


def told_outputs(kernel: Kernel) -> set[str]:
    """Names of outputs of which memory decides what is stored."""
    names, tensors = kernel.names, {info.var for info in kernel.tensors}
    found = [(s.buffer, s.indices) for s in statements(kernel.body)
             if isinstance(s, tirx.BufferStore)]  # fmt: skip
    for call in calls(kernel.body, COPY):
        region = call.args[1]
        found.append((region.source, [part.min for part in region.region]))
    return {str(tensor.name) for tensor, places in found
            if tensor in tensors and any(told(i, names) for i in places)}  # fmt: skip


def placing(body: Any, names: Named) -> dict[str, bool]:
    """Tensors that say where stores go, or whether; and whether each row asks for itself."""
    out: dict[str, bool] = {}
    for nest in statements(body):
        if not isinstance(nest, tirx.For) or int(nest.kind) not in _PARALLEL:
            continue
        stores = [s for s in statements(nest) if isinstance(s, tirx.BufferStore)
                  and any(told(i, names) for i in s.indices)
                  and str(s.buffer.ty.storage_scope) in ("", "global")]  # fmt: skip
        tests = [s.condition for s in statements(nest) if isinstance(s, tirx.IfThenElse)]
        loops = [s.loop_var for s in statements(nest) if isinstance(s, tirx.For)]
        for expr in (*(i for s in stores for i in s.indices), *(tests if stores else ())):
            _ask(expr, names, loops, out)
    for call in calls(body, COPY):
        tensor = str(call.args[1].source.ty.storage_scope) in ("", "global")
        for part in call.args[1].region if tensor else ():
            _ask(part.min, names, [], out)
    return out


def _ask(expr: Any, names: Named, loops: list[Any], out: dict[str, bool]) -> None:
    for load in loads_behind(expr, names):
        if str(load.source.ty.storage_scope) in ("", "global"):
            own = any(mentions(index, loops) for index in load.indices)
            name = str(load.source.name)
            out[name] = out.get(name, False) or own
