"""Blocks numbered by hand, as the grid of the places they work at.

``bx = tile // n; by = tile % n``, with ``tile = wave * cores + block`` or the block itself, and
swizzles made of ``//`` and ``%``, number places of a grid that nobody wrote down. Which grid is
found by counting: every index is computed for every block (and wave), and where some of them run
through a box, each of its places once, that box becomes the grid and they its variables. Everything
else that depends on the block must be affine in them, or in quotient and remainder of one of them,
which is checked for every block too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NoReturn

import numpy as np
import tvm
from tvm import tirx
from tvm.ir import TensorLoad

from harness.compiler.block.reading.gather import is_gathered
from harness.compiler.diagnostics import refuse
from harness.compiler.facts.accesses import Access, accesses
from harness.compiler.facts.affine import affine, mentions
from harness.compiler.facts.carried import carried
from harness.compiler.facts.kernel import AXES, Kernel, read_kernel
from harness.compiler.facts.statements import statements
from harness.compiler.facts.values import value_of
from harness.compiler.tt_ops import seq
from harness.language.nests import is_parallel
from harness.language.regions import constant
from harness.language.walks import structural_map, structural_walk
from simulator.plan.work import MAX_BLOCKS

Counted = dict[Any, Any]
"""A column of numbers per variable."""


class NotCounted(Exception):  # noqa: N818  (a question answered, not an error)
    """An expression has more in it than integers and variables of known values."""


@dataclass(frozen=True)
class _Numbered:
    """A kernel taken apart: its work at every place that ``guard`` accepts.

    ``variables`` with their extents number the places; ``before`` is done first at each, ``loop``
    is the loop over waves, if there is one.
    """

    kernel: Kernel
    variables: tuple[tuple[Any, int], ...]
    before: tuple[Any, ...]
    body: Any
    guard: tuple[Any, ...]
    loop: Any | None


def placed(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with the places its blocks work at as grid, where it numbers them by hand.

    Raises:
        CompileError: a loop over places that depend on each other.
    """
    kernel = read_kernel(func)
    work = _numbered(kernel)
    if work is None or math.prod(n for _, n in work.variables) > MAX_BLOCKS:
        return func
    try:
        found = _Places(work).grid()
    except NotCounted:
        return func
    if found is None:
        return func
    if work.loop is not None and (shared := _shared(work)):
        if next(_unread(kernel, [v for v, _ in work.variables]), None) is None:
            return func  # a loop like any other, under a condition that always holds
        _no(*shared)
    axes, body = found
    # A grid has three axes: of more, the shortest are done in turn.
    shortest = sorted(range(len(axes)), key=lambda n: (axes[n][1], -n))
    inner = [axes[n] for n in shortest[: max(len(axes) - len(AXES), 0)]]
    for var, extent in inner:
        body = tirx.For(var, 0, extent, tirx.ForKind.SERIAL, body)
    axes = [axis for axis in axes if axis not in inner]
    for tag, (var, extent) in reversed(list(zip(AXES, axes, strict=False))):
        thread = tirx.IterVar(tvm.ir.Range(0, extent), var, tirx.IterVar.ThreadIndex, tag)
        body = tirx.AttrStmt(thread, "thread_extent", tirx.const(extent, "int32"), body)
    return func.with_body(body)


def _numbered(kernel: Kernel) -> _Numbered | None:
    """The places of a kernel that the pipeline cannot read from its indices as they are."""
    blocks = tuple((v, n) for v, n in zip(kernel.block_vars, kernel.grid, strict=True)
                   if v is not None)  # fmt: skip
    parts = kernel.body.seq[:] if isinstance(kernel.body, tirx.SeqStmt) else [kernel.body]
    last, loop, trips = parts[-1], None, None
    if isinstance(last, tirx.For) and last.kind != tirx.ForKind.PARALLEL:
        trips = constant(last.extent) if constant(last.min) == 0 else None
        loop = None if trips is None else last
    plain = [v for v, _ in blocks]
    if loop is not None and trips is not None:
        guard, body = _guarded(loop.body)
        both = [*plain, loop.loop_var]
        if (any(mentions(g, plain) and mentions(g, both[-1:]) for g in guard)
                or any(mentions(i, both[-1:]) for i in _unread(kernel, both))):  # fmt: skip
            variables = (*blocks, (loop.loop_var, trips))
            return _Numbered(kernel, variables, tuple(parts[:-1]), body, guard, loop)
    if not list(_unread(kernel, plain)):
        return None
    guard, body = _guarded(last)
    return _Numbered(kernel, blocks, tuple(parts[:-1]), body, guard, None)


def _guarded(stmt: Any) -> tuple[tuple[Any, ...], Any]:
    """Conditions around the whole of a statement, and what they guard."""
    guard: list[Any] = []
    while isinstance(stmt, tirx.IfThenElse) and stmt.else_case is None:
        guard.append(stmt.condition)
        stmt = stmt.then_case
    return tuple(guard), stmt


def _unread(kernel: Kernel, variables: Sequence[Any]) -> Iterator[Any]:
    """Indices of tensors that must be affine in some variables, and are not."""
    found = list(_plain(kernel.body))
    written = {a.buffer for a in found if a.write}
    for access in found:
        if access.buffer not in kernel.params:
            continue
        rank = len(access.starts)
        for dim, start in enumerate(access.starts):
            matters = dim >= rank - 2 or access.buffer in written
            if matters and mentions(start, variables):
                known = _without_loads(start)  # what a tensor is asked for numbers no blocks
                if mentions(known, variables) and not _is_affine(known):
                    yield start


def _plain(body: Any) -> Iterator[Access]:
    """Accesses but those of elements at computed places, which any index may be in."""
    parallel = [s.loop_var for s in statements(body)
                if is_parallel(s)]  # fmt: skip
    for access in accesses(body):
        if access.write or not is_gathered(access.starts, parallel):
            yield access


def _without_loads(expr: Any) -> Any:
    """An index with a variable of its own for everything it asks a tensor."""
    return structural_map(
        expr, [(TensorLoad, lambda load: tirx.Var("asked", str(load.ty.dtype)))], order="pre"
    )


def _is_affine(expr: Any) -> bool:
    used: list[Any] = []
    structural_walk(expr, [(tvm.ir.Var, used.append)])
    return affine(expr, list(dict.fromkeys(used))) is not None


class _Places:
    """Every place of a kernel, as columns of numbers per expression."""

    def __init__(self, work: _Numbered) -> None:
        """Counts the places.

        Raises:
            NotCounted: a guard that is not of the places alone.
        """
        self.work = work
        sizes = [n for _, n in reversed(work.variables)]
        # The first variable runs fastest, as block numbers do.
        count = np.arange(math.prod(sizes), dtype=np.int64)
        values: Counted = {}
        for var, size in work.variables:
            values[var] = count % size
            count = count // size
        kept = np.ones(len(count), bool)
        for condition in work.guard:
            kept &= counted(condition, values) != 0
        self.values: Counted = {v: a[kept] for v, a in values.items()}
        self.places = int(kept.sum())

    def grid(self) -> tuple[list[tuple[Any, int]], Any] | None:
        """Variables and extents of the grid, and the body in terms of them; None without one."""
        whole = seq([*self.work.before, self.work.body])
        found = _distinct(self._starts())
        beyond = (4, 5) if self.work.loop is None else ()  # loops are done in turn as they are
        for number in (3, 2, 1, *beyond):
            for axes in combinations(found, number):
                extents = [int(a.max()) + 1 for a in axes]
                if math.prod(extents) != self.places or not _once(axes, extents):
                    continue
                names = [tirx.Var(f"place_{i}", "int32") for i in range(number)]
                body = self._rewritten(whole, names, axes)
                if body is not None:
                    return list(zip(names, extents, strict=True)), body
        return None

    def _starts(self) -> Iterator[Any]:
        """What the places make of every index of a tensor, other variables being 0."""
        for access in _plain(self.work.body):
            if access.buffer in self.work.kernel.params:
                for start in access.starts:
                    if mentions(start, self.values):
                        yield counted(start, _Zeros(self.values))

    def _rewritten(self, body: Any, names: Sequence[Any], axes: Sequence[Any]) -> Any | None:
        """The body with every expression of the place in terms of the axes; None if one is not."""
        affine_in = _Basis([*zip(names, axes, strict=True)])
        missed: list[Any] = []

        def fitted(expr: Any) -> Any:
            if not str(getattr(expr.ty, "dtype", "")).startswith("int") or not _only(
                expr, self.values
            ):
                return expr
            value = np.broadcast_to(counted(expr, self.values), (self.places,))
            made = affine_in.fitted(value)
            if made is None and isinstance(expr, tvm.ir.Var):
                halves = (basis.fitted(value) for basis in _halved(names, axes))
                made = next((m for m in halves if m is not None), None)
                if made is None:
                    missed.append(expr)
            return expr if made is None else made

        new = structural_map(body, [(tvm.ir.Expr, fitted)], order="pre")
        return None if missed else new


class _Basis:
    """Expressions with a column of numbers each, which take 0 and 1 independently."""

    def __init__(self, found: Sequence[tuple[Any, Any]]) -> None:
        """``found`` are the expressions and their columns."""
        self.exprs = [expr for expr, _ in found]
        columns = np.stack([column for _, column in found], axis=1)
        self.matrix = np.concatenate([np.ones((len(columns), 1), np.int64), columns], axis=1)
        self.corners: list[int] = []
        for unit in (np.zeros(len(found)), *np.eye(len(found))):
            hits = np.flatnonzero((columns == unit).all(axis=1))
            self.corners.append(int(hits[0]) if len(hits) else self.corners[0])

    def fitted(self, value: Any) -> Any | None:
        """A column of numbers as a sum of multiples of the expressions, if it is one."""
        base = int(value[self.corners[0]])
        steps = [int(value[c]) - base for c in self.corners[1:]]
        if not np.array_equal(self.matrix @ np.array([base, *steps]), value):
            return None
        out: Any = tirx.const(base, "int32")
        for expr, step in zip(self.exprs, steps, strict=True):
            out = out + expr * step
        return tvm.sym.Analyzer().simplify(out)


def _halved(names: Sequence[Any], axes: Sequence[Any]) -> Iterator[_Basis]:
    """The axes with one of them as quotient and remainder, for every way to divide it evenly."""
    plain = [*zip(names, axes, strict=True)]
    for at, (name, column) in enumerate(plain):
        extent = int(column.max()) + 1
        for divisor in (d for d in range(2, extent) if extent % d == 0):
            number = tirx.const(divisor, "int32")
            yield _Basis([*plain[:at], (tirx.FloorDiv(name, number), column // divisor),
                          (tirx.FloorMod(name, number), column % divisor),
                          *plain[at + 1 :]])  # fmt: skip


class _Zeros(dict[Any, Any]):
    """Values of some variables, 0 for all others."""

    def __contains__(self, key: object) -> bool:
        return isinstance(key, tvm.ir.Var)

    def __missing__(self, key: Any) -> Any:
        return np.int64(0)


def counted(expr: Any, values: Mapping[Any, Any]) -> Any:
    """The values of an expression, one per place.

    Raises:
        NotCounted: it reads memory, or a variable that has no values.
    """
    value = value_of(expr, values)
    if value is None:
        raise NotCounted
    return value


def _distinct(columns: Iterator[Any]) -> list[Any]:
    """Columns counted from 0 in steps of 1, each once, those that change soonest first."""
    found: dict[bytes, Any] = {}
    for column in columns:
        steps = np.asarray(column - column.min()) if np.ndim(column) else np.zeros(1, np.int64)
        step = int(np.gcd.reduce(steps)) if steps.any() else 0
        if step:
            found.setdefault((steps // step).tobytes(), steps // step)
    return sorted(found.values(), key=lambda a: int(np.flatnonzero(a != a[0])[0]))


def _once(axes: Sequence[Any], extents: Sequence[int]) -> bool:
    """Whether the axes take every combination of their values once."""
    number = np.zeros(len(axes[0]), np.int64)
    for axis, extent in zip(axes, extents, strict=True):
        number = number * extent + axis
    return len(np.unique(number)) == len(number)


def _only(expr: Any, variables: Mapping[Any, Any]) -> bool:
    """Whether an expression is of these variables alone, and of one at least."""
    used: list[Any] = []
    loads: list[Any] = []
    structural_walk(expr, [(tvm.ir.Var, used.append), (TensorLoad, loads.append)])
    return bool(used) and not loads and all(v in variables for v in used)


def _shared(work: _Numbered) -> tuple[str, Any] | None:
    """What waves share, and where: a block that holds over, a tensor both read and written."""
    kernel, inside = work.kernel, list(accesses(work.body))
    made = [a for s in work.before for a in accesses(s) if a.write]
    changed = {a.buffer for a in inside if a.write}
    for buffer, node in carried(work.body, set(kernel.onchip)).items():
        if buffer in changed:
            return f"buffer {buffer.name!r} keeps values from one to the next", node
    for access in (*made, *(a for a in inside if not a.write and a.buffer in changed)):
        if access.buffer in kernel.params:
            return f"tensor {access.buffer.name!r} is written and used again", access.node
    return None


def _no(what: str, node: Any) -> NoReturn:
    refuse(
        f"a loop over blocks numbered by hand: {what}",
        node=node,
        code="UnsupportedIndex",
        next_step="give T.Kernel the whole grid, which is made persistent by itself",
    )
