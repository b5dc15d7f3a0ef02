"""One thing wrong in a plan: a statement, a count, a depth, a semaphore."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import msgspec

from harness.fuzz.direct.made import Made
from simulator.program import If, Loop, Op, Program, Stmt, ops_of

DAMAGES: Final = ("drop", "double", "swap", "count", "depth", "initial")
"""A statement left out, said twice or exchanged with the next; a number one too large; a buffer a
page smaller; a semaphore that starts at one more."""


def damaged(made: Made, kind: str, at: int) -> Made:
    """The plan with one thing wrong; ``at`` chooses the place among all there are."""
    if kind == "depth":
        buffers = list(made.buffers)
        index = at % len(buffers)
        buffers[index] = replace(buffers[index], depth=max(1, buffers[index].depth - 1))
        return made.changed(buffers=tuple(buffers))
    if kind == "initial" and made.semaphores:
        index = at % len(made.semaphores)
        values = [v + (i == index) for i, v in enumerate(made.semaphores)]
        return made.changed(semaphores=tuple(values))
    places = sum(len(list(ops_of(p.body))) for p in made.programs)
    target = at % places
    programs: list[Program] = []
    for program in made.programs:
        size = len(list(ops_of(program.body)))
        if 0 <= target < size:
            body, _ = _edit(program.body, target, kind)
            programs.append(msgspec.structs.replace(program, body=body))
        else:
            programs.append(program)
        target -= size
    return made.changed(programs=tuple(programs))


def counts_once_more(made: Made, kind: str, at: int) -> bool:
    """Whether the fault is one signal too many: an increment said twice, or one there at first.

    Only waits for at least a number take it for one of those they wait for.
    """
    ops = [item.name for program in made.programs for item in ops_of(program.body)]
    if kind == "initial":
        return bool(made.semaphores) and "noc_semaphore_wait_min" in ops
    return kind == "double" and ops[at % len(ops)] == "noc_semaphore_inc"


def _edit(body: tuple[Stmt, ...], target: int, kind: str) -> tuple[tuple[Stmt, ...], int]:
    """The body with its ``target``-th op changed, and how many ops are left to pass."""
    out: list[Stmt] = []
    for index, stmt in enumerate(body):
        if isinstance(stmt, Loop):
            inner, target = _edit(stmt.body, target, kind)
            out.append(msgspec.structs.replace(stmt, body=inner))
        elif isinstance(stmt, If):
            then, target = _edit(stmt.then, target, kind)
            orelse, target = _edit(stmt.orelse, target, kind)
            out.append(msgspec.structs.replace(stmt, then=then, orelse=orelse))
        elif isinstance(stmt, Op):
            target -= 1
            if target != -1:
                out.append(stmt)
            elif kind == "swap":
                return (*out, *body[index + 1 : index + 2], stmt, *body[index + 2 :]), target
            else:
                out += _changed(stmt, kind)
        else:
            out.append(stmt)
    return tuple(out), target


def _changed(stmt: Op, kind: str) -> list[Op]:
    if kind == "drop":
        return []
    if kind == "count":
        numbers = [i for i, a in enumerate(stmt.args) if type(a) is int]
        if numbers:
            args = list(stmt.args)
            args[numbers[-1]] += 1
            return [msgspec.structs.replace(stmt, args=tuple(args))]
    return [stmt, stmt]
