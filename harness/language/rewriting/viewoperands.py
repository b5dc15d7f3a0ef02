"""Views of other extents as operands of tile ops.

A view's elements lie in other tiles than a block's of its shape. A copy goes plane by plane, and so
does a reduction within planes or groups of columns. For anything else the view becomes a block of
its own: filled before the op where the op reads it, and stored back after where it is written.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain, count
from typing import Any, Final, Protocol

from tvm import tirx
from tvm.ir import Call, Range, TensorRegion

from harness.language.ops import COPY, CUMSUM, FILL, GEMM, REDUCE
from harness.language.regions import constant
from harness.language.walks import structural_map, structural_walk

_READ: Final[Mapping[str, tuple[int, ...]]] = {
    COPY: (0,), FILL: (), GEMM: (0, 1), REDUCE: (0,), CUMSUM: (0,),
}  # fmt: skip
_WRITTEN: Final[Mapping[str, int]] = {COPY: 1, FILL: 0, GEMM: 2, REDUCE: 1, CUMSUM: 1}
_CLEARS: Final[Mapping[str, int]] = {GEMM: 5, REDUCE: 4}
"""Argument that says whether what is written held nothing before."""
_PLANE: Final = 2


class View(Protocol):
    """What is asked of a view: its block, both shapes, and where its elements are."""

    block: Any
    shape: list[int]
    own: list[int]
    regrouped: bool

    def element(self, given: Sequence[Any]) -> list[Any]:
        """The block's indices of an element of the view."""


class _Operands:
    """What becomes of the ops that take views, of which there may be blocks of their own."""

    def __init__(self, views: Mapping[Any, View], names: set[str]) -> None:
        """``views`` of all blocks; ``names`` are taken."""
        self.views = {source: seen for source, seen in views.items() if seen.regrouped}
        self.roots = {source: seen.block for source, seen in views.items()}
        self.names = names
        self.blocks: dict[Any, Any] = {}

    def taken(self, node: tirx.Evaluate) -> Any:
        """The statements for an op; itself where it takes no view, or none can be done."""
        call = node.value
        taken = {n: a.source for n, a in enumerate(getattr(call, "args", ()))
                 if isinstance(a, TensorRegion) and a.source in self.views}  # fmt: skip
        if not taken:
            return node
        if len(taken) == 1 and call.op.name in (COPY, FILL) and self._apart(call):
            at, source = next(iter(taken.items()))
            seen = self.views[source]
            simple = copied(call, at, seen) if call.op.name == COPY else filled(call, seen)
            if simple is not None:
                return simple
        planes = call.op.name == REDUCE and reduced_in_planes(call, self.views)
        planes = planes and self._apart(call)
        if planes:
            taken.pop(0)
        if not all(_is_moved(self.views[source]) for source in taken.values()):
            return node
        blocks = {n: (self.views[source], self.block(source)) for n, source in taken.items()}
        before, made, after = staged(call, blocks)
        op = in_planes(made, self.views) if planes else tirx.Evaluate(made, span=call.span)
        return tirx.SeqStmt([*before, op, *after]) if before or after else op

    def _apart(self, call: Call) -> bool:
        """Whether no two operands are one block: part after part, one would read what is new."""
        sources = [a.source for a in call.args if isinstance(a, TensorRegion)]
        return len({self.roots.get(source, source) for source in sources}) == len(sources)

    def block(self, source: Any) -> Any:
        """A block of a view's shape, in the dtype and scope of the block it is a view of."""
        if source not in self.blocks:
            seen = self.views[source]
            stem = f"{seen.block.name}_as_{'x'.join(map(str, seen.shape))}"
            numbered = chain([stem], (f"{stem}_{k}" for k in count(1)))
            name = next(n for n in numbered if n not in self.names)
            self.names.add(name)
            self.blocks[source] = tirx.decl_buffer(
                seen.shape, str(seen.block.ty.dtype), name=name, scope=seen.block.ty.storage_scope
            )
        return self.blocks[source]

    def allocated(self, seq: tirx.SeqStmt) -> tirx.SeqStmt:
        """A sequence in which blocks are allocated right after those whose elements they take."""
        found: list[Any] = []
        for stmt in seq.seq:
            found.append(stmt)
            if isinstance(stmt, tirx.AllocBuffer):
                found += [tirx.AllocBuffer(block) for source, block in self.blocks.items()
                          if self.views[source].block.same_as(stmt.buffer)]  # fmt: skip
        return seq if len(found) == len(seq.seq) else tirx.SeqStmt(found)


def operands_taken(body: Any, views: Mapping[Any, View], params: Sequence[str]) -> Any:
    """The statements with ops on views as ops on blocks; those that stay cannot be done."""
    if not any(seen.regrouped for seen in views.values()):
        return body
    names = set(params)
    structural_walk(body, [(tirx.AllocBuffer, lambda node: names.add(str(node.buffer.name)))])
    operands = _Operands(views, names)
    body = structural_map(body, [(tirx.Evaluate, operands.taken)], order="post")
    return structural_map(body, [(tirx.SeqStmt, operands.allocated)], order="post")


def groups(fine: Sequence[int], coarse: Sequence[int]) -> list[list[int]] | None:
    """Per dimension of one shape the dimensions of another that it is the product of, in order."""
    found: list[list[int]] = []
    dims = list(range(len(fine)))
    for size in coarse:
        group: list[int] = []
        while dims and math.prod(fine[d] for d in group) < size:
            group.append(dims.pop(0))
        if math.prod(fine[d] for d in group) != size:
            return None
        found.append(group)
    if found:
        found[-1] += dims  # of extent 1
    return found


def reduced_in_planes(call: Call, views: Mapping[Any, View]) -> bool:
    """Whether :func:`in_planes` says how to reduce a view."""
    source, target = call.args[:2]
    seen, dim = views.get(source.source), constant(call.args[3])
    if seen is None or len(target.region) != _PLANE or len(seen.shape) != _PLANE + 1:
        return False
    first, second, third = seen.shape
    columns = dim == _PLANE and seen.own == [first, second * third]
    rows = bool(dim) and seen.own == [first * second, third]
    return [constant(r.extent) for r in source.region] == seen.shape and (columns or rows)


def in_planes(call: Call, views: Mapping[Any, View]) -> tirx.For:
    """A reduction of a view within groups of its block's columns or rows, one after another.

    ``T.reduce(x as (M, G, L), s, dim=2)`` takes ``x[:, g * L : g * L + L]`` for every g.
    """
    source, target = call.args[:2]
    seen = views[source.source]
    first, second, third = seen.shape
    cut = Range.from_min_extent
    group = tirx.Var("group", "int32")
    down, across = target.region[:]
    args = list(call.args)
    if seen.own == [first, second * third]:
        part = [cut(0, first), cut(group * third, third)]
        result, times, axis = [down, cut(across.min + group, 1)], second, 1
    else:
        part = [cut(group * second, second), cut(0, third)]
        result, times, axis = [cut(down.min + group, 1), across], first, constant(args[3]) == _PLANE
    args[0] = TensorRegion(seen.block, part, source.ty)
    args[1] = TensorRegion(target.source, result, target.ty)
    args[3] = tirx.const(int(axis), "int32")
    made = Call(call.op, args, ret_ty="void", span=call.span)
    return _loop(group, times, tirx.Evaluate(made, span=call.span), call.span)


def copied(call: Call, at: int, seen: View) -> Any:
    """A copy of all of a view, or to all of it, plane by plane; None where it has none.

    Where the view's dimensions are parts of its block's, part of it can be copied as well.
    """
    region, other = call.args[at], call.args[1 - at]
    extents = [constant(r.extent) or 0 for r in region.region]
    finer, coarser = groups(seen.shape, seen.own), groups(seen.own, seen.shape)
    mine = [d for d, e in enumerate(extents) if e != 1]
    wide = [d for d, r in enumerate(other.region) if constant(r.extent) != 1]
    if len(mine) != len(wide) or (finer is None and (coarser is None or extents != seen.shape)):
        return None
    cut = Range.from_min_extent
    beside = list(other.region)
    split, sizes = (finer or coarser or [], extents if finer is not None else seen.own)
    step = {d: tirx.Var("plane", "int32") for group in split for d in group[:-1] if sizes[d] != 1}
    if finer is not None:
        starts = [r.min + step[d] if d in step else r.min for d, r in enumerate(region.region)]
        part = [cut(_flat(starts, seen.shape, g), extents[g[-1]] if g else 1) for g in finer]
        for d, w in zip(mine, wide, strict=True):
            if d in step:
                beside[w] = cut(beside[w].min + step[d], 1)
    else:
        part = [cut(step[d], 1) if d in step else cut(0, size) for d, size in enumerate(sizes)]
        first = [step.get(d, tirx.const(0, "int32")) for d in range(len(sizes))]
        for d, w in zip(mine, wide, strict=True):
            beside[w] = cut(beside[w].min + _flat(first, sizes, split[d]), sizes[split[d][-1]])
    args: list[Any] = [None, None]
    args[at] = TensorRegion(seen.block, part, region.ty)
    args[1 - at] = TensorRegion(other.source, beside, other.ty)
    stmt: Any = tirx.Evaluate(Call(call.op, args, ret_ty="void", span=call.span), span=call.span)
    for d, var in reversed(step.items()):
        stmt = _loop(var, sizes[d], stmt, call.span)
    return stmt


def filled(call: Call, seen: View) -> Any:
    """All of a view set to a number: all of its block; None for a part of it."""
    region = call.args[0]
    if [constant(r.extent) for r in region.region] != seen.shape:
        return None
    whole = [Range.from_min_extent(0, size) for size in seen.own]
    args = [TensorRegion(seen.block, whole, region.ty), call.args[1]]
    return tirx.Evaluate(Call(call.op, args, ret_ty="void", span=call.span), span=call.span)


def staged(
    call: Call, blocks: Mapping[int, tuple[View, Any]]
) -> tuple[list[Any], Call, list[Any]]:  # fmt: skip
    """An op on blocks in the place of views, by argument: ``(view, block)``; before it, and after.

    A block takes the view's elements before, and gives them back after.
    """
    name, args = call.op.name, list(call.args)
    before: list[Any] = []
    after: list[Any] = []
    for at, (seen, block) in blocks.items():
        region = args[at]
        whole = [constant(r.extent) for r in region.region] == seen.shape
        written = at == _WRITTEN[name]
        flag = _CLEARS.get(name)
        kept = not whole or (flag is not None and not constant(args[flag]))
        if at in _READ[name] or (written and kept):
            before.append(_moved(seen, block, call.span, back=False))
        if written:
            after.append(_moved(seen, block, call.span, back=True))
        args[at] = TensorRegion(block, region.region, region.ty, region.span)
    return before, Call(call.op, args, ret_ty="void", span=call.span), after


def _is_moved(seen: View) -> bool:
    """Whether a view can be moved to a block of its own and back."""
    if max(len(seen.shape), len(seen.own)) <= _PLANE:
        return True
    return groups(seen.shape, seen.own) is not None or groups(seen.own, seen.shape) is not None


def _moved(seen: View, block: Any, span: Any, *, back: bool) -> Any:
    """T.Parallel over the finer shape: the block takes the view's elements, or gives them back."""
    coarser = groups(seen.own, seen.shape)
    shape = seen.shape if coarser is None else seen.own
    loops = [tirx.Var("i", "int32") for _ in shape]
    finer = groups(seen.shape, seen.own)
    if coarser is not None:
        own: list[Any] = list(loops)
        mine = [_flat(loops, shape, group) for group in coarser]
    elif finer is not None:
        own, mine = [_flat(loops, shape, group) for group in finer], list(loops)
    else:
        own, mine = seen.element(loops), list(loops)
    (target, where), (source, what) = (block, mine), (seen.block, own)
    if back:
        (target, where), (source, what) = (source, what), (target, where)
    stmt: Any = tirx.BufferStore(target, tirx.BufferLoad(source, what, span=span), where, span=span)
    for var, size in zip(reversed(loops), reversed(shape), strict=True):
        stmt = tirx.For(var, 0, size, tirx.ForKind.PARALLEL, stmt, span=span)
    return stmt


def _flat(indices: Sequence[Any], shape: Sequence[int], group: Sequence[int]) -> Any:
    """The index of a dimension that a group of finer ones make."""
    flat: Any = tirx.const(0, "int32")
    for d in group:
        flat = flat * shape[d] + indices[d]
    return flat


def _loop(var: Any, count: Any, body: Any, span: Any) -> tirx.For:
    return tirx.For(var, 0, count, tirx.ForKind.SERIAL, body, span=span)
