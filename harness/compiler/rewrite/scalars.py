"""T.alloc_var scalars as expressions of block and loop indices, and names as what they stand for.

Cores keep no scalar between statements, and need none where its value follows from indices: every
assignment is followed symbolically, and every use gets the value at its place. A loop that changes
a scalar has it in closed form where there is one, else the loop is unrolled. What is read from a
tensor that the kernel does not write is the same wherever it is read.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import TensorLoad

from harness.compiler.diagnostics import refuse
from harness.compiler.facts.accesses import accesses, loads, loads_of
from harness.compiler.facts.affine import Bounds, block_ranges, mentions, surely_runs
from harness.compiler.facts.kernel import Kernel, read_kernel, with_body
from harness.compiler.facts.statements import statements
from harness.compiler.tt_ops import seq
from harness.language.nests import relooped
from harness.language.regions import constant
from harness.language.tensors import VAR
from harness.language.walks import replaced, structural_map, structural_walk

_UNROLLED: Final = 64
"""Most iterations of a loop that is unrolled for its scalars."""

_TERMS: Final = 48
"""Longest expression that stands for a scalar, for each datum it asks of a tensor."""

_DEEP: Final = 48
"""Most choices within each other: programs have expressions of not many more levels."""

Env = dict[Any, Any]
"""What each scalar is worth; None where nothing was assigned."""


def without_scalars(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with every scalar replaced by its value, and ``page = table[b, k]`` by its own.

    Raises:
        CompileError: a value that depends on data, or has no form that indices can say.
    """
    kernel = read_kernel(func)
    named = (s for s in kernel.statements if isinstance(s, tirx.Bind))
    if not any(b.ty.storage_scope == VAR for b in kernel.onchip) and not any(
        loads_of(s.value) for s in named
    ):
        return func
    body = _Scalars(kernel).run(kernel.body, {}, tuple(block_ranges(kernel)))
    if body is None:
        refuse("a kernel of scalars only", node=kernel.body, code="NoOutput",
               next_step="copy a result to a tensor parameter")  # fmt: skip
    return with_body(func, body)


class _Scalars:
    def __init__(self, kernel: Kernel) -> None:
        self.names: dict[Any, Any] = {}  # variables that stand for an expression
        written = {a.buffer for a in kernel.accesses if a.write}
        self.steady = {p for p in kernel.params if p not in written}

    def run(self, stmt: Any, env: Env, ranges: tuple[Bounds, ...]) -> Any | None:
        """A statement without scalars, None where nothing is left; ``env`` is kept up to date."""
        if isinstance(stmt, tirx.SeqStmt):
            done = [s for s in (self.run(s, env, ranges) for s in stmt.seq[:]) if s is not None]
            return seq(done) if done else None
        if isinstance(stmt, tirx.AllocBuffer) and stmt.buffer.ty.storage_scope == VAR:
            env[stmt.buffer] = None
            return None
        if isinstance(stmt, tirx.BufferStore):
            value = self.value(stmt.value, env, stmt)
            if stmt.buffer in env:
                env[stmt.buffer] = self.assigned(value, stmt)
                return None
            indices = [self.value(i, env, stmt) for i in stmt.indices[:]]
            return tirx.BufferStore(stmt.buffer, value, indices, span=stmt.span)
        if isinstance(stmt, tirx.Bind):
            value = self.value(stmt.value, env, stmt)
            if any(access.buffer not in self.steady for access in loads(value)):
                return tirx.Bind(stmt.var, value, stmt.span)
            self.names[stmt.var] = value
            return None
        if isinstance(stmt, tirx.IfThenElse):
            return self.branch(stmt, env, ranges)
        if isinstance(stmt, tirx.For):
            return self.loop(stmt, env, ranges)
        return self.value(stmt, env, stmt)

    def value(self, node: Any, env: Env, at: Any) -> Any:
        """An expression or statement with scalars and names replaced by what they are worth."""
        if not isinstance(node, (tvm.ir.Expr, tirx.Stmt)):
            return node
        node = self.first(node, env)
        for access in loads(node) if isinstance(node, tvm.ir.Expr) else accesses(node):
            if env.get(access.buffer, at) is None:
                refuse(f"scalar {access.buffer.name!r} is used before it has a value", node=at,
                       code="UninitialisedBuffer",
                       next_step="give T.alloc_var an init")  # fmt: skip

        def load(found: TensorLoad) -> Any:
            return env.get(found.source, found)

        def name(var: Any) -> Any:
            return self.names.get(var, var)

        return structural_map(node, [(TensorLoad, load), (tvm.ir.Var, name)], order="post")

    def first(self, node: Any, env: Env) -> Any:
        """A node with choices between a value and a scalar that has none yet as that value.

        ``last = T.if_then_else(test, i, last)`` where nothing was assigned before: what is not
        there is not what anyone means, and golden refuses inputs for which it would be.
        """

        def missing(side: Any) -> bool:
            return isinstance(side, TensorLoad) and env.get(side.source, side) is None

        def choice(found: tirx.Select) -> Any:
            if missing(found.false_value) and not missing(found.true_value):
                return found.true_value
            return found.false_value if missing(found.true_value) else found

        if all(value is not None for value in env.values()):
            return node
        return structural_map(node, [(tirx.Select, choice)], order="post")

    def assigned(self, value: Any, stmt: tirx.BufferStore) -> Any:
        """The value of an assignment, which no block or written tensor takes part in."""
        for access in loads(value):
            if access.buffer in self.steady:
                continue
            refuse(f"scalar {stmt.buffer.name!r} is assigned from {access.buffer.name!r}: what"
                   " cores do cannot depend on what they compute", node=stmt, code="DataDependent",
                   next_step="keep the value in a block of one column, compute it from indices, or"
                   " give an index of blocks a name instead: page = table[b, k]")  # fmt: skip
        return _short(value, stmt.buffer, stmt)

    def branch(self, stmt: tirx.IfThenElse, env: Env, ranges: tuple[Bounds, ...]) -> Any | None:
        """A condition; scalars that differ behind it are a choice."""
        test = self.value(stmt.condition, env, stmt)
        sides = [dict(env), dict(env)]
        then = self.run(stmt.then_case, sides[0], ranges)
        orelse = None if stmt.else_case is None else self.run(stmt.else_case, sides[1], ranges)
        changed = [v for v in env if not _same(sides[0][v], sides[1][v])]
        for scalar in changed:
            a, b = (side[scalar] for side in sides)
            for access in loads(test):
                if access.buffer not in self.steady:
                    refuse(f"scalar {scalar.name!r} depends on {access.buffer.name!r}: what cores"
                           " do cannot depend on what they compute", node=stmt,
                           code="DataDependent",
                           next_step="choose between values in T.Parallel")  # fmt: skip
            value = None if a is None or b is None else tirx.Select(test, a, b)
            env[scalar] = None if value is None else _short(value, scalar, stmt)
        for scalar in env:
            if scalar not in changed:
                env[scalar] = sides[0][scalar]
        if then is None and orelse is None:
            return None
        if then is None:
            return tirx.IfThenElse(tirx.Not(test), orelse, None, stmt.span)
        return tirx.IfThenElse(test, then, orelse, stmt.span)

    def loop(self, stmt: tirx.For, env: Env, ranges: tuple[Bounds, ...]) -> Any | None:
        """A loop; what it does to scalars in closed form, or unrolled."""
        start, extent = (self.value(e, env, stmt) for e in (stmt.min, stmt.extent))
        around = (*ranges, (stmt.loop_var, start, extent))
        stored = [s.buffer for s in statements(stmt.body) if isinstance(s, tirx.BufferStore)]
        changed = [v for v in env if any(v.same_as(b) for b in stored)]
        after = dict(env)
        if changed:
            inside = self.closed(stmt, start, extent, env, around, changed)
            if inside is None:
                return self.unrolled(stmt, start, extent, env, ranges, changed)
            env.update({v: inside[v][0] for v in changed})
            runs = surely_runs(relooped(stmt, stmt.body, start=start, extent=extent), ranges)
            for scalar in changed:
                value = inside[scalar][1]
                if not runs:
                    before = after[scalar]
                    value = None if before is None else tirx.Select(extent > 0, value, before)
                after[scalar] = value
        body = self.run(stmt.body, dict(env), around)
        env.update({v: after[v] for v in changed})
        return None if body is None else relooped(stmt, body, start=start, extent=extent)

    def closed(
        self, stmt: tirx.For, start: Any, extent: Any, env: Env, ranges: tuple[Bounds, ...],
        changed: list[Any],
    ) -> dict[Any, tuple[Any, Any]] | None:  # fmt: skip
        """(at the start of an iteration, behind the loop) of each scalar a loop changes."""
        entry = {v: tirx.Var(f"{v.name}_entry", str(v.ty.dtype)) for v in changed}
        inside = {**env, **entry}
        names = dict(self.names)
        self.run(stmt.body, inside, ranges)
        self.names = names
        var, out = stmt.loop_var, {}
        for scalar in changed:
            value, old, before = inside[scalar], entry[scalar], env[scalar]
            if value is None:
                return None
            if not mentions(value, entry.values()):  # the same in every iteration, or of its index
                last = replaced(value, {var: start + extent - 1})
                first = None if before is None else tirx.Select(
                    var <= start, before, replaced(value, {var: var - 1}))  # fmt: skip
                out[scalar] = (first, last)
                continue
            if before is None:
                return None  # the first iteration differs from the others
            form = _advance(value, old, before, var, start, list(entry.values()))
            if form is None:
                return None
            analyzer = tvm.sym.Analyzer()
            out[scalar] = tuple(analyzer.simplify(form(n)) for n in (var - start, extent))
        return out

    def unrolled(
        self, stmt: tirx.For, start: Any, extent: Any, env: Env, ranges: tuple[Bounds, ...],
        changed: list[Any],
    ) -> Any | None:  # fmt: skip
        """A short loop's iterations one after another."""
        trips = constant(extent)
        if trips is None or trips > _UNROLLED:
            self._open(stmt, changed)
        out = []
        for trip in range(trips):
            self.names[stmt.loop_var] = tvm.sym.Analyzer().simplify(start + trip)
            done = self.run(stmt.body, env, ranges)
            if done is not None:
                out.append(done)
        self.names.pop(stmt.loop_var, None)
        return seq(out) if out else None

    @staticmethod
    def _open(stmt: tirx.For, changed: list[Any]) -> NoReturn:
        names = ", ".join(repr(v.name) for v in changed)
        refuse(f"the loop changes {names} in a way that is no closed form of its index, and has no"
               f" constant number of at most {_UNROLLED} iterations", node=stmt,
               code="DataDependent",
               next_step="add or multiply by what does not change in the loop, or compute the value"
               " from the loop's index")  # fmt: skip


def _short(value: Any, scalar: Any, node: Any) -> Any:
    """A value in its shortest form, if that is short enough to be computed wherever it is used."""
    size: list[Any] = []
    structural_walk(value, [(tvm.ir.Expr, size.append)])
    if _choices(value) > _DEEP:
        refuse(f"the value of scalar {scalar.name!r} is a choice within more than {_DEEP} others",
               node=node, code="DataDependent",
               next_step="look through fewer data, or pass what is looked for as a tensor, one"
               " datum per block")  # fmt: skip
    if len(size) <= _TERMS * (1 + len(loads_of(value))):
        return tvm.sym.Analyzer().simplify(value)
    refuse(f"the value of scalar {scalar.name!r} has grown to an expression of {len(size)} terms",
           node=node, code="DataDependent",
           next_step="compute it from block and loop indices in fewer steps")  # fmt: skip


def _choices(value: Any) -> int:
    """How deep choices are nested in an expression."""
    deep = 0
    while isinstance(value, tirx.Select):
        inner = (value.true_value, value.false_value)
        value = next((side for side in inner if isinstance(side, tirx.Select)), None)
        deep += 1
    return deep


def _advance(
    value: Any, old: Any, before: Any, var: Any, start: Any, entries: list[Any]
) -> Any | None:  # fmt: skip
    """What n iterations of an integer recurrence make of ``before``, as a function of n."""
    if not str(old.ty.dtype).startswith("int"):
        return None  # repeated rounding has no closed form
    analyzer = tvm.sym.Analyzer()
    modulus = None
    if isinstance(value, tirx.FloorMod):
        modulus, first = constant(value.b), constant(before)
        if modulus is None or first is None or not 0 <= first < modulus:
            return None
        value = value.a
    step = analyzer.simplify(value - old)
    if mentions(step, entries):
        return None
    base = analyzer.simplify(replaced(step, {var: start}))
    slope = analyzer.simplify(replaced(step, {var: var + 1}) - step)
    if mentions(slope, [var]):
        return None

    def after(n: Any) -> Any:
        total = before + n * base + slope * tirx.FloorDiv(n * (n - 1), tirx.const(2, "int32"))
        return total if modulus is None else tirx.FloorMod(total, tirx.const(modulus, "int32"))

    return after


def _same(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    return bool(tvm_ffi.structural_equal(a, b))
