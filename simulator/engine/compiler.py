"""From a program tree to closures: control flow, lets, and the fusing of tile loops."""

from __future__ import annotations

from math import gcd
from typing import Any

from simulator.engine import expr
from simulator.engine.code import Code, Level, Names, OpContext, Place, Step, refusal
from simulator.engine.control import if_steps, loop_steps
from simulator.engine.cursors import executes
from simulator.engine.expr import ExprError, Poly
from simulator.engine.group import Group
from simulator.engine.loads import build_load
from simulator.engine.optable import BUILDERS, FUSED
from simulator.engine.src import computing, unpacking
from simulator.isa import OPS
from simulator.program import If, Let, Loop, Op, Stmt, load_of

Path = tuple[str, ...]


class Compiler:
    """Compiles one program for one machine."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.code = names.code
        self.machine = names.machine

    def run(self, body: tuple[Stmt, ...]) -> Code:
        """Compile the whole program."""
        self._block(body, (), dict(self.names.scope))
        self._emit(self._end(), ("end",), None, "end of program")
        return self.code

    def _emit(self, step: Step, path: Path, loc: str | None, text: str) -> int:
        self.code.steps.append(step)
        self.code.places.append(Place(".".join(path), loc, text))
        return len(self.code.steps) - 1

    def _patch(self, number: int, step: Step) -> None:
        self.code.steps[number] = step

    def _block(self, body: tuple[Stmt, ...], path: Path, scope: dict[str, Poly]) -> None:
        for number, stmt in enumerate(body):
            here = (*path, str(number))
            try:
                self._statement(stmt, here, scope)
            except ExprError as error:
                text = type(stmt).__name__.lower()
                self._emit(refusal("InvalidProgram", str(error)), here, stmt.loc, text)
                return

    def _statement(self, stmt: Stmt, path: Path, scope: dict[str, Poly]) -> None:
        if isinstance(stmt, Loop):
            if not self._fused(stmt, path, scope):
                self._loop(stmt, path, scope)
        elif isinstance(stmt, If):
            self._if(stmt, path, scope)
        elif isinstance(stmt, Let):
            self._let(stmt, path, scope)
        else:
            self._op(stmt, path, (), scope)

    def _let(self, let: Let, path: Path, scope: dict[str, Poly]) -> None:
        load = load_of(let.value)
        if load is not None:
            unique = self._name(let.var, varying=True)
            register, following = self.names.registers[unique], len(self.code.steps) + 1
            loading = build_load(self.names, load, scope, register, following)
            self._emit(loading, path, let.loc, f"let {let.var}")
            scope[let.var] = expr.name(unique)
            return
        poly = expr.poly_of(let.value, scope)
        if expr.value_of(poly) is not None:
            scope[let.var] = poly
            return
        value = self.names.compile(poly)
        unique = self._name(let.var, varying=self._varies(poly))
        register = self.names.registers[unique]
        self.names.multiples[unique] = self.names.multiple(poly)
        pointers = [item for item in expr.names_in(poly) if not isinstance(item, str)]
        known = [self.names.pointers[n] for n in expr.names_in(poly) if n in self.names.pointers]
        if len(pointers) + len(known) == 1:
            self.names.pointers[unique] = known[0] if known else pointers[0]
        following = len(self.code.steps) + 1

        def step(group: Group) -> int:
            group.regs[register] = value(group.regs)
            return following

        self._emit(step, path, let.loc, f"let {let.var}")
        scope[let.var] = expr.name(unique)

    def _name(self, var: str, *, varying: bool) -> str:
        """A register for one binding; names may recur in sibling bodies."""
        unique = f"{var}@{self.code.registers}"
        self.names.register(unique)
        if varying:
            self.names.varying.add(unique)
        return unique

    def _varies(self, *polys: Poly) -> bool:
        return any(self.names.is_varying(item) for p in polys for item in expr.names_in(p))

    def _loop(self, loop: Loop, path: Path, scope: dict[str, Poly]) -> None:
        if loop.step == 0:
            raise ExprError("a loop's step must not be 0")
        start, stop = (expr.poly_of(e, scope) for e in (loop.start, loop.stop))
        var = self._name(loop.var, varying=self._varies(start))
        self.names.multiples[var] = gcd(self.names.multiple(start), loop.step)
        state = self._name("stop", varying=False)
        registers = self.names.registers[var], self.names.registers[state]
        enter = self._emit(refusal("InvalidProgram", "unreachable"), path, loc := loop.loc, "for")
        inner = dict(scope)
        inner[loop.var] = expr.name(var)
        self._block(loop.body, path, inner)
        back = self._emit(refusal("InvalidProgram", "unreachable"), path, loc, "end of for")
        self.code.loops.append((enter + 1, back, *registers))
        steps = loop_steps(
            self.names.compile(start),
            self.names.compile(stop),
            loop.step,
            registers,
            (enter, back),
            self.machine.spawn,
        )
        self._patch(enter, steps[0])
        self._patch(back, steps[1])

    def _if(self, branch: If, path: Path, scope: dict[str, Poly]) -> None:
        cond = self.names.compile(expr.poly_of(branch.cond, scope))
        dummy = refusal("InvalidProgram", "unreachable")
        site = self._emit(dummy, path, branch.loc, "if")
        self._block(branch.then, path, dict(scope))
        end_then = self._emit(dummy, path, branch.loc, "end of then")
        self._block(branch.orelse, (*path, "e"), dict(scope))
        end_else = self._emit(dummy, path, branch.loc, "end of if")
        sites = site, end_then, end_else
        steps = if_steps(cond, sites, self.machine.spawn)
        for number, step in zip(sites, steps, strict=True):
            self._patch(number, step)

    def _op(self, op: Op, path: Path, levels: tuple[Level, ...], scope: dict[str, Poly]) -> None:
        spec = OPS.get(op.name)
        if spec is None or len(op.args) != len(spec.operands):
            raise ExprError(f"{op.name!r} is no device op with {len(op.args)} operands")
        if self.code.thread not in spec.threads:
            raise ExprError(f"{op.name} cannot run on {self.code.thread}")
        if not executes(self.code.cursor, spec):
            return
        builder = BUILDERS.get(op.name)
        if builder is None:
            raise ExprError(f"{op.name} is not modelled")
        place = op.loc or ".".join(path)
        context = OpContext(self.names, op, len(self.code.steps), levels, scope, place)
        apart = spec.effect == "unpack_math" and self.code.cursor != "all"
        if apart and self.code.cursor == "unpack":
            builder = unpacking
        step = builder(context)
        if apart and self.code.cursor == "math":
            step = computing(context, step)
        self.machine.contexts.append(context)
        self._emit(step, path, op.loc, op.name)

    # --- fusing ----------------------------------------------------------------------------

    def _fused(self, loop: Loop, path: Path, scope: dict[str, Poly]) -> bool:
        """Compile a perfect nest of loops around one op as a single op, if that is possible."""
        nest = _nest(loop)
        if nest is None:
            return False
        loops, lets, op = nest
        depth = FUSED.get(op.name)
        if depth is None or len(loops) > depth:
            return False
        if self.code.cursor in ("unpack", "math") and OPS[op.name].effect == "unpack_math":
            return False  # the banks of Src count tiles
        try:
            levels, inner = self._levels(loops, lets, scope)
        except ExprError:
            return False
        if not self._affine(op, levels, inner):
            return False
        here = (*path, *("0" for _ in loops[1:]), str(len(lets)))
        self._op(op, here, levels, inner)
        return True

    def _levels(
        self, loops: list[Loop], lets: list[Let], scope: dict[str, Poly]
    ) -> tuple[tuple[Level, ...], dict[str, Poly]]:
        inner = dict(scope)
        levels: list[Level] = []
        for number, loop in enumerate(loops):
            start, stop = expr.poly_of(loop.start, inner), expr.poly_of(loop.stop, inner)
            own = {level.index for level in levels}
            if (
                loop.step < 1
                or self._varies(start, stop)
                or ((expr.names_in(start) | expr.names_in(stop)) & own)
            ):
                raise ExprError("bounds forbid fusing")
            index = f"#{number}"
            length = expr.add(stop, expr.scale(start, -1))
            if loop.step != 1:
                whole = expr.value_of(length)
                if whole is None:
                    raise ExprError("bounds forbid fusing")
                length = expr.const(-(-whole // loop.step))
            levels.append(Level(index, length))
            inner[loop.var] = expr.add(start, expr.scale(expr.name(index), loop.step))
        for let in lets:
            poly = expr.poly_of(let.value, inner)
            if any(not isinstance(item, str) for item in expr.names_in(poly)):
                raise ExprError("pointers forbid fusing")
            inner[let.var] = poly
        return tuple(levels), inner

    def _affine(self, op: Op, levels: tuple[Level, ...], scope: dict[str, Poly]) -> bool:
        spec = OPS[op.name]
        if len(op.args) != len(spec.operands):
            return False
        for operand, arg in zip(spec.operands, op.args, strict=True):
            if operand.kind not in ("expr", "dst", "l1"):
                continue
            poly = expr.poly_of(arg, scope)
            for level in levels:
                parts = expr.slope(poly, level.index)
                if parts is None or self._varies(parts[0]):
                    return False
                if any(other.index in expr.names_in(parts[0]) for other in levels):
                    return False
                poly = parts[1]
        return True

    def _end(self) -> Step:
        number = len(self.code.steps)

        def step(group: Group) -> int:
            self.machine.finish(group)
            group.done = True
            group.pc = number
            return -1

        return step


def _nest(loop: Loop) -> tuple[list[Loop], list[Let], Op] | None:
    """Loops, lets and the op of a perfect nest: each body is one loop, or lets and one op."""
    loops = [loop]
    while len(loops[-1].body) == 1 and isinstance(loops[-1].body[0], Loop):
        loops.append(loops[-1].body[0])
    *lets, last = loops[-1].body or (None,)
    if not isinstance(last, Op) or not all(isinstance(let, Let) for let in lets):
        return None
    return loops, [let for let in lets if isinstance(let, Let)], last


def bind_arguments(names: Names, values: dict[str, Any]) -> None:
    """Put a program's arguments in scope: constants where all cores agree, else registers."""
    for name, value in values.items():
        if isinstance(value, int):
            names.scope[name] = expr.const(value)
        else:
            names.register(name)
            names.varying.add(name)
            names.scope[name] = expr.name(name)
