"""One name per value: definitions that do not reach each other's uses get buffers of their own.

TileLang kernels reuse a buffer for one value after another. With a name per value a copy can be
dropped where it only renames, an update need not keep the old block beside the new one, and
producer and consumer threads can be told apart.
"""

from __future__ import annotations

from harness.compiler.block.model import (
    BlockProgram,
    Buffer,
    Eltwise,
    For,
    If,
    Leaf,
    Statement,
    walk,
)
from harness.compiler.block.rewrite import redirect, replace_uses


def rename_webs(program: BlockProgram) -> None:
    """Give every straight-line definition a buffer of its own, where no loop carries it."""
    _rename_list(program, program.body, frozenset())


def exposed(body: list[Statement], buffer: Buffer) -> bool:
    """Whether a list may read what a buffer held before it."""
    for stmt in body:
        if buffer in stmt.uses():
            return True
        inner = stmt.bodies()
        if any(exposed(b, buffer) for b in inner):
            return True
        if buffer in stmt.defs() or (len(inner) == 2 and all(_defines(b, buffer) for b in inner)):
            return False
    return False


def _defines(body: list[Statement], buffer: Buffer) -> bool:
    for stmt in body:
        inner = stmt.bodies()
        if buffer in stmt.defs():
            return True
        if len(inner) == 2 and all(_defines(b, buffer) for b in inner):
            return True
    return False


def _rename_list(program: BlockProgram, body: list[Statement], live: frozenset[Buffer]) -> None:
    """Rename inside a list; ``live`` are the buffers somebody reads after it."""
    for position, stmt in enumerate(body):
        rest = body[position + 1 :]
        for inner in stmt.bodies():
            touched = {b for s in walk(inner) for b in (*s.defs(), *s.uses())}
            after = {
                b for b in touched if exposed(rest, b) or (b in live and not _defines(rest, b))
            }
            carried = {b for b in touched if isinstance(stmt, For) and exposed(inner, b)}
            _rename_list(program, inner, frozenset(after | carried))
    for position, stmt in enumerate(body):
        if isinstance(stmt, (For, If)):
            continue
        for buffer in stmt.defs():
            _rename_one(program, body, position, buffer, live)


def _rename_one(
    program: BlockProgram, body: list[Statement], position: int, buffer: Buffer,
    live: frozenset[Buffer],
) -> None:  # fmt: skip
    """Rename the definition at ``position`` up to the next one in the same list."""
    earlier = any(buffer in (*s.defs(), *s.uses()) for s in walk(body[:position]))
    end = None
    for later in range(position + 1, len(body)):
        stmt = body[later]
        if isinstance(stmt, (For, If)):
            if any(buffer in s.defs() for s in walk([stmt])):
                return  # the loop or branch may leave this value or another
        elif buffer in stmt.defs():
            end = later
            break
    if end is None and (buffer in live or not earlier):
        return  # read later, or already alone
    fresh = buffer.like(program.fresh_name(buffer.name))
    if buffer in program.held:
        program.held[fresh] = program.held[buffer]
    redirect(body[position], buffer, fresh)
    for stmt in walk(body[position + 1 : len(body) if end is None else end + 1]):
        replace_uses(stmt, buffer, fresh)


def propagate_copies(program: BlockProgram) -> None:
    """Read ``x`` where ``y = x`` only renames: same dtype and form, one definition of each."""
    while True:
        statements = list(walk(program.body))
        defs: dict[Buffer, int] = {}
        for stmt in statements:
            for buffer in stmt.defs():
                defs[buffer] = defs.get(buffer, 0) + 1
        for stmt in statements:
            if not (isinstance(stmt, Eltwise) and isinstance(stmt.expr, Leaf)) or stmt.expr.bcast:
                continue
            x, y = stmt.expr.buffer, stmt.dst
            same = (x.dtype, x.form, x.shape) == (y.dtype, y.form, y.shape)
            if same and defs[y] == 1 and defs.get(x) == 1 and _follows(program, stmt, y):
                for other in statements:
                    if other is not stmt:
                        replace_uses(other, y, x)
                _drop(program.body, stmt)
                break
        else:
            return


def _follows(program: BlockProgram, copy: Statement, y: Buffer) -> bool:
    """Whether every use of ``y`` comes after its definition, in the same or an inner list."""

    def search(body: list[Statement]) -> bool | None:
        if copy in body:
            inside = body[body.index(copy) + 1 :]
            within = sum(y in s.uses() for s in walk(inside))
            return within == sum(y in s.uses() for s in walk(program.body))
        for stmt in body:
            for inner in stmt.bodies():
                found = search(inner)
                if found is not None:
                    return found
        return None

    return bool(search(program.body))


def _drop(body: list[Statement], stmt: Statement) -> bool:
    if stmt in body:
        body.remove(stmt)
        return True
    return any(_drop(inner, stmt) for s in body for inner in s.bodies())
