"""``T.alloc_reducer``: what iterations of T.Parallel give is summed, or its largest or least kept.

A reducer is a block. What a T.Parallel nest gives it is stored to a block over all loops first, and
that is reduced into it after the nest: ``T.reducer_update(acc[i], x[i, j])`` is
``given[i, j] = x[i, j]`` and ``T.reduce_sum(given, acc, dim=1, clear=False)``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import Call, TensorLoad
from tvm.tirx.script import builder as S

from harness.errors import LanguageError
from harness.language.nests import parallel_nest
from harness.language.ops import copy, fill, reduce, register_op
from harness.language.parsing.spans import location
from harness.language.regions import Region, constant
from harness.language.rewriting.reducergroups import grouped
from harness.language.tensors import FRAGMENT, block_dtype, dims_of
from harness.language.walks import structural_map, structural_walk

_KIND: Final = "tl.reducer"
"""Annotation of an allocation: what the block reduces by."""
_INIT: Final = "tl.reducer_init"
"""``(region[, value])``: the block set to a value, or to what changes nothing."""
_UPDATE: Final = "tl.reducer_update"
"""``(element, value)``: the element takes a value in."""
_NOTHING: Final = {"sum": 0.0, "max": -math.inf, "min": math.inf}
_JOIN: Final = {"sum": tirx.Add, "max": tirx.Max, "min": tirx.Min}

for _name, _doc in ((_INIT, "Set a reducer."), (_UPDATE, "Give a reducer a value.")):
    register_op(_name, _doc)


def alloc_reducer(
    shape: object, dtype: object = "float32", op: str = "sum", replication: object = None,
    **_: object,
) -> Any:  # fmt: skip
    """``T.alloc_reducer(shape, dtype, op)``: a block that iterations are reduced into.

    ``replication``, a matter of GPU threads, has no meaning here.

    Raises:
        LanguageError: an op that is not sum, max or min.
    """
    del replication
    if op not in _NOTHING:
        raise LanguageError(f"T.alloc_reducer op {op!r}",
                            next_step=f"use one of {', '.join(_NOTHING)}")  # fmt: skip
    dims = dims_of(shape, "T.alloc_reducer")
    return S.alloc_buffer(dims, block_dtype(dtype), scope=FRAGMENT, annotations={_KIND: op})


def reducer_init(reducer: Any, value: Any = None) -> Call:
    """``T.reducer_init(reducer)``: set to what changes nothing, or to ``value``."""
    args = [] if value is None else [value if isinstance(value, tvm.ir.Expr) else float(value)]
    return Call(_INIT, [Region.of(reducer, "T.reducer_init reducer").node(), *args], ret_ty="void")


def reducer_update(element: Any, value: Any) -> Call:
    """``T.reducer_update(reducer[i], value)``, in T.Parallel or out of it.

    Raises:
        LanguageError: no element.
    """
    if not isinstance(element, TensorLoad):
        raise LanguageError("T.reducer_update of what is no element",
                            next_step="index the reducer, T.reducer_update(acc[i], x)")  # fmt: skip
    dtype = str(element.source.ty.dtype)
    value = value if isinstance(value, tvm.ir.Expr) else tirx.const(value, dtype)
    if str(value.ty.dtype) != dtype:
        value = tirx.Cast(dtype, value)
    return Call(_UPDATE, [element, value], ret_ty="void")


def finalize_reducer(reducer: Any, result: Any = None) -> Call | None:
    """``T.finalize_reducer(reducer, result)``: what was reduced, in ``result`` too if given."""
    return None if result is None else copy(reducer, result)


def combined(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with what reducers are given reduced by tile ops.

    Raises:
        LanguageError: a block that is no reducer, or elements at places no tile op reduces to.
    """
    kinds: dict[Any, str] = {}
    names = {str(p.name) for p in func.params}
    asked: list[Any] = []

    def allocated(node: tirx.AllocBuffer) -> None:
        names.add(str(node.buffer.name))
        if _KIND in node.annotations:
            kinds[node.buffer] = str(node.annotations[_KIND])

    def called(node: Call) -> None:
        if getattr(node.op, "name", "") in (_INIT, _UPDATE):
            asked.append(node)

    structural_walk(func.body, [(tirx.AllocBuffer, allocated), (Call, called)])
    for call in asked:
        if call.args[0].source not in kinds:
            raise _refused(call, f"{call.args[0].source.name!r} is no reducer",
                           "allocate it by T.alloc_reducer")  # fmt: skip
    if not kinds:
        return func
    problems: list[LanguageError] = []  # raised inside structural_map, they would lose their type
    reading = _Reading(kinds, names, problems)

    def plain(node: tirx.AllocBuffer) -> tirx.AllocBuffer:
        kept = {k: v for k, v in node.annotations.items() if str(k) != _KIND}
        return tirx.AllocBuffer(node.buffer, kept, node.span) if node.buffer in kinds else node

    callbacks = [(tirx.For, reading.loop), (tirx.Evaluate, reading.single),
                 (tirx.AllocBuffer, plain)]  # fmt: skip
    body = structural_map(func.body, callbacks, order="pre")
    if problems:
        raise problems[0]
    return func.with_body(body)


def _refused(node: Any, why: str, instead: str) -> LanguageError:
    return LanguageError(why, location=location(node), next_step=instead)


@dataclass
class _Reading:
    """One function under way."""

    kinds: dict[Any, str]
    names: set[str]
    problems: list[LanguageError]
    found: list[tuple[Any, Any, Sequence[Any]]] = field(default_factory=list)

    def single(self, node: tirx.Evaluate) -> Any:
        """A call of a reducer outside T.Parallel."""
        call = node.value
        name = getattr(getattr(call, "op", None), "name", "")
        if name == _INIT:
            return self._set(call)
        if name == _UPDATE:
            element, value = call.args[:]
            joined = _JOIN[self.kinds[element.source]](element, value)
            return tirx.BufferStore(element.source, joined, element.indices[:], span=call.span)
        return node

    def _set(self, call: Call) -> Any:
        region, *value = call.args[:]
        block = region.source
        if not value or constant(value[0]) is not None or isinstance(value[0], tirx.FloatImm):
            number = value[0] if value else _NOTHING[self.kinds[block]]
            return _at(fill(block, number), call)
        loops = [tirx.Var(f"{block.name}_at", "int32") for _ in block.ty.shape]
        made: Any = tirx.BufferStore(block, value[0], loops, span=call.span)
        return _nest(zip(loops, block.ty.shape, strict=True), made, call.span)

    def loop(self, node: tirx.For) -> Any:
        """A nest, with what it gives reducers before and after it."""
        nest, alone = parallel_nest(node)
        if not nest:
            return node
        loops, inner = grouped(nest, alone, self.kinds)
        before: list[Any] = []
        after: list[Any] = []

        def given(call: Any, element: Any, value: Any) -> Any:
            try:
                return self._given(call, element, value, loops, before, after)
            except LanguageError as error:
                self.problems.append(error)
                return tirx.BufferStore(element.source, value, element.indices[:])

        def updated(stmt: tirx.Evaluate) -> Any:
            call = stmt.value
            ours = getattr(getattr(call, "op", None), "name", "") == _UPDATE
            return given(call, *call.args[:]) if ours else stmt

        def stored(stmt: tirx.BufferStore) -> Any:
            if stmt.buffer not in self.kinds:
                return stmt
            value = _taken(stmt, self.kinds[stmt.buffer])
            if value is None:
                self.problems.append(_refused(
                    stmt, f"reducer {stmt.buffer.name!r} is stored to in T.Parallel",
                    "write T.reducer_update(acc[i], x)"))  # fmt: skip
                return stmt
            return given(stmt, tirx.BufferLoad(stmt.buffer, stmt.indices[:]), value)

        inner = structural_map(
            inner, [(tirx.Evaluate, updated), (tirx.BufferStore, stored)], order="pre"
        )
        if not before and not after and inner.same_as(alone):
            return node
        pairs = [(loop.loop_var, loop.extent) for loop in loops]
        made = [*before, _nest(pairs, inner, node.span), *after]
        return made[0] if len(made) == 1 else tirx.SeqStmt(made)

    def _given(
        self, node: Any, element: Any, value: Any, loops: Sequence[tirx.For], before: list[Any],
        after: list[Any],
    ) -> Any:  # fmt: skip
        """The store that takes the place of an update; what it needs around the nest."""
        block, kind = element.source, self.kinds[element.source]
        variables, indices = [loop.loop_var for loop in loops], element.indices[:]
        along = [next((k for k, v in enumerate(variables) if v.same_as(i)), None) for i in indices]
        for at, index, size in zip(along, indices, block.ty.shape, strict=True):
            whole = at is None or constant(loops[at].extent) == constant(size)
            if not whole or (at is None and constant(index) is None):
                raise _refused(node, f"reducer {block.name!r} is given values at {index}",
                               "index it by loop variables that run over all of it, or by"
                               " numbers")  # fmt: skip
        kept = [at for at in along if at is not None]
        across = [k for k in range(len(loops)) if k not in kept]
        if not across and None not in along:
            return tirx.BufferStore(block, _JOIN[kind](element, value), indices, span=node.span)
        order = list(range(len(loops))) if kept == sorted(kept) else [*kept, *across]
        places = [variables[k] for k in order]
        shape = [constant(loops[k].extent) or 0 for k in order]
        dtype = str(block.ty.dtype)
        tile = source = self._made(f"{block.name}_given", shape, dtype, before)
        before.append(_at(fill(tile, _NOTHING[kind]), node))
        for k in reversed(across):
            dim, last = order.index(k), k == across[0]
            del order[dim], shape[dim]
            target = (_part(block, indices, along) if last
                      else self._made(f"{block.name}_part", shape, dtype, after))  # fmt: skip
            after.append(_at(reduce(source, target, kind, dim, clear=not last), node))
            source = target
        joined = _JOIN[kind](tirx.BufferLoad(tile, places), value)
        return tirx.BufferStore(tile, joined, places, span=node.span)

    def _made(self, stem: str, shape: Sequence[int], dtype: str, where: list[Any]) -> Any:
        name, number = stem, 1
        while name in self.names:
            name, number = f"{stem}_{number}", number + 1
        self.names.add(name)
        buffer = tirx.decl_buffer(list(shape) or [1], dtype, name=name, scope=FRAGMENT)
        where.append(tirx.AllocBuffer(buffer))
        return buffer


def _part(block: Any, indices: Sequence[Any], along: Sequence[int | None]) -> Any:
    """What of a reducer a nest gives values to."""
    starts = [0 if at is not None else constant(i) or 0
              for at, i in zip(along, indices, strict=True)]  # fmt: skip
    extents = [constant(size) or 1 if at is not None else 1
               for at, size in zip(along, block.ty.shape, strict=True)]  # fmt: skip
    return Region(block, tuple(starts), tuple(extents), is_point=False).node()


def _taken(stmt: tirx.BufferStore, kind: str) -> Any | None:
    """What ``acc[i] += x``, ``-= x`` or ``= T.max(acc[i], x)`` gives; None for anything else."""
    value = stmt.value
    if kind == "sum" and isinstance(value, tirx.Sub) and _is_own(stmt, value.a):
        return tirx.const(-1, str(value.ty.dtype)) * value.b
    if not isinstance(value, _JOIN[kind]):
        return None
    if _is_own(stmt, value.a):
        return value.b
    return value.a if _is_own(stmt, value.b) else None


def _is_own(stmt: tirx.BufferStore, expr: Any) -> bool:
    return (isinstance(expr, TensorLoad) and expr.source.same_as(stmt.buffer)
            and tvm_ffi.structural_equal(list(expr.indices), list(stmt.indices)))  # fmt: skip


def _nest(loops: Iterable[tuple[Any, Any]], body: Any, span: Any) -> Any:
    for var, extent in reversed(list(loops)):
        body = tirx.For(var, 0, extent, tirx.ForKind.PARALLEL, body, span=span)
    return body


def _at(call: Call, node: Any) -> tirx.Evaluate:
    """A call, as a statement, where another stands."""
    made = Call(call.op, call.args[:], call.attrs, ret_ty=call.ty, span=node.span)
    return tirx.Evaluate(made, span=node.span)
