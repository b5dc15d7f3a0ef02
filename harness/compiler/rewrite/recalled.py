"""On-chip lists of what a tensor of indices holds, asked of the tensor itself.

``for v in T.serial(n): wanted[v] = mask[b, v]``, or a T.copy, before ``if wanted[k]:``. Threads
load indices from rows of tensors, and from no blocks that compute makes; so every use of such a
list becomes a use of what it was set to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tvm import tirx
from tvm.ir import Call, TensorLoad, TensorRegion

from harness.compiler.facts.accesses import loads_of
from harness.compiler.facts.affine import mentions
from harness.compiler.facts.kernel import Kernel, read_kernel, with_body
from harness.compiler.facts.lookups import decisions
from harness.compiler.facts.statements import over_children, statements
from harness.compiler.tt_ops import seq
from harness.language.blockformats import dtype_of
from harness.language.ops import COPY
from harness.language.regions import constant
from harness.language.tensors import VAR
from harness.language.walks import replaced, structural_map, structural_walk


@dataclass(frozen=True)
class _Set:
    """A list and what its element at ``places`` is set to, by a statement."""

    block: Any
    places: tuple[Any, ...]
    value: Any
    stmt: Any

    def at(self, load: TensorLoad) -> Any:
        """What an element is."""
        values = dict(zip(self.places, load.indices, strict=True))
        return replaced(self.value, values)


def recalled(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function without on-chip lists that decide or place something."""
    kernel = read_kernel(func)
    asked = {load.source for load, _ in decisions(kernel)} | _placing(kernel.body)
    lists = [b for b in kernel.onchip if b in asked and b.ty.storage_scope != VAR]
    found = [one for one in map(_List(kernel).set_once, lists) if one is not None]
    return with_body(func, _without(kernel.body, found)) if found else func


class _List:
    """Looks for lists in one kernel."""

    def __init__(self, kernel: Kernel) -> None:
        """``kernel`` is as its author wrote it."""
        self.kernel = kernel
        self.written = set(_written(kernel.body))

    def set_once(self, block: Any) -> _Set | None:
        """What sets a block, if one loop or copy does, in any case, from tensors, before uses."""
        touching = _touching(self.kernel.body, block)
        if not touching:
            return None
        found = self._by_loop(touching[0], block) or self._by_copy(touching[0], block)
        again = block in set().union(*(_written(s) for s in touching[1:]))
        if found is None or again or any(_uses_whole(s, block) for s in touching[1:]):
            return None
        read = loads_of(found.value)
        steady = all(r.source in self.kernel.params and r.source not in self.written for r in read)
        return found if read and steady else None

    @staticmethod
    def _by_loop(stmt: Any, block: Any) -> _Set | None:
        places: dict[Any, Any] = {}
        inner = stmt
        while isinstance(inner, tirx.For) and constant(inner.min) == 0:
            places[inner.loop_var] = inner.extent
            inner = inner.body
        if not isinstance(inner, tirx.BufferStore) or not inner.buffer.same_as(block):
            return None
        indices = tuple(inner.indices)
        whole = len(indices) == len(places) and all(
            i in places and constant(places[i]) == constant(size)
            for i, size in zip(indices, block.ty.shape, strict=True)
        )
        return _Set(block, indices, inner.value, stmt) if whole else None

    @staticmethod
    def _by_copy(stmt: Any, block: Any) -> _Set | None:
        call = stmt.value if isinstance(stmt, tirx.Evaluate) else None
        if not isinstance(call, Call) or call.op.name != COPY:
            return None
        source, target = call.args
        moved = [r for r in source.region[:] if constant(r.extent) != 1]
        sizes = [constant(size) for size in block.ty.shape]
        inside = all(
            constant(r.min + r.extent) is None or constant(r.min + r.extent) <= size
            for r, size in zip(source.region, source.source.ty.shape, strict=True)
        )
        if (
            not target.source.same_as(block)
            or [constant(r.extent) for r in target.region[:]] != sizes
            or [constant(r.extent) for r in moved] != sizes
            or not inside
            or dtype_of(source.source) != dtype_of(block)
        ):  # fmt: skip
            return None
        places = [tirx.Var(f"at_{k}", "int32") for k in range(len(moved))]
        left = iter(places)
        indices = [
            r.min + next(left) if constant(r.extent) != 1 else r.min for r in source.region[:]
        ]
        return _Set(block, tuple(places), tirx.BufferLoad(source.source, indices), stmt)


def _touching(body: Any, block: Any) -> list[Any]:
    """The steps that use a block, of the innermost statements that hold all of its uses."""
    found = [s for s in _steps(body) if not _allocates(s) and mentions(s, [block])]
    if len(found) == 1 and isinstance(found[0], tirx.For):
        inner = _touching(found[0].body, block)
        return inner if len(inner) > 1 else found
    return found


def _placing(body: Any) -> set[Any]:
    """What indices and starts of regions are read from, and whole numbers that have names."""
    found: set[Any] = set()

    def places(*exprs: Any) -> None:
        found.update(load.source for load in loads_of(*exprs))

    structural_walk(body, [
        (TensorLoad, lambda load: places(*load.indices)),
        (TensorRegion, lambda region: places(*(r.min for r in region.region))),
        (tirx.BufferStore, lambda store: places(*store.indices)),
        (tirx.Bind, lambda name: places(name.value) if dtype_of(name.value) == "int32" else None),
    ])  # fmt: skip
    return found


def _written(body: Any) -> Iterator[Any]:
    """What statements store to: tile ops to the last region they take."""
    for stmt in statements(body):
        if isinstance(stmt, tirx.BufferStore):
            yield stmt.buffer
        elif isinstance(stmt, tirx.Evaluate) and isinstance(stmt.value, Call):
            yield from [a.source for a in stmt.value.args if isinstance(a, TensorRegion)][-1:]


def _uses_whole(stmt: Any, block: Any) -> bool:
    """Whether a tile op below takes regions of a block."""
    regions: list[TensorRegion] = []
    structural_walk(stmt, [(TensorRegion, regions.append)])
    return any(r.source.same_as(block) for r in regions)


def _without(body: Any, found: list[_Set]) -> Any:
    """A body without the lists: neither made, nor set, nor read."""
    known = {one.block: one for one in found}

    def gone(stmt: Any) -> bool:
        return any(stmt.same_as(one.stmt) for one in found) or (
            _allocates(stmt) and stmt.buffer in known
        )

    def kept(stmt: Any) -> Any:
        if isinstance(stmt, tirx.SeqStmt):
            return seq([kept(s) for s in stmt.seq if not gone(s)])
        return over_children(stmt, kept)

    def element(load: TensorLoad) -> Any:
        one = known.get(load.source)
        return load if one is None else one.at(load)

    return structural_map(kept(body), [(TensorLoad, element)], order="post")


def _steps(body: Any) -> Iterator[Any]:
    yield from body.seq if isinstance(body, tirx.SeqStmt) else (body,)


def _allocates(stmt: Any) -> bool:
    return isinstance(stmt, tirx.AllocBuffer)
