"""Programs against the device-op table, and against the plan they are to run under.

What is decided here needs no execution: names, arity, operand kinds, threads, ends of circular
buffers, and indices that are out of range whatever the arguments. Nothing raises on programs that
could be decoded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, Final

from simulator.findings import Finding, finding
from simulator.isa import OP_TABLE_VERSION, OPS, Operand, OpSpec
from simulator.plan.schema import Plan
from simulator.program import LOAD, If, Let, Loop, Op, Program, ProgramFile, Stmt, load_of
from simulator.program.expr import Range, check_expression
from simulator.program.place import Place, check_operand, no_place, place_of

MAX_NESTING: Final = 24
"""Deepest loops and ifs; the compiler's stay below eight."""

MAX_STATEMENTS: Final = 100_000

LIMIT: Final = 40
"""Findings kept per program."""

THREADS: Final = ("brisc", "ncrisc", "compute")

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}")


def check_programs(file: ProgramFile, plan: Plan | None = None) -> tuple[Finding, ...]:
    """Everything that can be held against the programs; with a plan, also how they fit it."""
    out: list[Finding] = []
    if file.op_table_version != OP_TABLE_VERSION:
        out.append(
            finding(
                "InvalidProgram",
                f"$.op_table_version: programs are written in op table {file.op_table_version};"
                f" this is {OP_TABLE_VERSION}",
                location="$.op_table_version",
            )
        )
    names: set[str] = set()
    for index, program in enumerate(file.programs):
        place = no_place() if plan is None else place_of(program, plan)
        check = _Check(program, place, f"$.programs[{index}]")
        if program.name in names:
            check.say("another program has this name", field="name")
        names.add(program.name)
        check.run()
        out.extend(check.findings)
    return tuple(out)


class _Check:
    """One pass over one program."""

    def __init__(self, program: Program, place: Place, root: str) -> None:
        """``root`` is the program's JSON path."""
        self.program = program
        self.root = root
        self.place = place
        self.findings: list[Finding] = []
        self.names: dict[str, Range] = {}
        self.path: list[str] = []
        self.loc: str | None = None
        self.statements = 0

    def say(self, message: str, code: str = "InvalidProgram", field: str = "body") -> None:
        """Hold ``message`` against the statement being checked, or a field of the program."""
        if len(self.findings) > LIMIT:
            return
        where = ".".join(self.path)
        if len(self.findings) == LIMIT:
            code, message = "InvalidProgram", "has more findings; the rest is left out"
        fields = {
            "path": where or None,
            "location": self.loc if where else f"{self.root}.{field}",
            "program": self.program.name,
            "thread": self.program.thread,
        }
        at = f"{self.program.name}/{where}" if where else self.program.name
        given = {key: value for key, value in fields.items() if value is not None}
        self.findings.append(finding(code, f"{at}: {message}", **given))

    def run(self) -> None:
        """Check the declaration, then the body."""
        program = self.program
        if _NAME.fullmatch(program.name) is None:
            self.say("the program's name is not an identifier", field="name")
        if program.thread not in THREADS:
            threads = ", ".join(THREADS)
            self.say(f"thread {program.thread!r} does not exist; one of {threads}", field="thread")
            return
        if program.thread == "compute" and program.accessors:
            self.say("a compute program has no tensor accessors", field="accessors")
        declared: set[str] = set()
        for field in ("accessors", "compile_args", "common_args", "runtime_args"):
            for index, name in enumerate(getattr(program, field)):
                if _NAME.fullmatch(name) is None:
                    self.say(f"argument {name[:40]!r} is not an identifier",
                             field=f"{field}[{index}]")  # fmt: skip
                if name in declared:
                    self.say(f"argument {name!r} is declared twice", field=f"{field}[{index}]")
                declared.add(name)
        for index, name in enumerate(program.accessors):
            if f"{name}_addr" not in program.common_args:
                self.say(f"accessor {name} has no common argument {name}_addr",
                         field=f"accessors[{index}]")  # fmt: skip
        for name in chain(program.compile_args, program.common_args, program.runtime_args):
            self.names[name] = self.place.values.get(name)
        self._body(program.body, "")

    def _body(self, body: Sequence[Stmt], prefix: str) -> None:
        bound: list[str] = []
        for index, stmt in enumerate(body):
            self.statements += 1
            if self.statements == MAX_STATEMENTS:
                self.say(f"has more than {MAX_STATEMENTS} statements")
            if self.statements >= MAX_STATEMENTS:
                break
            with self._at(f"{prefix}{index}", stmt.loc):
                self._statement(stmt, bound)
        for name in bound:
            del self.names[name]

    @contextmanager
    def _at(self, step: str, loc: str | None) -> Iterator[None]:
        outer = self.loc
        self.path.append(step)
        self.loc = loc if loc is not None else outer
        yield
        self.path.pop()
        self.loc = outer

    def _statement(self, stmt: Stmt, bound: list[str]) -> None:
        if len(self.path) > MAX_NESTING:
            self.say(f"loops and ifs are nested deeper than {MAX_NESTING}")
        elif isinstance(stmt, Op):
            self._op(stmt)
        elif isinstance(stmt, Let):
            load = load_of(stmt.value)
            value = self._expression(stmt.value) if load is None else self._load(load)
            if self._bind(stmt.var, value):
                bound.append(stmt.var)
        elif isinstance(stmt, If):
            self._expression(stmt.cond)
            self._body(stmt.then, "")
            self._body(stmt.orelse, "e")
        else:
            self._loop(stmt)

    def _loop(self, stmt: Loop) -> None:
        start, stop = self._expression(stmt.start), self._expression(stmt.stop)
        if stmt.step == 0:
            self.say("the loop's step is zero")
        reach: Range = None
        if start is not None and stop is not None:
            low, high = min(start[0], stop[0] + 1), max(start[1], stop[1] - 1)
            reach = (low, high) if stmt.step < 0 else (start[0], max(start[0], stop[1] - 1))
        if self._bind(stmt.var, reach):
            self._body(stmt.body, "")
            del self.names[stmt.var]
        else:
            self._body(stmt.body, "")

    def _bind(self, name: str, value: Range) -> bool:
        if _NAME.fullmatch(name) is None:
            self.say(f"{name[:40]!r} is not an identifier")
        elif name in self.names or name in self.program.accessors:
            self.say(f"{name!r} is bound already in this scope")
        else:
            self.names[name] = value
            return True
        return False

    def _op(self, stmt: Op) -> None:
        spec = OPS.get(stmt.name)
        if spec is None:
            self.say(f"device op {stmt.name[:40]!r} does not exist")
            return
        if self.program.thread not in spec.threads:
            self.say(f"{spec.name} cannot be issued by {self.program.thread}; only by "
                     + ", ".join(sorted(spec.threads)))  # fmt: skip
            return
        if len(stmt.args) != len(spec.operands):
            wanted = ", ".join(operand.name for operand in spec.operands)
            self.say(f"{spec.name} takes {len(spec.operands)} operands ({wanted}),"
                     f" not {len(stmt.args)}")  # fmt: skip
            return
        for operand, value in zip(spec.operands, stmt.args, strict=True):
            self._operand(spec, operand, value, stmt.args)
        self.place.check_formats(spec, stmt.args, self.say)
        if spec.name in ("noc_async_write_page", "noc_async_write_partial_page"):
            self.place.check_written(stmt.args[1], self.say)
        if spec.name in ("noc_async_read_page", "noc_async_write_page"):
            self.place.check_page(stmt.args[1], stmt.args[2], self.say)

    def _operand(self, spec: OpSpec, operand: Operand, value: Any, args: Sequence[Any]) -> None:
        def say(message: str, code: str = "InvalidProgram") -> None:
            self.say(f"operand {operand.name} of {spec.name}: {message}", code)

        if operand.kind in ("expr", "dst", "l1"):
            reach = check_expression(value, self.names, say, self._pointer)
            self.place.check_range(spec, operand, reach, args, say)
        elif operand.kind == "tensor":
            if value not in self.program.accessors:
                say(f"{str(value)[:40]!r} is not an accessor the program declares")
        else:
            check_operand(spec, operand, value, self.place, say)

    def _expression(self, value: Any) -> Range:
        return check_expression(value, self.names, self.say, self._pointer)

    def _load(self, operands: list[Any]) -> Range:
        if len(operands) != 2:
            self.say(f"{LOAD} takes 2 operands (cb, index), not {len(operands)}")
            return None
        reach = self._expression(operands[1])
        self.place.check_load(operands[0], reach, self.say)
        return None

    def _pointer(self, operator: str, value: Any) -> None:
        if self.program.thread == "compute":
            self.say(f"{operator} gives an L1 address, which compute programs have no use for")
            return
        self.place.check_pointer(operator, value, self.say)
