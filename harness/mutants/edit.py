"""Changing plans and programs: small edits of the program tree, and the seal put back on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from simulator.plan.load import programs_sha256
from simulator.plan.schema import CircularBuffer, Kernel, Plan
from simulator.program import If, Loop, Op, ProgramFile, Stmt

Body: TypeAlias = tuple[Stmt, ...]
Change: TypeAlias = Callable[[Any], "Sequence[Stmt] | None"]
"""Statements in place of one, or None to leave it."""
replace = msgspec.structs.replace


@dataclass(frozen=True)
class Built:
    """Plan and programs of one kernel."""

    plan: Plan
    programs: ProgramFile

    def sealed(self) -> Built:
        """With the hash of the programs in the plan."""
        return Built(replace(self.plan, programs_sha256=programs_sha256(self.programs)),
                     self.programs)  # fmt: skip


class _Walk:
    def __init__(self, change: Change, only: int | None) -> None:
        self.change, self.only, self.seen = change, only, 0

    def body(self, body: Body) -> Body:
        out: list[Stmt] = []
        for stmt in body:
            new = self.change(stmt)
            if new is not None:
                self.seen += 1
                if self.only in (None, self.seen):
                    out.extend(new)
                    continue
            out.append(self.inside(stmt))
        return tuple(out)

    def inside(self, stmt: Stmt) -> Stmt:
        if isinstance(stmt, Loop):
            return replace(stmt, body=self.body(stmt.body))
        if isinstance(stmt, If):
            return replace(stmt, then=self.body(stmt.then), orelse=self.body(stmt.orelse))
        return stmt


def edit(built: Built, change: Change, *, thread: str | None = None, which: str = "all") -> Any:
    """Change statements of the programs of a thread (or all).

    ``which`` is ``all``, ``first`` or ``last`` of those ``change`` answers for; None where it
    answers for none, or nothing is different afterwards.
    """
    programs = []
    total = 0
    for program in built.programs.programs:
        if thread in (None, program.thread):
            only = {"all": None, "first": 1}.get(which)
            if which == "last":
                probe = _Walk(change, 0)
                probe.body(program.body)
                only = probe.seen
            walk = _Walk(change, only)
            changed = replace(program, body=walk.body(program.body))
            total += changed.body != program.body
            program = changed  # noqa: PLW2901
        programs.append(program)
    if not total:
        return None
    return Built(built.plan, replace(built.programs, programs=tuple(programs)))


def edit_bodies(built: Built, change: Callable[[Body], Body | None], thread: str) -> Any:
    """Change whole statement lists of a thread's program, outermost first."""

    def down(body: Body) -> Body:
        new = change(body)
        body = body if new is None else new
        out: list[Stmt] = []
        for stmt in body:
            if isinstance(stmt, Loop):
                out.append(replace(stmt, body=down(stmt.body)))
            elif isinstance(stmt, If):
                out.append(replace(stmt, then=down(stmt.then), orelse=down(stmt.orelse)))
            else:
                out.append(stmt)
        return tuple(out)

    programs = tuple(
        replace(p, body=down(p.body)) if p.thread == thread else p for p in built.programs.programs
    )
    if programs == built.programs.programs:
        return None
    return Built(built.plan, replace(built.programs, programs=programs))


def is_op(stmt: Any, *names: str) -> bool:
    """Whether a statement is one of these device ops."""
    return isinstance(stmt, Op) and stmt.name in names


def dropped(*names: str) -> Change:
    """Leave ops out."""
    return lambda stmt: () if is_op(stmt, *names) else None


def with_arg(name: str, index: int, change: Callable[[Any], Any]) -> Change:
    """One operand of an op changed; None from ``change`` leaves it."""

    def visit(stmt: Any) -> Any:
        if not is_op(stmt, name):
            return None
        new = change(stmt.args[index])
        if new is None or new == stmt.args[index]:
            return None
        return (replace(stmt, args=(*stmt.args[:index], new, *stmt.args[index + 1 :])),)

    return visit


def renamed(old: str, new: str) -> Change:
    """One op for another of the same operands."""
    return lambda stmt: (replace(stmt, name=new),) if is_op(stmt, old) else None


def swap_args(name: str, i: int, j: int) -> Change:
    """Two operands of an op exchanged."""

    def visit(stmt: Any) -> Any:
        if not is_op(stmt, name) or stmt.args[i] == stmt.args[j]:
            return None
        args = list(stmt.args)
        args[i], args[j] = args[j], args[i]
        return (replace(stmt, args=tuple(args)),)

    return visit


def swapped(first: Callable[[Any], bool], second: Callable[[Any], bool]) -> Any:
    """In a body: every ``second`` right after a ``first`` moved before it."""

    def visit(body: Body) -> Body | None:
        out = list(body)
        for i in range(len(out) - 1):
            if first(out[i]) and second(out[i + 1]):
                out[i], out[i + 1] = out[i + 1], out[i]
        return tuple(out) if tuple(out) != body else None

    return visit


def change_cbs(built: Built, change: Callable[[CircularBuffer], CircularBuffer | None]) -> Any:
    """Circular buffers of the plan changed; None where none is."""
    new = tuple(change(cb) or cb for cb in built.plan.circular_buffers)
    if new == built.plan.circular_buffers:
        return None
    return Built(replace(built.plan, circular_buffers=new), built.programs)


def change_kernels(built: Built, change: Callable[[Kernel], Kernel | None]) -> Any:
    """Kernels of the plan changed; None where none is."""
    new = tuple(change(k) or k for k in built.plan.kernels)
    if new == built.plan.kernels:
        return None
    return Built(replace(built.plan, kernels=new), built.programs)


def with_plan(built: Built, **fields: Any) -> Any:
    """Fields of the plan replaced; None where nothing is different."""
    plan = replace(built.plan, **fields)
    return None if plan == built.plan else Built(plan, built.programs)
